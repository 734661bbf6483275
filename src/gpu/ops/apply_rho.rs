//! z = ρ(a).

use super::params;
use crate::activation::Activation;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, Shader, wgsl};

params! { len: u32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("apply_rho"), [GRID]).with_activation(activation)
}

/// z = ρ(a).
pub fn apply_rho(activation: &Activation, len: usize, a: BufferId, z: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(activation), &params, Grid::Elements(len))
        .bind("a", a)
        .bind("z", z)
}

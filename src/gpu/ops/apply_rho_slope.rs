//! delta ∘= h(z).

use super::params;
use crate::activation::Activation;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, Shader, wgsl};

params! { len: u32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("apply_rho_slope"), [GRID]).with_activation(activation)
}

/// delta ∘= h(z).
pub fn apply_rho_slope(activation: &Activation, len: usize, z: BufferId, delta: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(activation), &params, Grid::Elements(len))
        .bind("z", z)
        .bind("delta", delta)
}

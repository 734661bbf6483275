//! delta ∘= h(z).

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("elementwise/apply_rho_slope"), [GRID]).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(
        Activation::ALL
            .iter()
            .chain([&Activation::RELU])
            .map(shader),
    )
}

/// delta ∘= h(z).
pub fn apply_rho_slope(activation: &Activation, len: usize, z: BufferId, delta: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(activation), &params, Grid::Elements(len))
        .bind("z", z)
        .bind("delta", delta)
}

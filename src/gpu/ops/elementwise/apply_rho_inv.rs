//! a = ρ⁻¹(clamp(u)).

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, NUMBERS, wgsl};

params! { len: u32, clamp_low: f32, clamp_high: f32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("elementwise/apply_rho_inv"), [GRID, NUMBERS]).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Activation::ALL.iter().map(shader))
}

/// a = ρ⁻¹(clamp(u)).
pub fn apply_rho_inv(
    activation: &Activation,
    len: usize,
    [clamp_low, clamp_high]: [f32; 2],
    u: BufferId,
    a: BufferId,
) -> Op {
    let params = Params {
        len: len as u32,
        clamp_low,
        clamp_high,
    };
    Op::new(shader(activation), &params, Grid::Elements(len))
        .bind("u", u)
        .bind("a", a)
}

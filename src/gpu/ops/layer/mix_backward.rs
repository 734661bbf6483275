//! q, the gradient in u = Mz: δ′ / h(u), 0 where the clamp of u was active.

use super::layer_backward::mix_file;
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, NUMBERS, wgsl};
use crate::kind::LayerKind;

params! { len: u32, gate_low: f32, gate_high: f32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    let files = [GRID, NUMBERS, mix_file(LayerKind::Bregman)];
    Shader::new(wgsl!("layer/mix_backward"), files).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Activation::ALL.iter().map(shader))
}

/// q = δ′ / h(u), 0 where the clamp of u = Mz was active.
pub fn mix_backward(
    activation: &Activation,
    len: usize,
    [gate_low, gate_high]: [f32; 2],
    u: BufferId,
    delta: BufferId,
    q: BufferId,
) -> Op {
    let params = Params {
        len: len as u32,
        gate_low,
        gate_high,
    };
    Op::new(shader(activation), &params, Grid::Elements(len))
        .bind("u", u)
        .bind("delta", delta)
        .bind("q", q)
}

//! q = δ′ / h(u), 0 where the clamp of u = Mz was active.

use super::params;
use crate::activation::Activation;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, NUMBERS, Shader, wgsl};

params! { len: u32, gate_low: f32, gate_high: f32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("mix_backward"), [GRID, NUMBERS]).with_activation(activation)
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

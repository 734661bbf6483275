//! output = delta where low ≤ gate ≤ high, else 0.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32, gate_low: f32, gate_high: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/apply_gate"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output = delta where low ≤ gate ≤ high, else 0.
pub fn apply_gate(
    len: usize,
    [gate_low, gate_high]: [f32; 2],
    gate: BufferId,
    delta: BufferId,
    output: BufferId,
) -> Op {
    let params = Params {
        len: len as u32,
        gate_low,
        gate_high,
    };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("gate", gate)
        .bind("delta", delta)
        .bind("output", output)
}

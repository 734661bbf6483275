//! output = delta where low ≤ gate ≤ high, else 0.

use super::params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, Shader, wgsl};

params! { len: u32, gate_low: f32, gate_high: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("apply_gate"), [GRID])
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

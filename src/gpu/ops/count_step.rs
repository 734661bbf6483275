//! Counts a training step.

use crate::gpu::op::{BufferId, Grid, Op, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::wgsl;

params! { steps: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("count_step"), [])
}

/// counter += 1.
pub fn count_step(counter: BufferId) -> Op {
    Op::new(shader(), &Params { steps: 1 }, Grid::Workgroups(1)).bind("counter", counter)
}

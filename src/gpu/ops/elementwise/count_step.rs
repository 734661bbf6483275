//! Counts the training steps.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::wgsl;

params! { steps: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/count_step"), [])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// counter += 1.
pub fn count_step(counter: BufferId) -> Op {
    Op::new(shader(), &Params { steps: 1 }, Grid::Workgroups(1)).bind("counter", counter)
}

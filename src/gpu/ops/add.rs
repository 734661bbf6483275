//! output += term.

use super::params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, Shader, wgsl};

params! { len: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("add"), [GRID])
}

/// output += term.
pub fn add(len: usize, term: BufferId, output: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("term", term)
        .bind("output", output)
}

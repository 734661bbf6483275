//! y = f(x) for an elementary function f.

use crate::gpu::op::{BufferId, Grid, Op, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{File, GRID, MATH, wgsl};

params! { len: u32 }

/// The kernel for the `function` that the file defines.
pub fn shader(function: File) -> Shader {
    Shader::new(wgsl!("elementwise/apply_function"), [GRID, function, MATH])
}

/// y = f(x).
pub fn apply_function(function: File, len: usize, x: BufferId, y: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(function), &params, Grid::Elements(len))
        .bind("x", x)
        .bind("y", y)
}

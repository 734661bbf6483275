//! output = input, as fast as an adapter copies.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::reflect::reflect;
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { vectors: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("bench/copy"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// Copies `vectors` vectors of 16 bytes.
pub fn copy(vectors: usize, input: BufferId, output: BufferId) -> Op {
    let params = Params {
        vectors: vectors as u32,
    };
    let shader = shader();
    let reflection = reflect(&shader).expect("every shader is checked by a test");
    let each = reflection.constants["EACH"] as usize;
    Op::new(shader, &params, Grid::Elements(vectors.div_ceil(each)))
        .bind("input", input)
        .bind("output", output)
}

//! Sums of the squares of a gradient, in parts.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{ROW_SUM, wgsl};

params! { len: u32, realizations: u32, part_len: u32, first: u32, stride: u32 }

/// Number of gradients that a workgroup sums.
const PART_LEN: usize = 4096;

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/gradient_squares"), [ROW_SUM])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// Number of parts of a gradient of `len` numbers.
pub fn parts(len: usize) -> usize {
    len.div_ceil(PART_LEN)
}

/// Writes the sums of `gradient` (R, len) to squares (R, stride), from place `first` of each realization
/// on.
pub fn gradient_squares(
    [realizations, len]: [usize; 2],
    gradient: BufferId,
    [first, stride]: [usize; 2],
    squares: BufferId,
) -> Op {
    let params = Params {
        len: len as u32,
        realizations: realizations as u32,
        part_len: PART_LEN as u32,
        first: first as u32,
        stride: stride as u32,
    };
    let groups = Grid::Workgroups(realizations * parts(len));
    Op::new(shader(), &params, groups)
        .bind("gradient", gradient)
        .bind("squares", squares)
}

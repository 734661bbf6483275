//! Marks the realizations whose numbers are not all finite.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{GRID, NUMBERS, wgsl};

params! { len: u32, realizations: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/check_finite"), [GRID, STORAGE, NUMBERS])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// flags (R) |= whether values (R, len / R) holds a number that is infinite or NaN.
pub fn check_finite(realizations: usize, len: usize, values: BufferId, flags: BufferId) -> Op {
    let params = Params {
        len: len as u32,
        realizations: realizations as u32,
    };
    let op = Op::new(shader(), &params, Grid::Elements(len))
        .bind("values", values)
        .bind("flags", flags);
    Op {
        any_storage: true,
        ..op
    }
}

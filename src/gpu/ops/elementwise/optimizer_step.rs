//! A step of an optimizer on one tensor, from its stored gradient.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32, realizations: u32, parts: u32 }

/// The kernel for an update.
pub fn shader(update: Update) -> Shader {
    let files = [GRID].into_iter().chain(update.files());
    Shader::new(wgsl!("elementwise/optimizer_step"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let steps = Update::ALL.into_iter().filter(|&u| u != Update::Store);
    Params::permutations(steps.map(shader))
}

/// Updates parameter (R, len / R) by its gradient, the sum of (R, parts, len / R), times the realization's scale,
/// scales (R).
pub fn optimizer_step(
    [realizations, parts]: [usize; 2],
    len: usize,
    updating: Updating,
    [gradient, scales]: [BufferId; 2],
    parameter: BufferId,
) -> Op {
    let params = Params {
        len: len as u32,
        realizations: realizations as u32,
        parts: parts as u32,
    };
    let op = Op::new(shader(updating.update), &params, Grid::Elements(len))
        .bind("gradient", gradient)
        .bind("scales", scales)
        .bind("parameter", parameter);
    updating.bind(op)
}

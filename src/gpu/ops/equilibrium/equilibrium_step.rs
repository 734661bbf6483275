//! An iteration towards the equilibrium, and its residual.

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{NUMBERS, ROW_SUM, wgsl};

params! { rows: u32, n: u32, tolerance: f32, low: f32, high: f32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("equilibrium/equilibrium_step"), [ROW_SUM, NUMBERS])
        .with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Activation::ALL.iter().map(shader))
}

/// Buffers of an iteration.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// zW, (rows, n).
    pub product: BufferId,
    /// Ux, (rows, n).
    pub injected: BufferId,
    /// b, (n).
    pub bias: BufferId,
    /// a, (rows, n).
    pub a: BufferId,
    /// z, (rows, n).
    pub z: BufferId,
    /// 1 for units inside the range, (rows, n).
    pub inside: BufferId,
    /// Root mean square residuals before the iteration, (rows).
    pub residuals: BufferId,
    /// Iterations done, (rows).
    pub iterations: BufferId,
}

/// An iteration of each row whose residual is above `tolerance`.
pub fn equilibrium_step(
    activation: &Activation,
    [rows, n]: [usize; 2],
    tolerance: f32,
    operands: Operands,
) -> Op {
    // The shader compares with finite numbers.
    let [low, high] = activation
        .range
        .map(|end| (end as f32).clamp(-f32::MAX, f32::MAX));
    let params = Params {
        rows: rows as u32,
        n: n as u32,
        tolerance,
        low,
        high,
    };
    Op::new(shader(activation), &params, Grid::Workgroups(rows))
        .bind("product", operands.product)
        .bind("injected", operands.injected)
        .bind("bias", operands.bias)
        .bind("a", operands.a)
        .bind("z", operands.z)
        .bind("inside", operands.inside)
        .bind("residuals", operands.residuals)
        .bind("iterations", operands.iterations)
}

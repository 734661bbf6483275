//! Where the iteration to an equilibrium starts.

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { rows: u32, n: u32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("equilibrium/equilibrium_start"), [GRID]).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Activation::ALL.iter().map(shader))
}

/// a = 0, z = ρ(0), (rows, n), and no `iterations`, (rows).
pub fn equilibrium_start(
    activation: &Activation,
    [rows, n]: [usize; 2],
    [a, z]: [BufferId; 2],
    iterations: BufferId,
) -> Op {
    let params = Params {
        rows: rows as u32,
        n: n as u32,
    };
    Op::new(shader(activation), &params, Grid::Elements(rows * n))
        .bind("a", a)
        .bind("z", z)
        .bind("iterations", iterations)
}

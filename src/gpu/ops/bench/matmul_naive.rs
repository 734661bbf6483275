//! output (m, n) = lhs (m, k) · rhsᵀ, one element an invocation.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::tile::Product;
use crate::gpu::wgsl::{GRID, wgsl};

params! { m: u32, n: u32, k: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("bench/matmul_naive"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output (m, n) = lhs (m, k) · rhsᵀ, rhs (n, k).
pub fn matmul_naive(product: Product, [lhs, rhs]: [BufferId; 2], output: BufferId) -> Op {
    let Product { m, n, k } = product;
    let params = Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
    };
    Op::new(shader(), &params, Grid::Elements(m * n))
        .bind("lhs", lhs)
        .bind("rhs", rhs)
        .bind("output", output)
}

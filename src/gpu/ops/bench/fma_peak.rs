//! Chains of multiplications and additions, as fast as an adapter computes.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::wgsl;

params! { factor: f32, summand: f32 }

/// The number of invocations in a workgroup.
pub const WORKGROUP: usize = 256;
/// FLOPs of an invocation: 64 rounds of 8 vectors, a product and a sum each.
pub const FLOPS: usize = 64 * 8 * 4 * 2;

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("bench/fma_peak"), [])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// `workgroups` workgroups, each a chain of FMAs per invocation; output is (workgroups · 256).
pub fn fma_peak(workgroups: usize, output: BufferId) -> Op {
    let params = Params {
        factor: 0.999,
        summand: 0.001,
    };
    Op::new(shader(), &params, Grid::Workgroups(workgroups)).bind("output", output)
}

//! Kernels that measure the limits of an adapter, and the plain product to compare the tiles with.

pub mod coop_peak;
pub mod copy;
pub mod fma_peak;
pub mod matmul_naive;

use crate::gpu::op::Permutation;

/// The permutations of all kernels of the family.
pub fn permutations() -> Vec<Permutation> {
    [
        coop_peak::permutations(),
        copy::permutations(),
        fma_peak::permutations(),
        matmul_naive::permutations(),
    ]
    .concat()
}

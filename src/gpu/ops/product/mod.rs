//! Products of whole matrices.

pub mod matmul;

use crate::gpu::op::Permutation;

/// The permutations of all kernels of the family.
pub fn permutations() -> Vec<Permutation> {
    matmul::permutations()
}

//! Convolutions and pooling.

pub mod conv2d_backward_input;
pub mod conv2d_backward_weight;
pub mod conv2d_forward;
pub mod conv2d_update;
pub mod max_pool2d_backward;
pub mod max_pool2d_forward;
pub mod shape;

use crate::gpu::op::Permutation;

/// The permutations of all kernels of the family.
pub fn permutations() -> Vec<Permutation> {
    [
        conv2d_backward_input::permutations(),
        conv2d_backward_weight::permutations(),
        conv2d_forward::permutations(),
        conv2d_update::permutations(),
        max_pool2d_backward::permutations(),
        max_pool2d_forward::permutations(),
    ]
    .concat()
}

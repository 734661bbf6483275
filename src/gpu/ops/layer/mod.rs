//! Layers and the head of a network, fused, the gather of a batch, with augmentation or without, and whole
//! steps of small networks.

pub mod augment;
pub mod gather;
pub mod head;
pub mod layer_backward;
pub mod layer_forward;
pub mod layer_forward_mix;
pub mod mix_backward;
pub mod mix_update;
pub mod small_network;

use crate::gpu::op::Permutation;

/// The permutations of all kernels of the family.
pub fn permutations() -> Vec<Permutation> {
    [
        augment::permutations(),
        gather::permutations(),
        head::permutations(),
        layer_backward::permutations(),
        layer_forward::permutations(),
        layer_forward_mix::permutations(),
        mix_backward::permutations(),
        mix_update::permutations(),
        small_network::permutations(),
    ]
    .concat()
}

//! The equilibrium layer: its weight, the iteration, conjugate gradients and the update.

pub mod conjugate_start;
pub mod conjugate_step;
pub mod equilibrium_scale;
pub mod equilibrium_start;
pub mod equilibrium_step;
pub mod equilibrium_through;
pub mod equilibrium_update;
pub mod equilibrium_weight;

use crate::gpu::op::Permutation;

/// The permutations of all kernels of the family.
pub fn permutations() -> Vec<Permutation> {
    [
        conjugate_start::permutations(),
        conjugate_step::permutations(),
        equilibrium_scale::permutations(),
        equilibrium_start::permutations(),
        equilibrium_step::permutations(),
        equilibrium_through::permutations(),
        equilibrium_update::permutations(),
        equilibrium_weight::permutations(),
    ]
    .concat()
}

//! Operations on each element or row by itself: those of the unfused path, and the few that both paths need.

pub mod add;
pub mod add_bias;
pub mod add_channel_bias;
pub mod apply_function;
pub mod apply_gate;
pub mod apply_rho;
pub mod apply_rho_inv;
pub mod apply_rho_slope;
pub mod bias_gradient;
pub mod check_finite;
pub mod clip_scale;
pub mod dropout;
pub mod gradient_squares;
pub mod limit_dual;
pub mod optimizer_step;
pub mod project_simplex;

use crate::gpu::op::Permutation;

/// The permutations of all kernels of the family.
pub fn permutations() -> Vec<Permutation> {
    [
        add::permutations(),
        add_bias::permutations(),
        add_channel_bias::permutations(),
        apply_gate::permutations(),
        apply_rho::permutations(),
        apply_rho_inv::permutations(),
        apply_rho_slope::permutations(),
        bias_gradient::permutations(),
        check_finite::permutations(),
        clip_scale::permutations(),
        dropout::permutations(),
        gradient_squares::permutations(),
        limit_dual::permutations(),
        optimizer_step::permutations(),
        project_simplex::permutations(),
    ]
    .concat()
}

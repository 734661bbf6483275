//! A limit L → ∞ that can learn: a Bregman layer whose energy contains the input.
//!
//! ```text
//! E(z; x) = −½ zᵀWz − (Ux + b)ᵀz,      a ← a + Wρ(a) + Ux + b,   z = ρ(a)
//! ```
//!
//! With −(2 − δ)σ ≤ λ(W) ≤ −δ, E is δ-strongly convex, so h(x), its minimiser over the range I of
//! ρ, is unique. The iteration is mirror descent with a fixed step and converges to h(x) from any
//! start, since D_Φ exceeds half the curvature of E (Theorem 5.1 with a margin of δ).
//!
//! # W, by construction
//!
//! The trained parameter is V, (n, n), without any constraint. With Y = ½(V + Vᵀ),
//! dᵢ = max(1, Σⱼ|Yᵢⱼ|) and K = D^{−½} Y D^{−½},
//!
//! ```text
//! W = −c·I + r·K,   c = ½((2 − δ)σ + δ),   r = ½((2 − δ)σ − δ).
//! ```
//!
//! K is similar to D⁻¹Y. The absolute values of each row of D⁻¹Y sum to at most 1, and the largest
//! such sum bounds the spectral radius. K is symmetric, so ‖K‖₂ ≤ 1 and
//! λ(W) ∈ [−c − r, −c + r] = [−(2 − δ)σ, −δ]. No eigenvalue is computed, in training or after it,
//! and no bound is estimated from below, as power iteration would.
//!
//! # When it is converged
//!
//! With the drift d = Wz + Ux + b, the natural residual z − P_I(z + d) is 0 at h(x) and nowhere
//! else, and bounds the distance to it: ‖z − h(x)‖ ≤ (1 + ‖W‖₂)/δ · ‖z − P_I(z + d)‖. It is
//! measured in z, since a tends to ±∞ where a unit ends at an end of the range. The step ‖z′ − z‖
//! is no measure: it is small as well where a unit that starts at the wrong end has yet to leave
//! it, since h is small there.
//!
//! # The hypergradient
//!
//! S, the units inside the range, are those that z + d leaves there. With g = dL/dz, v solves
//! −W_SS v_S = g_S and is 0 elsewhere (conjugate gradients; −W_SS is positive definite, with
//! condition number at most (2 − δ)σ/δ), and db = Σ v, dU = vᵀx, dW = vᵀz, which is pulled back to
//! V. Units outside S count as constant. No state of the iteration is kept, so memory does not
//! depend on the number of steps. [`mod@reference`] computes this in f64, and the gradient of Problem
//! 2.2, which goes through L layers and keeps them all.

mod any;
#[doc(hidden)]
pub mod checkpoint;
mod cpu;
#[doc(hidden)]
pub mod experiment;
mod gpu;
mod layer;
#[doc(hidden)]
pub mod reference;

pub use any::AnyEquilibrium;
#[doc(hidden)]
pub use cpu::{CpuEquilibrium, CpuLayer};
#[doc(hidden)]
pub use gpu::GpuEquilibrium;
pub use layer::{DELTA, Equilibrium, Gradient, Solver, SolverReport};

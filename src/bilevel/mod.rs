//! The theory in f64: Sections 2 to 5 of the paper as code that can be run and checked.
//!
//! # Sec. 2: a problem within a problem
//!
//! Learning a representation is a bilevel problem (Problem 2.1): the upper level fits a linear
//! classifier ψ to h(x; θ), the lower level defines h,
//!
//! ```text
//! min over ψ, θ of Σᵢ ℓ(ψ(h(xᵢ; θ)), yᵢ)   with   h(x; θ) ∈ crit(f_θ + g).
//! ```
//!
//! The lower level is solved by majorization-minimization ([`Minimization`], eq. 3): from z⁽⁰⁾ = x,
//!
//! ```text
//! z⁽ˡ⁺¹⁾ = argmin_z F(z; z⁽ˡ⁾) + g(z),      F(v; v) = f(v),   F(z; v) ≥ f(z)   (Definition 2.1)
//! ```
//!
//! and stopped after L steps (Problem 2.2), which is a network of L layers. [`Definition`] checks
//! on a sample that F is a majorant of f. The paper prints the third bullet of the definition with
//! "=" where "≥" is meant.
//!
//! # Sec. 3: quadratic majorants give feed-forward layers
//!
//! [`Quadratic`] is Q (eq. 6), [`Majorant`] with [`Geometry::Euclidean`] is F (eq. 7), and its
//! minimiser is z′ = prox_{τg}(Wz + b) with W = I − τ(A + C)ᵀ and b = −τd (eq. 10,
//! [`Majorant::layer`]). Activations are proximity operators of g = φ − ½t²
//! ([`Potential::OfActivation`](prox::Potential)); [Examples 3.1](prox::EXAMPLE_3_1) and
//! [3.2](prox::EXAMPLE_3_2) are two of them.
//!
//! *Corrected:* Prop. 3.1 holds for τ ≤ 1/λ_max(A). As printed, for τ < 2/‖A‖₂, it does not hold:
//! with f = ½z² and τ = 1.5, F(1; 0) = 1/3 is below f(1) = 1/2. Only the convergence of the
//! forward-backward algorithm holds for all τ < 2/‖A‖₂.
//!
//! # Sec. 4: Bregman distances give Bregman layers
//!
//! [`Geometry::Bregman`] measures with D_Φ (eq. 12) instead, F becomes eq. 13, and the minimiser
//! z′ = prox^Φ_{τg}(∇Φ(z) + Wz + b) with W = −τ(A + C)ᵀ and b = −τd (eq. 17). With g the indicator
//! of the range of ρ and φ′ = ρ⁻¹, the proximity operator is ρ itself (Props. 4.2 and 4.3): the
//! Bregman layer ρ(ρ⁻¹(z) + Wz + b) of eq. 20, the identity for W = 0, b = 0 (eq. 21).
//!
//! *Corrected:* the threshold of Prop. 4.1 is τ ≤ σ/λ_max(A), exactly ([`Majorant::largest_tau`]);
//! Table 1 is corrected in [`crate::activation`]; the φ of sin is not Legendre, since φ′ stays
//! finite at ±1, and its activation is the sine *clamped* to ±π/2.
//!
//! # Sec. 5: the limit of the layers
//!
//! Tangency for one common f makes W_l = −τ_l H with H symmetric: Theorem 5.1 is about tied and
//! symmetric layers. They never increase f + g while λ_min(W) ≥ −2σ, and converge if the inequality
//! is strict and f + g is bounded below. [`propositions`] shows both, and a failure without each of
//! the hypotheses.
//!
//! *Corrected:* the g of Examples 3.1 and 3.2 is convex, contrary to the remark in Sec. 5.
//!
//! # The limit L → ∞
//!
//! [`limit`] shows that Problem 2.1 taken literally learns nothing: a fixed point with tied W and b
//! inside the range solves Wz + b = 0, in which x does not occur. [`equilibrium`] puts the input
//! into the energy. Then the limit is a unique minimiser that depends on x, and it learns by
//! implicit differentiation. Its [experiment](equilibrium::experiment) compares Problem 2.2
//! at L layers with it.

pub mod equilibrium;
mod legendre;
#[doc(hidden)]
pub mod limit;
mod majorant;
mod mm;
#[doc(hidden)]
pub mod propositions;
#[doc(hidden)]
pub mod prox;
#[doc(hidden)]
pub mod sampler;

pub use legendre::Geometry;
pub use majorant::{Definition, Layer, Majorant, Quadratic, Smooth};
pub use mm::{Certificate, Minimization, Problem};

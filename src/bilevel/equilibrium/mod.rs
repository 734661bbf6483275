//! The limit L → ∞ that can learn: a Bregman layer whose energy takes the input.
//!
//! ```text
//! E(z; x) = −½ zᵀWz − (Ux + b)ᵀz,      a ← a + Wρ(a) + Ux + b,   z = ρ(a)
//! ```
//!
//! With −(2 − δ)σ ≤ λ(W) ≤ −δ, E is δ-strongly convex, so that h(x), its minimiser over the range I
//! of ρ, is unique, whatever the start; and the iteration, mirror descent with a fixed step, converges
//! to it, since D_Φ exceeds half the curvature of E (Theorem 5.1 with room to spare).
//!
//! # W, by construction
//!
//! What is trained is V, (n, n), without any constraint. With Y = ½(V + Vᵀ), dᵢ = max(1, Σⱼ|Yᵢⱼ|) and
//! K = D^{−½} Y D^{−½},
//!
//! ```text
//! W = −c·I + r·K,   c = ½((2 − δ)σ + δ),   r = ½((2 − δ)σ − δ).
//! ```
//!
//! K is similar to D⁻¹Y, whose rows have absolute sums of at most 1, and so has every induced norm's
//! bound, the largest row sum, on its spectral radius; K is symmetric, so ‖K‖₂ ≤ 1, and
//! λ(W) ∈ [−c − r, −c + r] = [−(2 − δ)σ, −δ]. No eigenvalue is ever computed, in training or after,
//! and no bound is estimated from below, as power iteration would.
//!
//! # When it is converged
//!
//! With the drift d = Wz + Ux + b, the natural residual z − P_I(z + d) is 0 at h(x) and nowhere else,
//! and bounds the distance to it: ‖z − h(x)‖ ≤ (1 + ‖W‖₂)/δ · ‖z − P_I(z + d)‖. It is measured in z; a
//! runs off to ±∞ where a unit ends at the range's end. A step ‖z′ − z‖ would not do: it is small, too,
//! where a unit that starts at the wrong end has yet to leave it, since h is small there.
//!
//! # The hypergradient
//!
//! S, the units inside the range, are those that z + d leaves there. With g = dL/dz, v solves
//! −W_SS v_S = g_S and is 0 elsewhere (conjugate gradients; −W_SS is positive definite, with
//! condition number at most (2 − δ)σ/δ), and db = Σ v, dU = vᵀx, dW = vᵀz, from where it goes on to V.
//! Units outside S count as constant. Nothing of the iteration is kept: memory does not depend on
//! how many steps it took. [`reference`] has it in f64, beside the gradient of Problem 2.2, which
//! goes through L layers and keeps them all.

pub mod checkpoint;
mod cpu;
pub mod experiment;
mod gpu;
pub mod reference;

pub use cpu::{CpuEquilibrium, CpuLayer, Gradient};
pub use gpu::GpuEquilibrium;

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::nn::{Form, Init, LayerKind, LayerParameters, Loss, Model, Parameters};
use crate::rng::{Purpose, Stream};

/// An equilibrium layer under a linear head, and how it is solved.
#[derive(Clone, Debug)]
pub struct Equilibrium {
    /// Widths, activation, loss and input range; its one hidden layer says what U and b are.
    pub model: Model,
    /// δ, what keeps W away from the ends of what Theorem 5.1 allows, in ]0, σ[.
    pub delta: f32,
    /// When it is converged, and what is done then.
    pub solver: Solver,
}

/// How far the equilibrium and its hypergradient are solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solver {
    /// A sample is done when the root mean square of its natural residual is below this.
    pub tolerance: f32,
    /// Iterations of a sample, at most.
    pub max_iterations: usize,
    /// Conjugate gradients end where the residual has shrunk to this part of g, or to 10⁻¹⁵: what a
    /// network that is sure of a sample leaves of g moves no parameter, and its squares are soon below
    /// what f32 can tell from 0.
    pub gradient_tolerance: f32,
    /// Iterations of conjugate gradients, at most.
    pub max_gradient_iterations: usize,
}

impl Solver {
    /// 10⁻³ for z, 10⁻⁴ for the hypergradient.
    pub const DEFAULT: Self = Self {
        tolerance: 1e-3,
        max_iterations: 100,
        gradient_tolerance: 1e-4,
        max_gradient_iterations: 50,
    };
}

/// The square of a residual that conjugate gradients take for 0.
const NEGLIGIBLE_SQUARE: f32 = 1e-30;

/// δ of [`Equilibrium::new`].
pub const DELTA: f32 = 0.1;

/// What solving did, over an epoch or an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct SolverReport {
    /// Samples solved.
    pub samples: u64,
    /// Iterations, summed over the samples.
    pub iterations: u64,
    /// Iterations of the slowest.
    pub most_iterations: u64,
    /// Samples that reached the cap.
    pub capped: u64,
    /// Root mean square residuals, summed over the samples.
    pub residuals: f64,
    /// Units at an end of the range, over all samples.
    pub at_ends: u64,
    /// Iterations of conjugate gradients, summed over the batches.
    pub gradient_iterations: u64,
    /// Batches differentiated.
    pub gradients: u64,
}

impl SolverReport {
    /// In words, for layers of `width` units.
    pub fn describe(&self, width: usize) -> String {
        let samples = self.samples.max(1) as f64;
        let gradients = match self.gradients {
            0 => String::new(),
            n => format!(
                ", {:.1} iterations of conjugate gradients",
                self.gradient_iterations as f64 / n as f64
            ),
        };
        format!(
            "{:.1} iterations (most {}, {:.2} % at the cap), residual {:.1e}, {:.1} % of units at \
             the range's ends{gradients}",
            self.iterations as f64 / samples,
            self.most_iterations,
            100.0 * self.capped as f64 / samples,
            self.residuals / samples,
            100.0 * self.at_ends as f64 / (samples * width as f64),
        )
    }
}

impl Equilibrium {
    /// A layer of `width` units on inputs of `features`, with δ = 0.1.
    ///
    /// # Errors
    /// Those of [`Model::new`]; [`Error::InvalidValue`] for a solver that cannot work.
    pub fn new(
        activation: &'static Activation,
        loss: Loss,
        [features, width, outputs]: [usize; 3],
        solver: Solver,
    ) -> Result<Self> {
        let widths = [features, width];
        // The skip is the dual variable's own: no M is needed, whatever the widths.
        let mut model = Model::new(
            LayerKind::Bregman,
            Form::Dual,
            activation,
            loss,
            &widths,
            outputs,
        )?;
        model.layers[0].mix = false;
        let invalid = |field, value: String, reason: &str| {
            let reason = reason.to_owned();
            Err(Error::InvalidValue {
                field,
                value,
                reason,
            })
        };
        for (field, tolerance) in [
            ("tolerance", solver.tolerance),
            ("gradient_tolerance", solver.gradient_tolerance),
        ] {
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                return invalid(field, tolerance.to_string(), "must be a number, at least 0");
            }
        }
        for (field, most) in [
            ("max_iterations", solver.max_iterations),
            ("max_gradient_iterations", solver.max_gradient_iterations),
        ] {
            if most == 0 {
                return invalid(field, most.to_string(), "must be at least 1");
            }
        }
        Ok(Self {
            model,
            delta: DELTA,
            solver,
        })
    }

    /// Units of the layer, n.
    pub fn width(&self) -> usize {
        self.model.layers[0].outputs
    }

    /// c and r of W = −cI + rK, so that λ(W) ∈ [−(2 − δ)σ, −δ].
    pub fn center_and_radius(&self) -> [f64; 2] {
        let (sigma, delta) = (self.model.activation.sigma, f64::from(self.delta));
        let largest = (2.0 - delta) * sigma;
        [0.5 * (largest + delta), 0.5 * (largest - delta)]
    }

    /// U, b and the head from U(±1/√in), V from U(±1/n), which leaves D near I. The hidden "layers"
    /// of the parameters are U with b, (n, features) and (n), and V, (n, n), without a bias.
    pub fn initial(&self, seed: u64) -> Parameters {
        let mut parameters = Init::Random.parameters(&self.model, seed);
        let n = self.width();
        // The tensors of U, b, head W and head b are streams 0 to 3.
        let stream = Stream::new(seed, Purpose::Init, 4);
        let entry = |i: usize| (2.0 * stream.uniform(i as u64) - 1.0) / n as f32;
        parameters.layers.push(LayerParameters {
            weight: (0..n * n).map(entry).collect(),
            bias: vec![],
            mix: None,
        });
        parameters
    }

    /// Fails unless `parameters` have this network's shapes.
    ///
    /// # Errors
    /// [`Error::Shape`] with the lengths of the tensors.
    pub fn check_parameters(&self, parameters: &Parameters) -> Result<()> {
        let n = self.width();
        let (features, outputs) = (self.model.inputs(), self.model.head.outputs);
        let expected = vec![n * features, n, n * n, 0, outputs * n, outputs];
        let found: Vec<usize> = parameters.tensors().map(Vec::len).collect();
        if found != expected {
            return Err(Error::Shape {
                operation: "tensors U, b, V, none, head W and head b of an equilibrium layer"
                    .to_owned(),
                expected,
                found,
            });
        }
        Ok(())
    }
}

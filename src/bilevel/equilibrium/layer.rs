//! The layer under its linear head: parameters, solver, and the statistics of solving.

use crate::activation::Activation;
use crate::error::{Error, Result, at_least_one};
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::nn::{LayerParameters, Model, Parameters};
use crate::rng::{Purpose, Stream};

/// An equilibrium layer under a linear head, and the settings of its solver.
#[derive(Clone, Debug)]
pub struct Equilibrium {
    /// Widths, activation, loss and input range. Its one hidden layer gives the shapes of U and b.
    pub model: Model,
    /// δ, the distance of λ(W) from the ends of what Theorem 5.1 allows, in ]0, σ[.
    pub delta: f32,
    /// Tolerances and caps of the iterations.
    pub solver: Solver,
}

/// How exactly the equilibrium and its hypergradient are solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solver {
    /// A sample has converged when the root mean square of its natural residual is at most this.
    pub tolerance: f32,
    /// The largest number of iterations of a sample.
    pub max_iterations: usize,
    /// Conjugate gradients end when the residual has shrunk to this fraction of g, or to 10⁻¹⁵. For a sample that
    /// the network classifies with certainty, g is so small that it changes no parameter, and its square is 0 in
    /// f32.
    pub gradient_tolerance: f32,
    /// The largest number of iterations of conjugate gradients.
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

/// The method by which the layer is run and differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Gradient {
    /// At the limit, by the implicit function theorem. Memory does not depend on the iterations.
    Implicit,
    /// Problem 2.2: this number of layers, all of them kept, and back through each.
    Unrolled(usize),
}

/// Conjugate gradients treat a residual as 0 whose square is at most this.
pub(super) const NEGLIGIBLE_SQUARE: f32 = 1e-30;

/// δ that [`Equilibrium::new`] sets.
#[doc(hidden)]
pub const DELTA: f32 = 0.1;

/// Statistics of the solver over an epoch or an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct SolverReport {
    /// Samples solved.
    pub samples: u64,
    /// Iterations, summed over the samples.
    pub iterations: u64,
    /// Iterations of the slowest sample.
    pub most_iterations: u64,
    /// Samples that reached the largest number of iterations.
    pub capped: u64,
    /// Root mean square residuals, summed over the samples.
    pub residuals: f64,
    /// Units at an end of the range, summed over the samples.
    pub at_ends: u64,
    /// Iterations of conjugate gradients, summed over the batches.
    pub gradient_iterations: u64,
    /// Batches differentiated.
    pub gradients: u64,
}

impl SolverReport {
    /// The statistics in words, for a layer of `width` units.
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
    /// Errors of [`Model::new`]; [`Error::InvalidValue`] for a tolerance that is no number ≥ 0, and
    /// for a solver without iterations.
    pub fn new(
        activation: &'static Activation,
        loss: Loss,
        [features, width, outputs]: [usize; 3],
        solver: Solver,
    ) -> Result<Self> {
        let widths = [features, width];
        // The skip path carries the dual variable within the layer, so no M is needed for any
        // widths.
        let mut model = Model::new(
            LayerKind::Bregman,
            Form::Dual,
            activation,
            loss,
            &widths,
            outputs,
        )?;
        model.layers[0].shape.mix = false;
        for (field, tolerance) in [
            ("tolerance", solver.tolerance),
            ("gradient_tolerance", solver.gradient_tolerance),
        ] {
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                return Err(Error::InvalidValue {
                    field,
                    value: tolerance.to_string(),
                    reason: "must be a number, at least 0".to_owned(),
                });
            }
        }
        at_least_one(&[
            ("max_iterations", solver.max_iterations),
            ("max_gradient_iterations", solver.max_gradient_iterations),
        ])?;
        Ok(Self {
            model,
            delta: DELTA,
            solver,
        })
    }

    /// The number of units of the layer, n.
    pub fn width(&self) -> usize {
        self.model.layers[0].shape.outputs
    }

    /// c and r of W = −cI + rK, so that λ(W) ∈ [−(2 − δ)σ, −δ].
    pub fn center_and_radius(&self) -> [f64; 2] {
        let (sigma, delta) = (self.model.layers[0].activation.sigma, f64::from(self.delta));
        let largest = (2.0 - delta) * sigma;
        [0.5 * (largest + delta), 0.5 * (largest - delta)]
    }

    /// Initial parameters: U, b and the head from U(±1/√in), V from U(±1/n), which leaves D near I.
    /// The first hidden "layer" of the parameters is U, (n, features), with b, (n); the second is V,
    /// (n, n), without a bias.
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

    /// Checks that `parameters` have this network's shapes.
    ///
    /// # Errors
    /// [`Error::Shape`] with the lengths of the tensors, if they do not.
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

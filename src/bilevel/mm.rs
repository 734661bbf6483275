//! Eq. 3: the majorization-minimization algorithm, with a certificate of each of its steps.

use nalgebra::DVector;

use super::prox::{Potential, Prox, closed_form, prox};
use super::{Geometry, Layer, Majorant, Smooth};

/// The lower-level problem min f + g with g = Σᵢ gᵢ(zᵢ), all gᵢ alike (Problem 2.1).
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Problem {
    /// f.
    pub smooth: Smooth,
    /// gᵢ.
    pub potential: Potential,
    /// The factor of g; 1/τ makes τg the potential itself.
    pub scale: f64,
}

impl Problem {
    /// f(z) + g(z).
    pub fn objective(&self, z: &DVector<f64>) -> f64 {
        let g: f64 = z.iter().map(|&t| self.potential.value(t)).sum();
        self.smooth.value(z) + self.scale * g
    }

    /// ‖z − prox_g(z − ∇f(z))‖, which is 0 exactly where z is critical for f + g. It does not
    /// depend on the algorithm.
    pub fn residual(&self, z: &DVector<f64>) -> f64 {
        let step = z - self.smooth.gradient(z);
        let proxed = step.map(|v| prox(Geometry::Euclidean, self.potential, self.scale, v));
        (z - proxed).norm()
    }
}

/// The certificate of a step of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct Certificate {
    /// The step l, from 1.
    pub step: usize,
    /// f + g at z⁽ˡ⁾.
    pub objective: f64,
    /// The decrease of f + g, which is never negative with a majorant.
    pub decrease: f64,
    /// ‖z⁽ˡ⁾ − z⁽ˡ⁻¹⁾‖.
    pub moved: f64,
    /// [`Problem::residual`] at z⁽ˡ⁾.
    pub residual: f64,
}

/// The iteration z⁽ˡ⁺¹⁾ = argmin_z F(z; z⁽ˡ⁾) + g(z), without end.
#[doc(hidden)]
pub struct Minimization<'a> {
    problem: &'a Problem,
    layer: Layer,
    /// The proximity operator of τg in the layer's geometry.
    prox: Prox,
    /// Whether g only restricts z to the range, so that the argument of ρ is ∇Φ(z′) itself.
    carries: bool,
    z: DVector<f64>,
    /// ∇Φ(z).
    dual: DVector<f64>,
    step: usize,
    objective: f64,
}

impl<'a> Minimization<'a> {
    /// Starts at z⁽⁰⁾ = `start`, in the interior of the domain of Φ. The proximity operator is
    /// [`closed_form`] if there is one, else [`prox()`].
    pub fn new(problem: &'a Problem, majorant: &Majorant, start: DVector<f64>) -> Self {
        let geometry = majorant.geometry;
        let tau = majorant.tau * problem.scale;
        let potential = problem.potential;
        let indicator =
            matches!(potential, Potential::Indicator(range) if range == geometry.domain());
        let prox = closed_form(geometry, potential, tau)
            .unwrap_or_else(|| Box::new(move |v| prox(geometry, potential, tau, v)));
        Self {
            problem,
            layer: majorant.layer(),
            prox,
            carries: indicator,
            dual: start.map(|t| geometry.gradient(t)),
            objective: problem.objective(&start),
            z: start,
            step: 0,
        }
    }

    /// The current z⁽ˡ⁾.
    pub fn point(&self) -> &DVector<f64> {
        &self.z
    }
}

impl Iterator for Minimization<'_> {
    type Item = Certificate;

    fn next(&mut self) -> Option<Certificate> {
        let pre_activation = self.layer.pre_activation(&self.z, &self.dual);
        let z = pre_activation.map(&self.prox);
        self.dual = match self.layer.geometry {
            Geometry::Bregman(activation) if self.carries => {
                // ∇Φ is finite at the ends of the sine's range, so a is clamped there.
                let [low, high] = activation.range.map(activation.rho_inv);
                pre_activation.map(|a| a.clamp(low, high))
            }
            geometry => z.map(|t| geometry.gradient(t)),
        };
        let objective = self.problem.objective(&z);
        self.step += 1;
        let certificate = Certificate {
            step: self.step,
            objective,
            decrease: self.objective - objective,
            moved: (&z - &self.z).norm(),
            residual: self.problem.residual(&z),
        };
        self.z = z;
        self.objective = objective;
        Some(certificate)
    }
}

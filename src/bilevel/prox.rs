//! Proximity operators in one dimension: closed forms, and a solver to check them.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use super::Geometry;
use crate::activation::Activation;

/// A function g: ℝ → ]−∞, ∞], the nonsmooth part of the lower-level problem, coordinate by
/// coordinate. With every φ of Table 1, g + φ is strictly convex.
#[derive(Clone, Copy, Debug)]
pub enum Potential {
    /// ι_I: 0 on an interval, ∞ outside. Its Bregman proximity operator is the activation whose
    /// range is I (Prop. 4.2), its Euclidean one the projection.
    Indicator([f64; 2]),
    /// φ(t) − t²/2, whose Euclidean proximity operator is the activation (Sec. 3); convex, since
    /// σ ≥ 1 in every row of Table 1.
    OfActivation(&'static Activation),
    /// A formula that does not come from Table 1.
    Formula(&'static Formula),
}

/// A potential with its derivative and its proximity operator, written out independently of Table 1.
#[derive(Debug)]
pub struct Formula {
    /// Its name in the paper.
    pub name: &'static str,
    /// dom g, closed.
    pub domain: [f64; 2],
    /// g(t) within the domain.
    pub value: fn(f64) -> f64,
    /// g′(t) within the domain.
    pub slope: fn(f64) -> f64,
    /// The Euclidean proximity operator of g (τ = 1).
    pub prox: fn(f64) -> f64,
}

/// Example 3.1: g(t) = −t²/2 − √(1 − t²) on [−1, 1], whose Euclidean proximity operator is isru.
pub static EXAMPLE_3_1: Formula = Formula {
    name: "Example 3.1",
    domain: [-1.0, 1.0],
    value: |t| -0.5 * t * t - (1.0 - t * t).sqrt(),
    slope: |t| t / (1.0 - t * t).sqrt() - t,
    prox: |v| v / (1.0 + v * v).sqrt(),
};

/// Example 3.2: g(t) = −(2/π) log cos(πt/2) − t²/2 on ]−1, 1[, whose Euclidean proximity operator is
/// the scaled arctan.
pub static EXAMPLE_3_2: Formula = Formula {
    name: "Example 3.2",
    domain: [-1.0, 1.0],
    value: |t| -FRAC_2_PI * (FRAC_PI_2 * t).cos().ln() - 0.5 * t * t,
    slope: |t| (FRAC_PI_2 * t).tan() - t,
    prox: |v| FRAC_2_PI * v.atan(),
};

/// g(t) = √(1 − t²) + t asin t − t²/2 on [−1, 1]: its Euclidean proximity operator is the sine,
/// clamped to ±π/2, since g′ stays finite at ±1. The plain sine is not monotone, and so no proximity
/// operator.
pub static CLAMPED_SINE: Formula = Formula {
    name: "clamped sine",
    domain: [-1.0, 1.0],
    value: |t| (1.0 - t * t).sqrt() + t * t.asin() - 0.5 * t * t,
    slope: |t| t.asin() - t,
    prox: |v| v.clamp(-FRAC_PI_2, FRAC_PI_2).sin(),
};

impl Potential {
    /// dom g, closed.
    pub fn domain(self) -> [f64; 2] {
        match self {
            Self::Indicator(interval) => interval,
            Self::OfActivation(activation) => activation.range,
            Self::Formula(formula) => formula.domain,
        }
    }

    /// g(t), which is ∞ outside its domain.
    pub fn value(self, t: f64) -> f64 {
        let [low, high] = self.domain();
        match self {
            _ if t < low || t > high => f64::INFINITY,
            Self::Indicator(_) => 0.0,
            Self::OfActivation(activation) => (activation.phi)(t) - 0.5 * t * t,
            Self::Formula(formula) => (formula.value)(t),
        }
    }

    /// g′(t) within the domain.
    pub fn slope(self, t: f64) -> f64 {
        match self {
            Self::Indicator(_) => 0.0,
            Self::OfActivation(activation) => (activation.rho_inv)(t) - t,
            Self::Formula(formula) => (formula.slope)(t),
        }
    }
}

/// The closed form of prox^φ_{τg}, if there is one. It is the activation if g is the indicator of
/// its range and φ is its own (Prop. 4.2), or if φ = ½t² and τg is the activation's φ − ½t² (Sec.
/// 3); the operator of a formula; or the projection.
pub fn closed_form(geometry: Geometry, potential: Potential, tau: f64) -> Option<Prox> {
    match (geometry, potential) {
        (Geometry::Bregman(activation), Potential::Indicator(interval))
            if interval == activation.range =>
        {
            Some(Box::new(activation.rho))
        }
        (Geometry::Euclidean, Potential::OfActivation(activation)) if tau == 1.0 => {
            Some(Box::new(activation.rho))
        }
        (Geometry::Euclidean, Potential::Formula(formula)) if tau == 1.0 => {
            Some(Box::new(formula.prox))
        }
        (Geometry::Euclidean, Potential::Indicator([low, high])) => {
            Some(Box::new(move |v| v.clamp(low, high)))
        }
        _ => None,
    }
}

/// A proximity operator of one variable.
pub type Prox = Box<dyn Fn(f64) -> f64>;

/// prox^φ_{τg}(v) = argmin_u τg(u) + φ(u) − uv (Van Nguyen), which for φ = ½t² is the Euclidean
/// prox_{τg}(v) = argmin_u τg(u) + ½(u − v)². [`solve_increasing`] finds the zero of the
/// derivative. The error is a few ULP of the derivative, divided by its slope, which is at least σ.
pub fn prox(geometry: Geometry, potential: Potential, tau: f64, v: f64) -> f64 {
    let [[low, high], [least, most]] = [geometry.domain(), potential.domain()];
    let domain = [low.max(least), high.min(most)];
    let derivative = |u: f64| tau * potential.slope(u) + geometry.gradient(u) - v;
    solve_increasing(derivative, domain)
}

/// The function of u that [`prox`] minimises, τg(u) + φ(u) − uv.
pub fn prox_objective(geometry: Geometry, potential: Potential, tau: f64, v: f64, u: f64) -> f64 {
    tau * potential.value(u) + geometry.phi(u) - u * v
}

/// The zero of an increasing function on an interval, or the end of the interval next to it.
///
/// An infinite end is replaced by a bracket that doubles until it holds the zero. The bracket is
/// cut at the secant and at its middle in turn, so each second cut halves it, even if the function
/// is steep at its ends. It ends when no number is left between the ends, or after 240 cuts, when
/// its width is at most 2⁻¹²⁰ of the first.
pub fn solve_increasing(f: impl Fn(f64) -> f64, [low, high]: [f64; 2]) -> f64 {
    const CUTS: usize = 240;
    let widen = |sign: f64| {
        let mut end = sign;
        while f(end) * sign < 0.0 && end.abs() < f64::MAX / 4.0 {
            end *= 2.0;
        }
        end
    };
    let mut low = if low.is_finite() { low } else { widen(-1.0) };
    let mut high = if high.is_finite() { high } else { widen(1.0) };
    let (mut below, mut above) = (f(low), f(high));
    if below >= 0.0 {
        return low;
    }
    if above <= 0.0 {
        return high;
    }
    for cut in 0..CUTS {
        let middle = 0.5 * (low + high);
        let secant = low - below * ((high - low) / (above - below));
        let inside = secant > low && secant < high;
        let next = if cut % 2 == 0 && inside {
            secant
        } else {
            middle
        };
        if middle <= low || middle >= high {
            break;
        }
        let value = f(next);
        if value == 0.0 {
            return next;
        }
        if value < 0.0 {
            (low, below) = (next, value);
        } else {
            (high, above) = (next, value);
        }
    }
    if below.abs() < above.abs() { low } else { high }
}

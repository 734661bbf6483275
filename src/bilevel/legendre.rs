//! Sec. 4: Legendre functions Φ and their Bregman distances.

use nalgebra::DVector;

use crate::activation::Activation;

/// A geometry on ℝᵈ by Φ(z) = Σᵢ φ(zᵢ), which is strongly convex with modulus σ.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum Geometry {
    /// φ = ½t², whose distance is ½‖u − v‖² (Sec. 3).
    Euclidean,
    /// The Legendre function of an activation, from Table 1 (Sec. 4).
    Bregman(&'static Activation),
}

impl Geometry {
    /// dom φ, closed.
    pub fn domain(self) -> [f64; 2] {
        match self {
            Self::Euclidean => [f64::NEG_INFINITY, f64::INFINITY],
            Self::Bregman(activation) => activation.range,
        }
    }

    /// φ(t), which is ∞ outside its domain.
    pub fn phi(self, t: f64) -> f64 {
        let [low, high] = self.domain();
        match self {
            _ if t < low || t > high => f64::INFINITY,
            Self::Euclidean => 0.5 * t * t,
            Self::Bregman(activation) => (activation.phi)(t),
        }
    }

    /// φ′(t), which is ρ⁻¹(t) (Prop. 4.3); infinite at the ends of the domain unless φ is not
    /// Legendre.
    pub fn gradient(self, t: f64) -> f64 {
        match self {
            Self::Euclidean => t,
            Self::Bregman(activation) => (activation.rho_inv)(t),
        }
    }

    /// The strong-convexity modulus σ of φ.
    pub fn sigma(self) -> f64 {
        match self {
            Self::Euclidean => 1.0,
            Self::Bregman(activation) => activation.sigma,
        }
    }

    /// Eq. 12: D_Φ(u, v) = Φ(u) − Φ(v) − ⟨∇Φ(v), u − v⟩ ≥ ½σ‖u − v‖², for u in the domain and v in
    /// its interior. The rounding error is a few ε·(|Φ(u)| + |Φ(v)| + |⟨∇Φ(v), u − v⟩|).
    pub fn distance(self, u: &DVector<f64>, v: &DVector<f64>) -> f64 {
        let pairs = u.iter().zip(v);
        match self {
            Self::Euclidean => pairs.map(|(u, v)| 0.5 * (u - v) * (u - v)).sum(),
            Self::Bregman(_) => pairs
                .map(|(&u, &v)| self.phi(u) - self.phi(v) - self.gradient(v) * (u - v))
                .sum(),
        }
    }
}

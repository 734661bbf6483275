//! Definition 2.1 and the two majorants of Sections 3 and 4, with the layers that they become.

use nalgebra::{DMatrix, DVector};

use super::Geometry;

/// The smooth part of the lower-level problem, f(z) = ½⟨z, Hz⟩ + ⟨d, z⟩ with H symmetric: what one
/// tied, symmetric layer minimises. With layers that differ, or with H not symmetric, there is no
/// common f, and neither Definition 2.1 nor Theorem 5.1 speaks of them.
#[derive(Clone, Debug)]
pub struct Smooth {
    /// H, (d, d).
    pub hessian: DMatrix<f64>,
    /// d, (d).
    pub linear: DVector<f64>,
}

impl Smooth {
    /// f(z).
    pub fn value(&self, z: &DVector<f64>) -> f64 {
        0.5 * z.dot(&(&self.hessian * z)) + self.linear.dot(z)
    }

    /// ∇f(z) = Hz + d.
    pub fn gradient(&self, z: &DVector<f64>) -> DVector<f64> {
        &self.hessian * z + &self.linear
    }
}

/// Eq. 6: Q(z; v) = ½⟨z, Az⟩ + ⟨v, Cz⟩ + ⟨d, z⟩ − ½⟨v, Cv⟩ with A symmetric, the quadratic majorant
/// of [`Self::tangent`] wherever C is negative semidefinite.
#[derive(Clone, Debug)]
pub struct Quadratic {
    /// A, (d, d), symmetric.
    pub a: DMatrix<f64>,
    /// C, (d, d).
    pub c: DMatrix<f64>,
    /// d, (d).
    pub d: DVector<f64>,
}

impl Quadratic {
    /// The one f that Q is tangent to at every v: Q(v; v) = f(v) and ∇₁Q(v; v) = ∇f(v) leave
    /// H = A + C, for symmetric C.
    pub fn tangent(&self) -> Smooth {
        Smooth {
            hessian: &self.a + &self.c,
            linear: self.d.clone(),
        }
    }

    /// Q(z; v).
    pub fn value(&self, z: &DVector<f64>, v: &DVector<f64>) -> f64 {
        0.5 * z.dot(&(&self.a * z)) + v.dot(&(&self.c * z)) + self.d.dot(z)
            - 0.5 * v.dot(&(&self.c * v))
    }

    /// ∇₁Q(v; v) = (A + C)ᵀv + d.
    pub fn gradient(&self, v: &DVector<f64>) -> DVector<f64> {
        (&self.a + &self.c).tr_mul(v) + &self.d
    }

    /// λ_max(A), which bounds τ: at most ‖A‖₂, and less where A's largest eigenvalue in magnitude is
    /// negative.
    pub fn curvature(&self) -> f64 {
        self.a.symmetric_eigenvalues().max()
    }
}

/// Eqs. 7 and 13: F(z; v) = Q(v; v) + ⟨∇₁Q(v; v), z − v⟩ + τ⁻¹ D(z, v), D being ½‖z − v‖² in eq. 7
/// and D_Φ in eq. 13.
#[derive(Clone, Debug)]
pub struct Majorant {
    /// Q.
    pub quadratic: Quadratic,
    /// The distance.
    pub geometry: Geometry,
    /// τ > 0.
    pub tau: f64,
}

impl Majorant {
    /// F(z; v).
    pub fn value(&self, z: &DVector<f64>, v: &DVector<f64>) -> f64 {
        self.quadratic.value(v, v)
            + self.quadratic.gradient(v).dot(&(z - v))
            + self.geometry.distance(z, v) / self.tau
    }

    /// The largest τ for which F(·; v) lies above Q(·; v), and so above f, at every v: σ/λ_max(A).
    ///
    /// F − Q = τ⁻¹ D(z, v) − ½⟨z − v, A(z − v)⟩ ≥ ½(σ/τ − λ_max(A))‖z − v‖². Prop. 4.1 asks for
    /// τ ≤ σ/‖A‖₂, which is enough; Prop. 3.1 promises τ < 2/‖A‖₂, which is not.
    pub fn largest_tau(&self) -> f64 {
        self.geometry.sigma() / self.quadratic.curvature().max(0.0)
    }

    /// The layer that minimises F(·; v) + g: eqs. 10 and 17.
    pub fn layer(&self) -> Layer {
        let scaled = (&self.quadratic.a + &self.quadratic.c).transpose() * -self.tau;
        let weight = match self.geometry {
            Geometry::Euclidean => DMatrix::identity(scaled.nrows(), scaled.ncols()) + scaled,
            Geometry::Bregman(_) => scaled,
        };
        Layer {
            geometry: self.geometry,
            weight,
            bias: &self.quadratic.d * -self.tau,
        }
    }
}

/// What the minimisation of a majorant is made of, but for its last step, a proximity operator:
/// eq. 10, z′ = prox_{τg}(Wz + b) with W = I − τ(A + C)ᵀ, and eq. 17,
/// z′ = prox^Φ_{τg}(∇Φ(z) + Wz + b) with W = −τ(A + C)ᵀ; b = −τd in both.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Euclidean or Bregman.
    pub geometry: Geometry,
    /// W, (d, d).
    pub weight: DMatrix<f64>,
    /// b, (d).
    pub bias: DVector<f64>,
}

impl Layer {
    /// What the proximity operator is applied to. The dual variable ∇Φ(z) is `dual`: a caller that
    /// carries it from layer to layer never needs ρ⁻¹ of a z that has rounded to its range's end.
    pub fn pre_activation(&self, z: &DVector<f64>, dual: &DVector<f64>) -> DVector<f64> {
        let affine = &self.weight * z + &self.bias;
        match self.geometry {
            Geometry::Euclidean => affine,
            Geometry::Bregman(_) => dual + affine,
        }
    }
}

/// How far a function is from the three bullets of Definition 2.1, on a sample.
///
/// The third bullet is printed as F(z; zᵢ) = f(z) + …; what is meant, and checked, is
/// F(z; zᵢ) ≥ f(z).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Definition {
    /// Pairs (z, v) looked at.
    pub samples: usize,
    /// The largest |F(v; v) − f(v)|, as a part of 1 + |f(v)|.
    pub touching: f64,
    /// The largest rise of F(·; v) over the chord's midpoint, as a part of 1 + |F|: F(·; v) is to be
    /// convex, so that it can be minimised.
    pub convexity: f64,
    /// The largest f(z) − F(z; v), as a part of 1 + |f(z)|.
    pub majorization: f64,
}

impl Definition {
    /// Checks F = `majorant` of f on all pairs of `points`.
    pub fn check(
        f: impl Fn(&DVector<f64>) -> f64,
        majorant: impl Fn(&DVector<f64>, &DVector<f64>) -> f64,
        points: &[DVector<f64>],
    ) -> Self {
        let mut found = Self::default();
        for v in points {
            let at_v = f(v);
            let touching = (majorant(v, v) - at_v).abs() / (1.0 + at_v.abs());
            found.touching = found.touching.max(touching);
            for z in points {
                let [below, above] = [f(z), majorant(z, v)];
                let excess = (below - above) / (1.0 + below.abs());
                found.majorization = found.majorization.max(excess);
                let middle = majorant(&((z + v) * 0.5), v);
                let chord = 0.5 * (above + majorant(v, v));
                found.convexity = found.convexity.max((middle - chord) / (1.0 + chord.abs()));
                found.samples += 1;
            }
        }
        found
    }
}

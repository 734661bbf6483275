//! Definition 2.1 and the two majorants of Sections 3 and 4, with their layers.

use nalgebra::{DMatrix, DVector};

use super::Geometry;

/// The smooth part of the lower-level problem, f(z) = ½⟨z, Hz⟩ + ⟨d, z⟩ with H symmetric, which
/// tied, symmetric layers minimise. If layers differ, or if H is not symmetric, there is no common
/// f, and neither Definition 2.1 nor Theorem 5.1 applies.
#[derive(Clone, Debug)]
#[doc(hidden)]
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

/// Eq. 6: Q(z; v) = ½⟨z, Az⟩ + ⟨v, Cz⟩ + ⟨d, z⟩ − ½⟨v, Cv⟩ with A symmetric. Q is a majorant of
/// [`Self::tangent`] if C is negative semidefinite.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Quadratic {
    /// A, (d, d), symmetric.
    pub a: DMatrix<f64>,
    /// C, (d, d).
    pub c: DMatrix<f64>,
    /// d, (d).
    pub d: DVector<f64>,
}

impl Quadratic {
    /// The f that Q is tangent to at each v: for symmetric C, Q(v; v) = f(v) and ∇₁Q(v; v) = ∇f(v)
    /// give H = A + C.
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

    /// λ_max(A), which bounds τ. It is at most ‖A‖₂, and less if the eigenvalue of A with the
    /// largest magnitude is negative.
    pub fn curvature(&self) -> f64 {
        self.a.symmetric_eigenvalues().max()
    }
}

/// Eqs. 7 and 13: F(z; v) = Q(v; v) + ⟨∇₁Q(v; v), z − v⟩ + τ⁻¹ D(z, v), D being ½‖z − v‖² in eq. 7
/// and D_Φ in eq. 13.
#[derive(Clone, Debug)]
#[doc(hidden)]
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

    /// The largest τ for which F(·; v) is at least Q(·; v), and so at least f, at each v:
    /// σ/λ_max(A).
    ///
    /// F − Q = τ⁻¹ D(z, v) − ½⟨z − v, A(z − v)⟩ ≥ ½(σ/τ − λ_max(A))‖z − v‖². Prop. 4.1
    /// requires τ ≤ σ/‖A‖₂, which is sufficient; Prop. 3.1 requires τ < 2/‖A‖₂, which is not.
    pub fn largest_tau(&self) -> f64 {
        self.geometry.sigma() / self.quadratic.curvature().max(0.0)
    }

    /// The layer whose output minimises F(·; v) + g (eqs. 10 and 17).
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

/// The affine part of the minimisation of a majorant. Its last step is a proximity operator: in
/// eq. 10, z′ = prox_{τg}(Wz + b) with W = I − τ(A + C)ᵀ; in eq. 17,
/// z′ = prox^Φ_{τg}(∇Φ(z) + Wz + b) with W = −τ(A + C)ᵀ. In both b = −τd.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Layer {
    /// Euclidean or Bregman.
    pub geometry: Geometry,
    /// W, (d, d).
    pub weight: DMatrix<f64>,
    /// b, (d).
    pub bias: DVector<f64>,
}

impl Layer {
    /// The argument of the proximity operator, where `dual` is ∇Φ(z). A caller that carries `dual`
    /// from layer to layer does not need ρ⁻¹ of a z that was rounded to an end of the range.
    pub fn pre_activation(&self, z: &DVector<f64>, dual: &DVector<f64>) -> DVector<f64> {
        let affine = &self.weight * z + &self.bias;
        match self.geometry {
            Geometry::Euclidean => affine,
            Geometry::Bregman(_) => dual + affine,
        }
    }
}

/// The largest violations of the three bullets of Definition 2.1 on a sample.
///
/// The third bullet is printed as F(z; zᵢ) = f(z) + …; it means F(z; zᵢ) ≥ f(z), which is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[doc(hidden)]
pub struct Definition {
    /// The number of pairs (z, v).
    pub samples: usize,
    /// The largest |F(v; v) − f(v)|, relative to 1 + |f(v)|.
    pub touching: f64,
    /// The largest excess of F(·; v) over the midpoint of a chord, relative to 1 + |F|. F(·; v)
    /// must be convex, so that it can be minimised.
    pub convexity: f64,
    /// The largest f(z) − F(z; v), relative to 1 + |f(z)|.
    pub majorization: f64,
}

impl Definition {
    /// Checks whether F = `majorant` is a majorant of f, on all pairs of `points`.
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

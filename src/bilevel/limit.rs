//! L → ∞ in the letter of Problem 2.1: what a tied Bregman layer without input converges to.
//!
//! An interior fixed point of z ↦ ρ(ρ⁻¹(z) + Wz + b) solves Wz + b = 0, in which x does not occur:
//! h(x) depends on x only through the basin that x starts in, one basin where W is negative
//! definite, and the basins of vertices of the range where it is not. Either way dh/dx, and with it
//! every gradient that reaches layers below, is zero almost everywhere.

use nalgebra::{DMatrix, DVector};

use crate::activation::Activation;

/// A tied Bregman layer: the same W and b at every depth.
#[derive(Clone, Debug)]
pub struct Tied {
    /// ρ.
    pub activation: &'static Activation,
    /// W, (d, d).
    pub weight: DMatrix<f64>,
    /// b, (d).
    pub bias: DVector<f64>,
}

impl Tied {
    /// z⁽⁰⁾ = x, z⁽¹⁾, … in dual coordinates (a ← a + Wρ(a) + b, a kept to what ∇Φ can be), endless.
    pub fn layers(&self, x: &DVector<f64>) -> impl Iterator<Item = DVector<f64>> + use<'_> {
        let Activation { rho, rho_inv, .. } = *self.activation;
        let ends = self.activation.range.map(rho_inv);
        let mut a = x.map(rho_inv);
        std::iter::successors(Some(x.clone()), move |z| {
            a += &self.weight * z + &self.bias;
            a.apply(|a| *a = a.clamp(ends[0], ends[1]));
            Some(a.map(rho))
        })
    }

    /// h(x) as far as `layers` layers go.
    pub fn limit(&self, x: &DVector<f64>, layers: usize) -> DVector<f64> {
        let mut z = x.clone();
        for next in self.layers(x).take(layers + 1) {
            z = next;
        }
        z
    }

    /// E(z) = −½⟨z, Wz⟩ − ⟨b, z⟩, which is τf for W = −τH, b = −τd.
    pub fn energy(&self, z: &DVector<f64>) -> f64 {
        -0.5 * z.dot(&(&self.weight * z)) - self.bias.dot(z)
    }

    /// ‖dz⁽ˡ⁾/dx‖ (Frobenius) for l = 0, 1, …: the product of the layers' Jacobians, where
    /// da⁽ˡ⁺¹⁾ = (I + W h(z⁽ˡ⁾)) da⁽ˡ⁾ and dz = h(z) da.
    pub fn input_gradients(&self, x: &DVector<f64>) -> impl Iterator<Item = f64> + use<'_> {
        let h = self.activation.rho_slope;
        let mut through = DMatrix::from_diagonal(&x.map(|t| 1.0 / h(t)));
        self.layers(x).map(move |z| {
            let inward = DMatrix::from_diagonal(&z.map(h)) * &through;
            through += &self.weight * &inward;
            inward.norm()
        })
    }
}

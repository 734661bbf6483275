//! L → ∞ in Problem 2.1 taken literally: the limit of tied Bregman layers, whose input is z⁽⁰⁾
//! alone.
//!
//! An interior fixed point of z ↦ ρ(ρ⁻¹(z) + Wz + b) solves Wz + b = 0, in which x does not occur.
//! So h(x) depends on x only through the basin of attraction that holds x. If W is negative
//! definite, there is one basin; if it is not, vertices of the range have basins. In both cases
//! dh/dx, and with it each gradient that reaches layers below, is zero almost everywhere.

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
    /// z⁽⁰⁾ = x, z⁽¹⁾, … without end, computed in dual coordinates: a ← a + Wρ(a) + b, with a
    /// clamped to the range of ∇Φ.
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

    /// z after `layers` layers, which tends to h(x).
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

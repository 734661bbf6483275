//! Random points, orthogonal bases and matrices with a given spectrum.

use nalgebra::{DMatrix, DVector};

use crate::activation::Activation;
use crate::rng::{Purpose, Stream};

/// A sequence of random samples that depends on its seed only.
pub struct Sampler {
    stream: Stream,
    drawn: u64,
}

impl Sampler {
    /// The samples of the problem number `draw`.
    pub fn new(seed: u64, draw: u32) -> Self {
        Self {
            stream: Stream::new(seed, Purpose::Proposition, draw),
            drawn: 0,
        }
    }

    /// A number, uniform on [low, high[.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.drawn += 1;
        low + (high - low) * f64::from(self.stream.uniform(self.drawn - 1))
    }

    /// `len` numbers, uniform on [low, high[.
    pub fn vector(&mut self, len: usize, low: f64, high: f64) -> DVector<f64> {
        DVector::from_fn(len, |_, _| self.uniform(low, high))
    }

    /// A point in the interior of the range of ρ, ρ(a) for a uniform on [−spread, spread[.
    pub fn point(&mut self, activation: &Activation, len: usize, spread: f64) -> DVector<f64> {
        self.vector(len, -spread, spread).map(activation.rho)
    }

    /// A square matrix of numbers uniform on [−1, 1[.
    pub fn matrix(&mut self, len: usize) -> DMatrix<f64> {
        DMatrix::from_fn(len, len, |_, _| self.uniform(-1.0, 1.0))
    }

    /// An orthogonal matrix.
    pub fn basis(&mut self, len: usize) -> DMatrix<f64> {
        self.matrix(len).qr().q()
    }

    /// A symmetric matrix with smallest eigenvalue `low`, largest eigenvalue `high`, and the others
    /// between them.
    pub fn symmetric(&mut self, len: usize, low: f64, high: f64) -> DMatrix<f64> {
        let basis = self.basis(len);
        let mut spectrum = self.vector(len, low, high);
        spectrum[0] = low;
        spectrum[len - 1] = high;
        let product = &basis * DMatrix::from_diagonal(&spectrum) * basis.transpose();
        // Symmetric to the last bit.
        0.5 * (&product + product.transpose())
    }
}

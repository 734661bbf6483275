//! Float32 loops that are generic over an activation: compiled once for each activation and each
//! instruction set, so that ρ is inlined and the loop vectorises.
//!
//! [`Float32`] has the parts of an activation that they need, three functions and a bound; [`Loops`] is
//! the table of everything compiled from it, and a field of every
//! [`Activation`](crate::activation::Activation). The loops know no network and no executor: they
//! take slices, numbers and shapes.
//!
//! ```text
//! isa     the instruction sets of this machine
//! dense   elementwise loops of layers of any width: the CPU executor, the equilibrium layer
//! update  elementwise loops of the optimizers, which no activation changes
//! lanes   whole trainings of networks of two neurons per layer, 16 side by side: sweeps
//! ```

#[doc(hidden)]
pub mod dense;
mod isa;
pub(crate) mod lanes;
pub(crate) mod update;

pub use isa::Isa;

/// Number of float32 that the loops work on together: one register of AVX-512, two of AVX2.
#[doc(hidden)]
pub const LANES: usize = 16;

/// The float32 functions of an activation, operation by operation the same as its WGSL.
pub trait Float32 {
    /// See [`Activation::dual_max`](crate::activation::Activation::dual_max).
    const DUAL_MAX: f32 = f32::MAX;
    /// ρ(a).
    fn rho(a: f32) -> f32;
    /// ρ⁻¹(z).
    fn rho_inv(z: f32) -> f32;
    /// h(z) = ρ′(ρ⁻¹(z)).
    fn rho_slope(z: f32) -> f32;
}

/// All loops of one activation.
#[derive(Clone, Copy)]
pub struct Loops {
    dense: dense::Compiled,
    pub(crate) lanes: lanes::Train,
}

impl Loops {
    /// The loops of `T`.
    pub const fn of<T: Float32>() -> Self {
        Self {
            dense: dense::Compiled::of::<T>(),
            lanes: lanes::train::<T>,
        }
    }

    /// The elementwise loops compiled for `isa`.
    pub fn dense(&self, isa: Isa) -> &dense::Loops {
        self.dense.on(isa)
    }
}

/// The sum, in an order that vectorises.
pub(crate) fn sum(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for block in blocks {
        for i in 0..LANES {
            sums[i] += block[i];
        }
    }
    sums.iter().chain(rest).sum()
}

/// `x` limited to [low, high]. NaN stays NaN, so that a diverged run stays visible.
#[inline(always)]
pub(crate) fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

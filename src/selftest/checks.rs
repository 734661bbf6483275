//! Expected values with a bound on the float32 rounding of the kernel under test, and the record of
//! the largest error found, as a fraction of its bound.

use half::f16;
use serde::Serialize;

use super::dispatch::Run;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kind::Storage;

/// Relative error of one operation: a whole ULP, since WGSL leaves the direction of rounding open.
pub(super) const ROUNDING: f64 = 1.0 / (1 << 23) as f64;

/// Results below the smallest normal number may be flushed to 0.
const FLUSH: f64 = f32::MIN_POSITIVE as f64;

/// Relative error of an elementary function of [`crate::math`]: 4 ULP, and 8 more for the error that
/// WGSL allows a division (2.5) and a square root (4.5) in it.
const FUNCTION: f64 = 12.0 * ROUNDING;

/// A value in f64, and a bound on the distance of a float32 result from it.
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    /// The value.
    pub value: f64,
    /// The largest distance from it that is right.
    pub error: f64,
}

impl Bounded {
    /// A given value, without an error.
    pub fn exact(value: f32) -> Self {
        Self {
            value: f64::from(value),
            error: 0.0,
        }
    }

    /// A sum of products of exact factors, summed in any order: the error is n·ε Σ|ab| to first
    /// order for n rounded operations (Higham, 2002, §3.1).
    pub fn dot(terms: impl IntoIterator<Item = (f32, f32)>) -> Self {
        let (mut value, mut magnitude, mut n) = (0.0, 0.0, 0.0);
        for (a, b) in terms {
            let product = f64::from(a) * f64::from(b);
            value += product;
            magnitude += product.abs();
            n += 1.0;
        }
        Self {
            value,
            error: (n + 1.0) * ROUNDING * magnitude + n * FLUSH,
        }
    }

    /// [`Self::dot`] with first factors that have an error.
    pub fn dot_of(terms: impl IntoIterator<Item = (Self, f32)>) -> Self {
        let (mut value, mut magnitude, mut inherited, mut n) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in terms {
            let b = f64::from(b);
            value += a.value * b;
            magnitude += (a.value.abs() + a.error) * b.abs();
            inherited += a.error * b.abs();
            n += 1.0;
        }
        Self {
            value,
            error: inherited + (n + 1.0) * ROUNDING * magnitude + n * FLUSH,
        }
    }

    /// The rounded sum of two values.
    pub fn plus(self, other: Self) -> Self {
        let value = self.value + other.value;
        Self {
            value,
            error: self.error + other.error + ROUNDING * value.abs() + FLUSH,
        }
    }

    /// The rounded product of two values.
    pub fn times(self, other: Self) -> Self {
        let value = self.value * other.value;
        let error = self.error * (other.value.abs() + other.error) + self.value.abs() * other.error;
        Self {
            value,
            error: error + ROUNDING * value.abs() + FLUSH,
        }
    }

    /// f of an exact argument, computed by an elementary function of [`crate::math`].
    pub fn function(f: impl Fn(f64) -> f64, argument: f32) -> Self {
        let value = f(f64::from(argument));
        Self {
            value,
            error: FUNCTION * value.abs() + FLUSH,
        }
    }

    /// f of this value, where f has the Lipschitz constant `lipschitz`.
    pub fn through(self, f: impl Fn(f64) -> f64, lipschitz: f64) -> Self {
        let value = f(self.value);
        Self {
            value,
            error: lipschitz * self.error + FUNCTION * value.abs() + FLUSH,
        }
    }

    /// This value after it is stored as a weight or an activation. In half precision that adds a
    /// whole ULP, since WGSL leaves the direction of rounding open, and numbers that are not normal
    /// may become 0.
    pub fn stored(self, storage: Storage) -> Self {
        const ROUNDING: f64 = 1.0 / (1 << 10) as f64;
        const FLUSH: f64 = 1.0 / (1 << 14) as f64;
        match storage {
            Storage::F32 => self,
            Storage::F16 => Self {
                error: self.error + ROUNDING * (self.value.abs() + self.error) + FLUSH,
                ..self
            },
        }
    }

    /// [`Self::stored`] of a dual variable, which is clamped to the largest number.
    pub fn stored_dual(self, storage: Storage) -> Self {
        match storage {
            Storage::F32 => self,
            Storage::F16 => self.limited(f16::MAX.to_f32()).stored(storage),
        }
    }

    /// This value clamped to ±max.
    pub fn limited(self, max: f32) -> Self {
        let max = f64::from(max);
        Self {
            value: self.value.clamp(-max, max),
            ..self
        }
    }
}

/// A check: it dispatches kernels and gives their results to [`Checks`].
pub type Check = fn(&mut Gpu, &mut Checks) -> Result<()>;

/// The comparisons so far, with a row for each kernel or contract.
#[derive(Debug, Default)]
pub struct Checks {
    /// Whether to check all permutations instead of a sample.
    pub full: bool,
    /// The precision in which weights and activations are stored.
    pub storage: Storage,
    rows: Vec<Row>,
    current: usize,
}

/// The comparisons of one kernel, contract or network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The kernel, contract or network.
    pub name: String,
    /// The number of compared numbers.
    pub numbers: usize,
    /// The largest error, as a fraction of the bound derived for it; up to 1 is right.
    pub worst: f64,
    /// Where the largest error was found.
    pub place: String,
    /// The first wrong result.
    pub failure: Option<String>,
}

impl Checks {
    /// No comparisons yet; with `full`, checks of all permutations.
    pub fn new(full: bool) -> Self {
        Self {
            full,
            ..Self::default()
        }
    }

    /// A run of kernels that store weights or activations.
    pub fn run(&self) -> Run {
        Run::stored(self.storage)
    }

    /// Weights or activations, rounded so that storing them changes nothing.
    pub fn stored(&self, mut values: Vec<f32>) -> Vec<f32> {
        if self.storage == Storage::F16 {
            for value in &mut values {
                *value = f16::from_f32(*value).to_f32();
            }
        }
        values
    }

    /// From here on, comparisons count towards the row of this name.
    pub fn begin(&mut self, name: &str) {
        let known = self.rows.iter().position(|row| row.name == name);
        self.current = known.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                numbers: 0,
                worst: 0.0,
                place: String::new(),
                failure: None,
            });
            self.rows.len() - 1
        });
    }

    /// Compares the results of the adapter with the expected values, each within its bound.
    pub fn compare(&mut self, what: &str, found: &[f32], expected: &[Bounded]) {
        self.require(found.len() == expected.len(), || {
            format!("{what}: {} numbers, not {}", found.len(), expected.len())
        });
        for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
            let Bounded { value, error } = *expected;
            self.within((f64::from(found) - value).abs(), error, || {
                format!("{what}[{i}]: found {found:?}, expected {value:?} ± {error:.1e}")
            });
        }
    }

    /// Counts a number with an error of `distance`, where `bound` is allowed.
    pub fn within(&mut self, distance: f64, bound: f64, place: impl FnOnce() -> String) {
        let row = &mut self.rows[self.current];
        row.numbers += 1;
        let part = match distance {
            0.0 => 0.0,
            // NaN counts as the largest error.
            _ if distance.is_nan() => f64::INFINITY,
            _ => distance / bound,
        };
        if part > row.worst {
            row.worst = part;
            row.place = place();
            if part > 1.0 && row.failure.is_none() {
                row.failure = Some(row.place.clone());
            }
        }
    }

    /// Counts a condition that must hold.
    pub fn require(&mut self, holds: bool, failure: impl FnOnce() -> String) {
        let distance = if holds { 0.0 } else { f64::INFINITY };
        self.within(distance, 1.0, failure);
    }

    /// The rows, in the order in which they were begun.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Adds the comparisons of `others` to the rows of the same names.
    pub fn extend(&mut self, others: Vec<Row>) {
        for other in others {
            self.begin(&other.name);
            let row = &mut self.rows[self.current];
            row.numbers += other.numbers;
            if other.worst > row.worst {
                row.worst = other.worst;
                row.place = other.place;
            }
            row.failure = row.failure.take().or(other.failure);
        }
    }
}

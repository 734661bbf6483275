//! Expected values that carry a bound on the float32 rounding of the kernel under test, and the book
//! that is kept on how near to it kernels come.

use half::f16;
use serde::Serialize;

use super::dispatch::Run;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::shader::Storage;

/// Relative error of one operation. WGSL leaves the direction of rounding open, so a whole ULP.
const ROUNDING: f64 = 1.0 / (1 << 23) as f64;

/// Results below the smallest normal number may be flushed to 0.
const FLUSH: f64 = f32::MIN_POSITIVE as f64;

/// Relative error of an elementary function of ours: 4 ULP, and 8 more for what WGSL allows a
/// division (2.5) and a square root (4.5) in it.
const FUNCTION: f64 = 12.0 * ROUNDING;

/// A value in f64, and how far float32 may be from it.
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    /// The value.
    pub value: f64,
    /// The largest right distance from it.
    pub error: f64,
}

impl Bounded {
    /// A value that is not computed.
    pub fn exact(value: f32) -> Self {
        Self {
            value: f64::from(value),
            error: 0.0,
        }
    }

    /// A sum of products of exact factors in any order: n·ε Σ|ab| to first order (Higham, 2002,
    /// §3.1), for n operations that round.
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

    /// [`Self::dot`] where the first factors are computed.
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

    /// The rounded sum of two.
    pub fn plus(self, other: Self) -> Self {
        let value = self.value + other.value;
        Self {
            value,
            error: self.error + other.error + ROUNDING * value.abs() + FLUSH,
        }
    }

    /// The rounded product of two.
    pub fn times(self, other: Self) -> Self {
        let value = self.value * other.value;
        let error = self.error * (other.value.abs() + other.error) + self.value.abs() * other.error;
        Self {
            value,
            error: error + ROUNDING * value.abs() + FLUSH,
        }
    }

    /// f of an exact argument, by one of our elementary functions.
    pub fn function(f: impl Fn(f64) -> f64, argument: f32) -> Self {
        let value = f(f64::from(argument));
        Self {
            value,
            error: FUNCTION * value.abs() + FLUSH,
        }
    }

    /// f of this, f being `lipschitz`-continuous.
    pub fn through(self, f: impl Fn(f64) -> f64, lipschitz: f64) -> Self {
        let value = f(self.value);
        Self {
            value,
            error: lipschitz * self.error + FUNCTION * value.abs() + FLUSH,
        }
    }

    /// This as a weight or an activation lies in memory. WGSL leaves the direction of rounding open, so
    /// a whole ULP of half precision, and what is not normal in it may become 0.
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

    /// [`Self::stored`] of a dual variable, which keeps within the largest number.
    pub fn stored_dual(self, storage: Storage) -> Self {
        match storage {
            Storage::F32 => self,
            Storage::F16 => self.limited(f16::MAX.to_f32()).stored(storage),
        }
    }

    /// This kept within ±max.
    pub fn limited(self, max: f32) -> Self {
        let max = f64::from(max);
        Self {
            value: self.value.clamp(-max, max),
            ..self
        }
    }
}

/// A check: it dispatches kernels and tells [`Checks`] what they gave.
pub type Check = fn(&mut Gpu, &mut Checks) -> Result<()>;

/// What was compared so far, a row a kernel or contract.
#[derive(Debug, Default)]
pub struct Checks {
    /// Whether all permutations are wanted, not only a sample.
    pub full: bool,
    /// How weights and activations lie in memory.
    pub storage: Storage,
    rows: Vec<Row>,
    current: usize,
}

/// The comparisons of one kernel, contract or network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was checked.
    pub name: String,
    /// How many numbers were compared.
    pub numbers: usize,
    /// The largest error found, as a part of the bound derived for it: up to 1 is right.
    pub worst: f64,
    /// Where that was.
    pub place: String,
    /// The first thing that is wrong.
    pub failure: Option<String>,
}

impl Checks {
    /// Checks of all permutations, if `full`.
    pub fn new(full: bool) -> Self {
        Self {
            full,
            ..Self::default()
        }
    }

    /// Buffers and ops of a check of kernels that store weights or activations.
    pub fn run(&self) -> Run {
        Run::stored(self.storage)
    }

    /// Weights or activations that lie in memory as they are.
    pub fn stored(&self, mut values: Vec<f32>) -> Vec<f32> {
        if self.storage == Storage::F16 {
            for value in &mut values {
                *value = f16::from_f32(*value).to_f32();
            }
        }
        values
    }

    /// What follows counts towards the row of this name.
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

    /// Compares what the adapter gave with what it should have given, each within its bound.
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

    /// Counts a number that is this far off, where `bound` is allowed.
    pub fn within(&mut self, distance: f64, bound: f64, place: impl FnOnce() -> String) {
        let row = &mut self.rows[self.current];
        row.numbers += 1;
        let part = match distance {
            0.0 => 0.0,
            // As far off as can be.
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

    /// Counts something that either holds or does not.
    pub fn require(&mut self, holds: bool, failure: impl FnOnce() -> String) {
        let distance = if holds { 0.0 } else { f64::INFINITY };
        self.within(distance, 1.0, failure);
    }

    /// The rows, in the order in which they were begun.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

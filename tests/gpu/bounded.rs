//! Expected values that carry a bound on the float32 rounding of the kernel under test.

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
    pub value: f64,
    pub error: f64,
}

impl Bounded {
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

    /// This kept within ±max.
    pub fn limited(self, max: f32) -> Self {
        let max = f64::from(max);
        Self {
            value: self.value.clamp(-max, max),
            ..self
        }
    }
}

/// Fails with the first number outside its bound.
pub fn check(what: &str, found: &[f32], expected: &[Bounded]) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let distance = (f64::from(found) - expected.value).abs();
        // Written so that NaN fails.
        assert!(
            distance <= expected.error,
            "{what}[{i}]: found {found}, expected {} ± {:e}",
            expected.value,
            expected.error
        );
    }
}

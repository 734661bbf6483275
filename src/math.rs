//! Elementary functions in `f32`, the twin of `shaders/lib/math.wgsl`.
//!
//! A shading language guarantees little about its built-in functions (`atan` may be off by 4096
//! units in the last place, `tanh` may be NaN beyond 88), and those of the C library are calls that
//! keep a loop from vectorising. These functions are our own on both sides: the same names,
//! coefficients and operations, term by term, from `+ − × ÷ sqrt abs`, selects and bit operations.
//! They have no branches, so a loop over a slice becomes vector code.
//!
//! # Conventions
//!
//! - An infinite argument counts as ±[`f32::MAX`], and so does a result that would overflow.
//! - Outside its domain a function takes the value (or the limit, ±`f32::MAX`) at the domain's
//!   nearest end. No number gives NaN; NaN gives NaN, so that a diverged run stays visible.
//! - A result below 2⁻¹²⁶ may be 0: always where it comes from exp, and otherwise on GPUs that flush
//!   subnormal numbers.
//! - Odd functions are exactly odd: they compute with |x| and restore the sign.
//! - Each function states its domain (all reals unless stated) and its method.
//!
//! # Protection from regrouping
//!
//! Shader compilers may regroup sums: (c₁ − x) − c₂ becomes (c₁ − c₂) − x, and n·hi + n·lo becomes
//! n·(hi + lo), which undoes every reduction in two parts. In the shader an `opaque` stands between
//! such parts: a bit operation that changes no value, and across which no compiler moves the other
//! part. Powers of two that might overflow are added to the bits of the exponent for the same reason.
//!
//! The polynomials are minimax fits in relative error, their coefficients rounded to `f32` one
//! after another from the lowest; `tests/coefficients.rs` derives them.

/// The coefficients of the polynomials, lowest power first, and the constants stored in two parts.
pub mod coefficients {
    /// (expm1 r − r) / r² in r, |r| ≤ 0.35.
    pub const EXPM1: [f32; 6] = [
        0.5,
        0.16666666,
        0.041666485,
        0.008333542,
        0.0013933225,
        0.00019766072,
    ];
    /// (log(1 + f) − f) / f² in f, √½ − 1 ≤ f ≤ √2 − 1.
    pub const LOG: [f32; 9] = [
        -0.49999988,
        0.33333325,
        -0.2500161,
        0.20002005,
        -0.16608411,
        0.14180854,
        -0.13248068,
        0.12912941,
        -0.076190524,
    ];
    /// (tanh x − x) / x³ in x², |x| ≤ 0.625.
    pub const TANH: [f32; 5] = [
        -0.3333328,
        0.13331406,
        -0.053736515,
        0.020628167,
        -0.0056922967,
    ];
    /// (artanh z − z) / z³ in z², |z| ≤ 1/2.
    pub const ARTANH: [f32; 6] = [
        0.33333302, 0.20002455, 0.14223742, 0.11816823, 0.05158585, 0.1764066,
    ];
    /// (sin a − a) / a³ in a², |a| ≤ π/2.
    pub const SIN: [f32; 4] = [-0.1666666, 0.008333069, -0.00019809777, 2.6060957e-6];
    /// (asin z − z) / z³ in z², |z| ≤ 1/2.
    pub const ASIN: [f32; 5] = [0.16666752, 0.074953094, 0.045469154, 0.024184741, 0.0421584];
    /// (tan a − a) / a³ in a², |a| ≤ π/4.
    pub const TAN: [f32; 7] = [
        0.3333335,
        0.13332675,
        0.054058913,
        0.021286208,
        0.010827444,
        9.82468e-5,
        0.0043726955,
    ];
    /// (atan x − x) / x³ in x², |x| ≤ 1.
    pub const ATAN: [f32; 9] = [
        -0.333333,
        0.1999853,
        -0.14264016,
        0.10950881,
        -0.083993144,
        0.057881717,
        -0.0310976,
        0.010869233,
        -0.0017830074,
    ];
    /// (sinh x − x) / x³ in x², |x| ≤ 1.
    pub const SINH: [f32; 4] = [0.16666667, 0.0083333105, 0.00019842896, 2.7822132e-6];
    /// (asinh x − x) / x³ in x², |x| ≤ 3/4.
    pub const ASINH: [f32; 6] = [
        -0.1666658,
        0.07496873,
        -0.044258114,
        0.028137561,
        -0.015318064,
        0.0046678944,
    ];
    /// (sin² w − w²) / w⁴ in w², |w| ≤ π/4.
    pub const SIN_SQUARED: [f32; 4] = [-0.33333328, 0.0444437, -0.003171109, 0.00013457045];
    /// 2/π = `FRAC_2_PI` (1 + `FRAC_2_PI_EXCESS`), the first an `f32`.
    pub const FRAC_2_PI_EXCESS: f32 = 4.0342062e-8;
    /// π/2 = `FRAC_PI_2` (1 + `FRAC_PI_2_EXCESS`) = `FRAC_PI_2` + `FRAC_PI_2_TAIL`: the `f32` lies
    /// above π/2.
    pub const FRAC_PI_2_EXCESS: f32 = -2.7827534e-8;
    /// π/2 − `FRAC_PI_2`.
    pub const FRAC_PI_2_TAIL: f32 = -4.371139e-8;
    /// The largest `f32` below π/2.
    #[expect(clippy::approx_constant, reason = "`FRAC_PI_2` is above π/2")]
    pub const BELOW_FRAC_PI_2: f32 = 1.5707963;
    /// ln 2 − `LN_2`.
    pub const LN_2_TAIL: f32 = -1.9046542e-9;
    /// ln 2 = `LN_2_HI` + `LN_2_LO`, the first of 10 bits, so that n `LN_2_HI` is exact.
    pub const LN_2_HI: f32 = 0.6933594;
    /// ln 2 − `LN_2_HI`.
    pub const LN_2_LO: f32 = -0.00021219444;
    /// The largest argument for which exp is finite.
    pub const EXP_END: f32 = 88.72283;
    /// The largest argument for which sinh is finite.
    pub const SINH_END: f32 = 89.415985;
}

use coefficients::*;
use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E};
use std::hint::select_unpredictable;

const F32_MAX: f32 = f32::MAX;
/// The smallest normal number, 2⁻¹²⁶.
const F32_MIN: f32 = f32::MIN_POSITIVE;
const F32_MIN_BITS: i32 = 0x0080_0000;
/// 2⁻²⁴, the smallest 1 − z above 0.
const TINY: f32 = 5.9604645e-8;
/// 1.5 · 2¹⁰: a sum with it has 13 bits below the binary point, so its bits are a fixed-point number.
const FIXED: f32 = 1536.0;
const FIXED_BITS: i32 = 0x44c0_0000;
const FIXED_HALF: i32 = 1 << 12;
/// 2²³, which brings subnormals into the normal range, and the exponent that undoes it.
const SUBNORMAL_SCALE: f32 = 8388608.0;
const SUBNORMAL_EXPONENT: i32 = -23;
/// The bits of √½, the lower end of the reduced logarithm's mantissa, and of 1.
const SQRT_HALF_BITS: i32 = 0x3f35_04f3;
const ONE_BITS: i32 = 0x3f80_0000;

/// WGSL's `select`: both values are computed, so that no branch comes between them.
#[inline(always)]
fn select<T>(otherwise: T, value: T, condition: bool) -> T {
    select_unpredictable(condition, value, otherwise)
}

/// min(x, bound), and NaN for NaN.
#[inline(always)]
fn at_most(x: f32, bound: f32) -> f32 {
    select(x, bound, x > bound)
}

/// max(x, bound), and NaN for NaN.
#[inline(always)]
fn at_least(x: f32, bound: f32) -> f32 {
    select(x, bound, x < bound)
}

/// x, for |x| < 2. Rust keeps the order of operations as written; shader compilers do not.
#[inline(always)]
fn opaque(x: f32) -> f32 {
    x
}

/// `magnitude` ≥ 0 with the sign of x.
#[inline(always)]
fn with_sign(magnitude: f32, x: f32) -> f32 {
    f32::from_bits((magnitude.to_bits() & 0x7fff_ffff) | (x.to_bits() & 0x8000_0000))
}

/// 2ᵏ for −126 ≤ k ≤ 127.
#[inline(always)]
fn pow2(k: i32) -> f32 {
    f32::from_bits((k << 23).wrapping_add(ONE_BITS) as u32)
}

/// 2ᵏ y for y and the result normal, or k = 0.
#[inline(always)]
fn times_pow2(y: f32, k: i32) -> f32 {
    f32::from_bits(y.to_bits().wrapping_add((k << 23) as u32))
}

/// c₀ + c₁ s + c₂ s² + …
#[inline(always)]
fn horner<const N: usize>(coefficients: &[f32; N], s: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * s + coefficients[i];
    }
    sum
}

/// The integer k nearest to x / ln 2, for |x| ≤ 150. Rounded from a fixed-point number: the sum
/// itself may be rounded up or down.
#[inline(always)]
fn exp_octave(x: f32) -> i32 {
    let fixed = ((x * LOG2_E + FIXED).to_bits() as i32).wrapping_sub(FIXED_BITS);
    fixed.wrapping_add(FIXED_HALF) >> 13
}

/// expm1(x − n ln 2), n = `exp_octave(x)`: the argument is at most 0.35 either way.
#[inline(always)]
fn expm1_reduced(x: f32, n: f32) -> f32 {
    let r = opaque(x - n * LN_2_HI) - n * LN_2_LO;
    r + r * r * horner(&EXPM1, r)
}

/// 2ʲ exp(x), where that is finite; 0 where it is below 2⁻¹²⁶.
#[inline(always)]
fn exp_times_pow2(x: f32, j: i32) -> f32 {
    let b = at_least(x, -104.0);
    let k = exp_octave(b);
    let y = times_pow2(1.0 + opaque(expm1_reduced(b, k as f32)), k.wrapping_add(j));
    // Below 2⁻¹²⁶ the exponent's bits have run into the sign.
    let normal = y.to_bits() as i32 >= F32_MIN_BITS;
    select(b, select(0.0, y, normal), b <= F32_MAX)
}

/// log(2ʲ u) for u positive, normal and finite. With `split`, u is 1 + x rounded, and the rounding
/// error is corrected: 1 + f = 2⁻ᵏ (1 + x) is computed from x itself.
#[inline(always)]
fn log_of_sum(u: f32, x: f32, split: bool, j: i32) -> f32 {
    let offset = (u.to_bits() as i32).wrapping_sub(SQRT_HALF_BITS);
    let k = offset >> 23;
    let mantissa = f32::from_bits(((offset & 0x007f_ffff) + SQRT_HALF_BITS) as u32);
    let scale = pow2(k.wrapping_neg());
    let from_x = x * scale + select(scale - 1.0, 0.0, k == 0);
    let f = select(opaque(mantissa - 1.0), from_x, split);
    let n = k.wrapping_add(j) as f32;
    let y = n * LN_2_HI + (f + (f * f * horner(&LOG, f) + n * LN_2_LO));
    select(u, y, u <= F32_MAX)
}

/// exp(x); 0 where that is below 2⁻¹²⁶.
/// x = n ln 2 + r; 2ⁿ (1 + expm1(r)), expm1(r) = r + r² P(r).
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    select(exp_times_pow2(at_most(x, EXP_END), 0), F32_MAX, x > EXP_END)
}

/// exp(x) − 1.
/// As exp, with 2ⁿ (expm1(r) + (1 − 2⁻ⁿ)); for n = 0 the second term is omitted, not computed as 0.
#[inline(always)]
pub fn expm1_f32(x: f32) -> f32 {
    let b = at_least(at_most(x, EXP_END), -18.0);
    let k = exp_octave(b);
    // 1 − 2⁻ᵏ rounds to 1 from k = 25 on.
    let rest = 1.0 - pow2(select(k.wrapping_neg(), -25, k > 25));
    let y = times_pow2(expm1_reduced(b, k as f32) + select(rest, 0.0, k == 0), k);
    select(b, select(y, F32_MAX, x > EXP_END), b <= F32_MAX)
}

/// log(x), x > 0.
/// x = 2ᵏ (1 + f), √½ ≤ 1 + f < √2; k ln 2 + f + f² P(f).
#[inline(always)]
pub fn log_f32(x: f32) -> f32 {
    let subnormal = x < F32_MIN;
    let u = select(at_most(x, F32_MAX), x * SUBNORMAL_SCALE, subnormal);
    let y = log_of_sum(u, 0.0, false, select(0, SUBNORMAL_EXPONENT, subnormal));
    select(y, -F32_MAX, x <= 0.0)
}

/// log(1 + x), x > −1.
/// As log, with k from 1 + x and f from x: f = 2⁻ᵏ x + (2⁻ᵏ − 1).
#[inline(always)]
pub fn log1p_f32(x: f32) -> f32 {
    let b = at_most(x, F32_MAX);
    let u = at_most(1.0 + b, F32_MAX);
    select(log_of_sum(u, b, u < 16777216.0, 0), -F32_MAX, x <= -1.0)
}

/// tanh(x).
/// x + x³ P(x²) up to 0.625, then 1 − 2 / (1 + exp(2x)).
#[inline(always)]
pub fn tanh_f32(x: f32) -> f32 {
    let a = at_most(x.abs(), 10.0);
    let s = a * a;
    let inner = a + a * (s * horner(&TANH, s));
    let outer = 1.0 - 2.0 / (1.0 + exp_times_pow2(a + a, 0));
    with_sign(select(outer, inner, a < 0.625), x)
}

/// artanh(z), |z| < 1.
/// z + z³ P(z²) up to ½, then ½ log1p(2z / (1 − z)).
#[inline(always)]
pub fn artanh_f32(z: f32) -> f32 {
    let a = at_most(z.abs(), 1.0);
    let s = a * a;
    let inner = a + a * (s * horner(&ARTANH, s));
    let x = (a + a) / at_least(1.0 - a, TINY);
    let outer = select(0.5 * log_of_sum(1.0 + x, x, true, 0), F32_MAX, a >= 1.0);
    with_sign(select(outer, inner, a < 0.5), z)
}

/// sin(a), |a| ≤ π/2.
/// a + a³ P(a²).
#[inline(always)]
pub fn sin_f32(a: f32) -> f32 {
    let b = at_most(a.abs(), FRAC_PI_2);
    let s = b * b;
    with_sign(at_most(b + b * (s * horner(&SIN, s)), 1.0), a)
}

/// asin(z), |z| ≤ 1.
/// z + z³ P(z²) up to ½, then π/2 − 2 asin √((1 − z) / 2).
#[inline(always)]
pub fn asin_f32(z: f32) -> f32 {
    let a = at_most(z.abs(), 1.0);
    let outer = a > 0.5;
    let s = select(a * a, 0.5 * (1.0 - a), outer);
    let w = select(a, s.sqrt(), outer);
    let p = w * (s * horner(&ASIN, s));
    let y = select(
        w + p,
        FRAC_PI_2 - ((w + w) + ((p + p) - FRAC_PI_2_TAIL)),
        outer,
    );
    with_sign(y, z)
}

/// tan(a), |a| < π/2; at most 1.3245402e7.
/// a + a³ P(a²) up to π/4, then 1 / tan(π/2 − a).
#[inline(always)]
pub fn tan_f32(a: f32) -> f32 {
    let b = at_most(a.abs(), BELOW_FRAC_PI_2);
    let outer = b > FRAC_PI_4;
    let w = select(b, opaque(FRAC_PI_2 - b) + FRAC_PI_2_TAIL, outer);
    let s = w * w;
    let y = w + w * (s * horner(&TAN, s));
    with_sign(select(y, 1.0 / y, outer), a)
}

/// atan(x); never above the largest `f32` below π/2.
/// x + x³ P(x²) up to 1, then π/2 − atan(1 / x).
#[inline(always)]
pub fn atan_f32(x: f32) -> f32 {
    let a = at_most(x.abs(), F32_MAX);
    let outer = a > 1.0;
    let t = select(a, 1.0 / a, outer);
    let s = t * t;
    let p = t * (s * horner(&ATAN, s));
    let y = select(t + p, FRAC_PI_2 - (t + (p - FRAC_PI_2_TAIL)), outer);
    with_sign(at_most(y, BELOW_FRAC_PI_2), x)
}

/// (2/π) atan(x).
/// As atan, with the rounding error of 2/π added to P; beyond 1, 1 − (2/π) atan(1 / x).
#[inline(always)]
pub fn scaled_arctan_f32(x: f32) -> f32 {
    let a = at_most(x.abs(), F32_MAX);
    let outer = a > 1.0;
    let t = select(a, 1.0 / a, outer);
    let s = t * t;
    let y = FRAC_2_PI * (t + t * (s * horner(&ATAN, s) + FRAC_2_PI_EXCESS));
    with_sign(select(y, 1.0 - y, outer), x)
}

/// tan(πz/2), |z| < 1.
/// As tan, reduced in z, where 1 − z is exact: beyond ½, 1 / tan(π(1 − z)/2).
#[inline(always)]
pub fn scaled_arctan_inv_f32(z: f32) -> f32 {
    let a = at_most(z.abs(), 1.0);
    let outer = a > 0.5;
    let w = FRAC_PI_2 * select(a, 1.0 - a, outer);
    let s = w * w;
    let y = w + w * (s * horner(&TAN, s) + FRAC_PI_2_EXCESS);
    with_sign(select(select(y, 1.0 / y, outer), F32_MAX, a >= 1.0), z)
}

/// sinh(x).
/// x + x³ P(x²) up to 1, then h − 1/(4h) with h = ½ exp(x).
#[inline(always)]
pub fn sinh_f32(x: f32) -> f32 {
    let a = x.abs();
    let b = at_most(a, SINH_END);
    let s = b * b;
    let inner = b + b * (s * horner(&SINH, s));
    let half_exp = exp_times_pow2(b, -1);
    let outer = select(half_exp - 0.25 / half_exp, F32_MAX, a > SINH_END);
    with_sign(select(outer, inner, b < 1.0), x)
}

/// asinh(x).
/// x + x³ P(x²) up to ¾, then log(x + √(x² + 1)), and log(2x) from 4096 on.
#[inline(always)]
pub fn asinh_f32(x: f32) -> f32 {
    let a = at_most(x.abs(), F32_MAX);
    let b = at_most(a, 4096.0);
    let s = b * b;
    let inner = b + b * (s * horner(&ASINH, s));
    let huge = a > 4096.0;
    let u = select(a + (s + 1.0).sqrt(), a, huge);
    let outer = log_of_sum(u, 0.0, false, select(0, 1, huge));
    with_sign(select(outer, inner, a < 0.75), x)
}

/// 1 / (1 + exp(−a)).
/// From e = exp(−|a|): 1 / (1 + e), or e / (1 + e) for a < 0.
#[inline(always)]
pub fn sigmoid_f32(a: f32) -> f32 {
    let e = exp_times_pow2(-a.abs(), 0);
    at_most(select(e, 1.0, a >= 0.0) / (1.0 + e), 1.0)
}

/// log(z / (1 − z)), 0 < z < 1.
/// 2 artanh(2z − 1) for ¼ < z < ¾, where 2z − 1 is exact.
#[inline(always)]
pub fn logit_f32(z: f32) -> f32 {
    let b = at_least(at_most(z, 1.0), 0.0);
    let w = opaque(2.0 * b - 1.0);
    let s = w * w;
    let inner = w + w * (s * horner(&ARTANH, s));
    let outer = select(log_f32(b / at_least(1.0 - b, TINY)), F32_MAX, b >= 1.0);
    select(outer, inner + inner, s < 0.25)
}

/// log(1 + exp(a)).
/// max(a, 0) + log1p(exp(−|a|)).
#[inline(always)]
pub fn softplus_f32(a: f32) -> f32 {
    let e = exp_times_pow2(-a.abs(), 0);
    at_most(at_least(a, 0.0) + log_of_sum(1.0 + e, e, true, 0), F32_MAX)
}

/// log(exp(z) − 1), z > 0.
/// log(expm1(z)) below 0.42, log1p(2 expm1(z − ln 2)) to 2, z + log(−expm1(−z)) beyond.
#[inline(always)]
pub fn softplus_inv_f32(z: f32) -> f32 {
    let b = at_most(z, F32_MAX);
    let high = b > 2.0;
    let middle = (b >= 0.42) & !high;
    let d = opaque(b - LN_2) - LN_2_TAIL;
    let e = expm1_f32(select(select(b, -b, high), d, middle));
    let x = e + e;
    let v = select(select(e, -e, high), 1.0 + x, middle);
    let subnormal = v < F32_MIN;
    let u = select(v, v * SUBNORMAL_SCALE, subnormal);
    let y = log_of_sum(u, x, middle, select(0, SUBNORMAL_EXPONENT, subnormal));
    select(select(y, b + y, high), -F32_MAX, b <= 0.0)
}

/// a / √(1 + a²).
/// Computed as written; from 2²⁰ on the quotient is 1.
#[inline(always)]
pub fn isru_f32(a: f32) -> f32 {
    let b = at_most(a.abs(), 1048576.0);
    with_sign(at_most(b / (1.0 + b * b).sqrt(), 1.0), a)
}

/// z / √(1 − z²), |z| < 1.
/// With 1 − z² as (1 − z)(1 + z).
#[inline(always)]
pub fn isru_inv_f32(z: f32) -> f32 {
    let a = at_most(z.abs(), 1.0);
    let y = a / at_least((1.0 - a) * (1.0 + a), F32_MIN).sqrt();
    with_sign(select(y, F32_MAX, a >= 1.0), z)
}

/// Slope of tanh at the output z: 1 − z², |z| ≤ 1.
/// Computed as (1 − z)(1 + z).
#[inline(always)]
pub fn tanh_slope(z: f32) -> f32 {
    at_most(at_least((1.0 - z) * (1.0 + z), 0.0), 1.0)
}

/// Slope of the sigmoid at the output z: z (1 − z), 0 ≤ z ≤ 1.
/// Computed as written.
#[inline(always)]
pub fn sigmoid_slope(z: f32) -> f32 {
    at_most(at_least(z * (1.0 - z), 0.0), 0.25)
}

/// Slope of softplus at the output z: 1 − exp(−z), z ≥ 0.
/// As −expm1(−z).
#[inline(always)]
pub fn softplus_slope(z: f32) -> f32 {
    at_least(-expm1_f32(-z), 0.0)
}

/// Slope of atan at the output z: cos² z, |z| < π/2.
/// 1 − sin² z up to π/4, then sin²(π/2 − z); sin² w = w² + w⁴ P(w²).
#[inline(always)]
pub fn arctan_slope(z: f32) -> f32 {
    let a = at_most(z.abs(), BELOW_FRAC_PI_2);
    let outer = a > FRAC_PI_4;
    let w = select(a, opaque(FRAC_PI_2 - a) + FRAC_PI_2_TAIL, outer);
    let s = w * w;
    let q = s + s * (s * horner(&SIN_SQUARED, s));
    select(1.0 - q, q, outer)
}

/// Slope of (2/π) atan at the output z: (2/π) cos²(πz/2), |z| ≤ 1.
/// As cos², reduced in z, where 1 − z is exact.
#[inline(always)]
pub fn scaled_arctan_slope(z: f32) -> f32 {
    let a = at_most(z.abs(), 1.0);
    let outer = a > 0.5;
    let w = FRAC_PI_2 * select(a, 1.0 - a, outer);
    let s = w * w;
    let excess = FRAC_2_PI_EXCESS + 2.0 * FRAC_PI_2_EXCESS;
    let q = FRAC_2_PI * (s + s * (s * horner(&SIN_SQUARED, s) + excess));
    select(FRAC_2_PI - q, q, outer)
}

/// Slope of sin at the output z: √(1 − z²), |z| ≤ 1.
/// With 1 − z² as (1 − z)(1 + z).
#[inline(always)]
pub fn sin_slope(z: f32) -> f32 {
    at_most(at_least((1.0 - z) * (1.0 + z), 0.0).sqrt(), 1.0)
}

/// Slope of isru at the output z: (1 − z²)^{3/2}, |z| ≤ 1.
/// t √t with t = 1 − z² up to ½, then (1 − z)(1 + z).
#[inline(always)]
pub fn isru_slope(z: f32) -> f32 {
    let t = select((1.0 - z) * (1.0 + z), 1.0 - z * z, z.abs() < 0.5);
    let b = at_least(t, 0.0);
    at_most(b * b.sqrt(), 1.0)
}

/// Slope of asinh at the output z: 1 / cosh(z).
/// From t = 2 exp(−|z|): t / (1 + t²/4).
#[inline(always)]
pub fn arcsinh_slope(z: f32) -> f32 {
    let t = exp_times_pow2(-z.abs(), 1);
    at_most(t / (1.0 + 0.25 * t * t), 1.0)
}

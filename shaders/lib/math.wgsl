// Elementary functions from + - * / sqrt, selects and bit operations: the twin of src/math.rs, term by
// term, which documents the domain, bound, method and conventions of each function. Here a result below
// 2^-126 may be flushed to zero, and each / or sqrt adds the error of the adapter's own.

// (expm1 r - r) / r^2 in r, |r| <= 0.35.
const EXPM1 = array<f32, 6>(0.5, 0.16666666, 0.041666485, 0.008333542, 0.0013933225, 0.00019766072);

fn horner_expm1(r: f32) -> f32 {
    return ((((EXPM1[5] * r + EXPM1[4]) * r + EXPM1[3]) * r + EXPM1[2]) * r + EXPM1[1])
        * r + EXPM1[0];
}

// (log(1 + f) - f) / f^2 in f, sqrt(1/2) - 1 <= f <= sqrt(2) - 1.
const LOG = array<f32, 9>(
    -0.49999988, 0.33333325, -0.2500161, 0.20002005, -0.16608411, 0.14180854, -0.13248068,
    0.12912941, -0.076190524,
);

fn horner_log(f: f32) -> f32 {
    return (((((((LOG[8] * f + LOG[7]) * f + LOG[6]) * f + LOG[5]) * f + LOG[4]) * f + LOG[3])
        * f + LOG[2]) * f + LOG[1]) * f + LOG[0];
}

// (tanh x - x) / x^3 in x^2, |x| <= 0.625.
const TANH = array<f32, 5>(-0.3333328, 0.13331406, -0.053736515, 0.020628167, -0.0056922967);

fn horner_tanh(s: f32) -> f32 {
    return (((TANH[4] * s + TANH[3]) * s + TANH[2]) * s + TANH[1]) * s + TANH[0];
}

// (artanh z - z) / z^3 in z^2, |z| <= 1/2.
const ARTANH = array<f32, 6>(0.33333302, 0.20002455, 0.14223742, 0.11816823, 0.05158585, 0.1764066);

fn horner_artanh(s: f32) -> f32 {
    return ((((ARTANH[5] * s + ARTANH[4]) * s + ARTANH[3]) * s + ARTANH[2]) * s + ARTANH[1])
        * s + ARTANH[0];
}

// (sin a - a) / a^3 in a^2, |a| <= pi/2.
const SIN = array<f32, 4>(-0.1666666, 0.008333069, -0.00019809777, 2.6060957e-6);

fn horner_sin(s: f32) -> f32 {
    return ((SIN[3] * s + SIN[2]) * s + SIN[1]) * s + SIN[0];
}

// (asin z - z) / z^3 in z^2, |z| <= 1/2.
const ASIN = array<f32, 5>(0.16666752, 0.074953094, 0.045469154, 0.024184741, 0.0421584);

fn horner_asin(s: f32) -> f32 {
    return (((ASIN[4] * s + ASIN[3]) * s + ASIN[2]) * s + ASIN[1]) * s + ASIN[0];
}

// (tan a - a) / a^3 in a^2, |a| <= pi/4.
const TAN = array<f32, 7>(
    0.3333335, 0.13332675, 0.054058913, 0.021286208, 0.010827444, 9.82468e-5, 0.0043726955,
);

fn horner_tan(s: f32) -> f32 {
    return (((((TAN[6] * s + TAN[5]) * s + TAN[4]) * s + TAN[3]) * s + TAN[2]) * s + TAN[1])
        * s + TAN[0];
}

// (atan x - x) / x^3 in x^2, |x| <= 1.
const ATAN = array<f32, 9>(
    -0.333333, 0.1999853, -0.14264016, 0.10950881, -0.083993144, 0.057881717, -0.0310976,
    0.010869233, -0.0017830074,
);

fn horner_atan(s: f32) -> f32 {
    return (((((((ATAN[8] * s + ATAN[7]) * s + ATAN[6]) * s + ATAN[5]) * s + ATAN[4])
        * s + ATAN[3]) * s + ATAN[2]) * s + ATAN[1]) * s + ATAN[0];
}

// (sinh x - x) / x^3 in x^2, |x| <= 1.
const SINH = array<f32, 4>(0.16666667, 0.0083333105, 0.00019842896, 2.7822132e-6);

fn horner_sinh(s: f32) -> f32 {
    return ((SINH[3] * s + SINH[2]) * s + SINH[1]) * s + SINH[0];
}

// (asinh x - x) / x^3 in x^2, |x| <= 3/4.
const ASINH = array<f32, 6>(
    -0.1666658, 0.07496873, -0.044258114, 0.028137561, -0.015318064, 0.0046678944,
);

fn horner_asinh(s: f32) -> f32 {
    return ((((ASINH[5] * s + ASINH[4]) * s + ASINH[3]) * s + ASINH[2]) * s + ASINH[1])
        * s + ASINH[0];
}

// (sin^2 w - w^2) / w^4 in w^2, |w| <= pi/4.
const SIN_SQUARED = array<f32, 4>(-0.33333328, 0.0444437, -0.003171109, 0.00013457045);

fn horner_sin_squared(s: f32) -> f32 {
    return ((SIN_SQUARED[3] * s + SIN_SQUARED[2]) * s + SIN_SQUARED[1]) * s + SIN_SQUARED[0];
}

const F32_MAX: f32 = 3.4028235e38;
// The smallest normal number, 2^-126.
const F32_MIN: f32 = 1.1754944e-38;
const F32_MIN_BITS: i32 = 0x00800000;
// 2^-24, the smallest 1 - z above 0.
const TINY: f32 = 5.9604645e-8;
const FRAC_PI_4: f32 = 0.7853982;
// pi/2 = FRAC_PI_2 * (1 + FRAC_PI_2_EXCESS) = FRAC_PI_2 + FRAC_PI_2_TAIL: the f32 lies above it.
const FRAC_PI_2: f32 = 1.5707964;
const FRAC_PI_2_EXCESS: f32 = -2.7827534e-8;
const FRAC_PI_2_TAIL: f32 = -4.371139e-8;
// The largest f32 below pi/2.
const BELOW_FRAC_PI_2: f32 = 1.5707963;
// 2/pi = FRAC_2_PI * (1 + FRAC_2_PI_EXCESS).
const FRAC_2_PI: f32 = 0.63661975;
const FRAC_2_PI_EXCESS: f32 = 4.0342062e-8;
const LOG2_E: f32 = 1.442695;
// ln 2 = LN_2 + LN_2_TAIL.
const LN_2: f32 = 0.6931472;
const LN_2_TAIL: f32 = -1.9046542e-9;
// ln 2 in two parts, the first of 10 bits, so that its product with an exponent is exact.
const LN_2_HI: f32 = 0.6933594;
const LN_2_LO: f32 = -0.00021219444;
// 1.5 * 2^10: a sum with it has 13 bits below the point, so that the bits are a fixed-point number.
const FIXED: f32 = 1536.0;
const FIXED_BITS: i32 = 0x44c00000;
const FIXED_HALF: i32 = 4096;
// The largest arguments with finite results.
const EXP_END: f32 = 88.72283;
const SINH_END: f32 = 89.415985;
// 2^23 and its exponent: brings subnormals into the normal range.
const SUBNORMAL_SCALE: f32 = 8388608.0;
const SUBNORMAL_EXPONENT: i32 = -23;
// The bits of sqrt(1/2), the lower end of the reduced logarithm's mantissa, and of 1.
const SQRT_HALF_BITS: i32 = 0x3f3504f3;
const ONE_BITS: i32 = 0x3f800000;

// min(x, bound), and NaN for NaN.
fn at_most(x: f32, bound: f32) -> f32 {
    return select(x, bound, x > bound);
}

// max(x, bound), and NaN for NaN.
fn at_least(x: f32, bound: f32) -> f32 {
    return select(x, bound, x < bound);
}

// x, for |x| < 2: a bit operation that is the identity there, as no compiler can tell. It keeps
// the constants before it from those after it; a maximum or a select would not.
fn opaque(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    return bitcast<f32>(bits | ((bits >> 30u) & 1u));
}

// magnitude >= 0 with the sign of x.
fn with_sign(magnitude: f32, x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(magnitude) & 0x7fffffffu) | (bitcast<u32>(x) & 0x80000000u));
}

// 2^k for -126 <= k <= 127.
fn pow2(k: i32) -> f32 {
    return bitcast<f32>((k << 23u) + ONE_BITS);
}

// 2^k y for y and the result normal, or k = 0. On the bits: 2^k itself may overflow.
fn times_pow2(y: f32, k: i32) -> f32 {
    return bitcast<f32>(bitcast<i32>(y) + (k << 23u));
}

// The integer k nearest to x / ln 2, for |x| <= 150. Rounded from a fixed-point number: the sum
// itself may be rounded up or down.
fn exp_octave(x: f32) -> i32 {
    let fixed = bitcast<i32>(x * LOG2_E + FIXED) - FIXED_BITS;
    return (fixed + FIXED_HALF) >> 13u;
}

// expm1(x - n ln 2), n = exp_octave(x): the argument is at most 0.35 either way.
fn expm1_reduced(x: f32, n: f32) -> f32 {
    let r = opaque(x - n * LN_2_HI) - n * LN_2_LO;
    return r + r * r * horner_expm1(r);
}

// 2^j exp(x), where that is finite; 0 where it is below 2^-126.
fn exp_times_pow2(x: f32, j: i32) -> f32 {
    let b = at_least(x, -104.0);
    let k = exp_octave(b);
    let y = times_pow2(1.0 + opaque(expm1_reduced(b, f32(k))), k + j);
    // Below 2^-126 the exponent's bits have run into the sign.
    let normal = bitcast<i32>(y) >= F32_MIN_BITS;
    return select(b, select(0.0, y, normal), b <= F32_MAX);
}

// log(2^j u) for u positive, normal and finite. If split, u is 1 + x rounded, and the error
// of rounding is made good: 1 + f = 2^-k (1 + x) is taken from x itself.
fn log_of_sum(u: f32, x: f32, split: bool, j: i32) -> f32 {
    let offset = bitcast<i32>(u) - SQRT_HALF_BITS;
    let k = offset >> 23u;
    let mantissa = bitcast<f32>((offset & 0x007fffff) + SQRT_HALF_BITS);
    let scale = pow2(-k);
    let from_x = x * scale + select(scale - 1.0, 0.0, k == 0);
    let f = select(opaque(mantissa - 1.0), from_x, split);
    let n = f32(k + j);
    let y = n * LN_2_HI + (f + (f * f * horner_log(f) + n * LN_2_LO));
    return select(u, y, u <= F32_MAX);
}

fn exp_f32(x: f32) -> f32 {
    return select(exp_times_pow2(at_most(x, EXP_END), 0), F32_MAX, x > EXP_END);
}

fn expm1_f32(x: f32) -> f32 {
    let b = at_least(at_most(x, EXP_END), -18.0);
    let k = exp_octave(b);
    // 1 - 2^-k rounds to 1 from k = 25 on.
    let rest = 1.0 - pow2(select(-k, -25, k > 25));
    let y = times_pow2(expm1_reduced(b, f32(k)) + select(rest, 0.0, k == 0), k);
    return select(b, select(y, F32_MAX, x > EXP_END), b <= F32_MAX);
}

fn log_f32(x: f32) -> f32 {
    let subnormal = x < F32_MIN;
    let u = select(at_most(x, F32_MAX), x * SUBNORMAL_SCALE, subnormal);
    let y = log_of_sum(u, 0.0, false, select(0, SUBNORMAL_EXPONENT, subnormal));
    return select(y, -F32_MAX, x <= 0.0);
}

fn log1p_f32(x: f32) -> f32 {
    let b = at_most(x, F32_MAX);
    let u = at_most(1.0 + b, F32_MAX);
    return select(log_of_sum(u, b, u < 16777216.0, 0), -F32_MAX, x <= -1.0);
}

fn tanh_f32(x: f32) -> f32 {
    let a = at_most(abs(x), 10.0);
    let s = a * a;
    let inner = a + a * (s * horner_tanh(s));
    let outer = 1.0 - 2.0 / (1.0 + exp_times_pow2(a + a, 0));
    return with_sign(select(outer, inner, a < 0.625), x);
}

fn artanh_f32(z: f32) -> f32 {
    let a = at_most(abs(z), 1.0);
    let s = a * a;
    let inner = a + a * (s * horner_artanh(s));
    let x = (a + a) / at_least(1.0 - a, TINY);
    let outer = select(0.5 * log_of_sum(1.0 + x, x, true, 0), F32_MAX, a >= 1.0);
    return with_sign(select(outer, inner, a < 0.5), z);
}

fn sin_f32(a: f32) -> f32 {
    let b = at_most(abs(a), FRAC_PI_2);
    let s = b * b;
    return with_sign(at_most(b + b * (s * horner_sin(s)), 1.0), a);
}

fn asin_f32(z: f32) -> f32 {
    let a = at_most(abs(z), 1.0);
    let outer = a > 0.5;
    let s = select(a * a, 0.5 * (1.0 - a), outer);
    let w = select(a, sqrt(s), outer);
    let p = w * (s * horner_asin(s));
    let y = select(w + p, FRAC_PI_2 - ((w + w) + ((p + p) - FRAC_PI_2_TAIL)), outer);
    return with_sign(y, z);
}

fn tan_f32(a: f32) -> f32 {
    let b = at_most(abs(a), BELOW_FRAC_PI_2);
    let outer = b > FRAC_PI_4;
    let w = select(b, opaque(FRAC_PI_2 - b) + FRAC_PI_2_TAIL, outer);
    let s = w * w;
    let y = w + w * (s * horner_tan(s));
    return with_sign(select(y, 1.0 / y, outer), a);
}

fn atan_f32(x: f32) -> f32 {
    let a = at_most(abs(x), F32_MAX);
    let outer = a > 1.0;
    let t = select(a, 1.0 / a, outer);
    let s = t * t;
    let p = t * (s * horner_atan(s));
    let y = select(t + p, FRAC_PI_2 - (t + (p - FRAC_PI_2_TAIL)), outer);
    return with_sign(at_most(y, BELOW_FRAC_PI_2), x);
}

fn scaled_arctan_f32(x: f32) -> f32 {
    let a = at_most(abs(x), F32_MAX);
    let outer = a > 1.0;
    let t = select(a, 1.0 / a, outer);
    let s = t * t;
    let y = FRAC_2_PI * (t + t * (s * horner_atan(s) + FRAC_2_PI_EXCESS));
    return with_sign(select(y, 1.0 - y, outer), x);
}

fn scaled_arctan_inv_f32(z: f32) -> f32 {
    let a = at_most(abs(z), 1.0);
    let outer = a > 0.5;
    let w = FRAC_PI_2 * select(a, 1.0 - a, outer);
    let s = w * w;
    let y = w + w * (s * horner_tan(s) + FRAC_PI_2_EXCESS);
    return with_sign(select(select(y, 1.0 / y, outer), F32_MAX, a >= 1.0), z);
}

fn sinh_f32(x: f32) -> f32 {
    let a = abs(x);
    let b = at_most(a, SINH_END);
    let s = b * b;
    let inner = b + b * (s * horner_sinh(s));
    let half_exp = exp_times_pow2(b, -1);
    let outer = select(half_exp - 0.25 / half_exp, F32_MAX, a > SINH_END);
    return with_sign(select(outer, inner, b < 1.0), x);
}

fn asinh_f32(x: f32) -> f32 {
    let a = at_most(abs(x), F32_MAX);
    let b = at_most(a, 4096.0);
    let s = b * b;
    let inner = b + b * (s * horner_asinh(s));
    let huge = a > 4096.0;
    let u = select(a + sqrt(s + 1.0), a, huge);
    let outer = log_of_sum(u, 0.0, false, select(0, 1, huge));
    return with_sign(select(outer, inner, a < 0.75), x);
}

fn sigmoid_f32(a: f32) -> f32 {
    let e = exp_times_pow2(-abs(a), 0);
    return at_most(select(e, 1.0, a >= 0.0) / (1.0 + e), 1.0);
}

fn logit_f32(z: f32) -> f32 {
    let b = at_least(at_most(z, 1.0), 0.0);
    let w = opaque(2.0 * b - 1.0);
    let s = w * w;
    let inner = w + w * (s * horner_artanh(s));
    let outer = select(log_f32(b / at_least(1.0 - b, TINY)), F32_MAX, b >= 1.0);
    return select(outer, inner + inner, s < 0.25);
}

fn softplus_f32(a: f32) -> f32 {
    let e = exp_times_pow2(-abs(a), 0);
    return at_most(at_least(a, 0.0) + log_of_sum(1.0 + e, e, true, 0), F32_MAX);
}

fn softplus_inv_f32(z: f32) -> f32 {
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
    return select(select(y, b + y, high), -F32_MAX, b <= 0.0);
}

fn isru_f32(a: f32) -> f32 {
    let b = at_most(abs(a), 1048576.0);
    return with_sign(at_most(b / sqrt(1.0 + b * b), 1.0), a);
}

fn isru_inv_f32(z: f32) -> f32 {
    let a = at_most(abs(z), 1.0);
    let y = a / sqrt(at_least((1.0 - a) * (1.0 + a), F32_MIN));
    return with_sign(select(y, F32_MAX, a >= 1.0), z);
}

fn tanh_slope(z: f32) -> f32 {
    return at_most(at_least((1.0 - z) * (1.0 + z), 0.0), 1.0);
}

fn sigmoid_slope(z: f32) -> f32 {
    return at_most(at_least(z * (1.0 - z), 0.0), 0.25);
}

fn softplus_slope(z: f32) -> f32 {
    return at_least(-expm1_f32(-z), 0.0);
}

fn arctan_slope(z: f32) -> f32 {
    let a = at_most(abs(z), BELOW_FRAC_PI_2);
    let outer = a > FRAC_PI_4;
    let w = select(a, opaque(FRAC_PI_2 - a) + FRAC_PI_2_TAIL, outer);
    let s = w * w;
    let q = s + s * (s * horner_sin_squared(s));
    return select(1.0 - q, q, outer);
}

fn scaled_arctan_slope(z: f32) -> f32 {
    let a = at_most(abs(z), 1.0);
    let outer = a > 0.5;
    let w = FRAC_PI_2 * select(a, 1.0 - a, outer);
    let s = w * w;
    let excess = FRAC_2_PI_EXCESS + 2.0 * FRAC_PI_2_EXCESS;
    let q = FRAC_2_PI * (s + s * (s * horner_sin_squared(s) + excess));
    return select(FRAC_2_PI - q, q, outer);
}

fn sin_slope(z: f32) -> f32 {
    return at_most(sqrt(at_least((1.0 - z) * (1.0 + z), 0.0)), 1.0);
}

fn isru_slope(z: f32) -> f32 {
    let t = select((1.0 - z) * (1.0 + z), 1.0 - z * z, abs(z) < 0.5);
    let b = at_least(t, 0.0);
    return at_most(b * sqrt(b), 1.0);
}

fn arcsinh_slope(z: f32) -> f32 {
    let t = exp_times_pow2(-abs(z), 1);
    return at_most(t / (1.0 + 0.25 * t * t), 1.0);
}

// The functions of lib/math.wgsl from WGSL's builtins, to measure what our own cost. They are not fit for
// training, however fast (atan may be 4096 ULP off, tanh NaN past 88).

const F32_MAX: f32 = 3.4028235e38;
const F32_MIN: f32 = 1.1754944e-38;
const FRAC_PI_2: f32 = 1.5707964;
const FRAC_2_PI: f32 = 0.63661975;

fn exp_f32(x: f32) -> f32 { return exp(x); }
fn log_f32(x: f32) -> f32 { return log(x); }
fn tanh_f32(x: f32) -> f32 { return tanh(x); }
fn artanh_f32(z: f32) -> f32 { return atanh(z); }
fn sin_f32(a: f32) -> f32 { return sin(clamp(a, -FRAC_PI_2, FRAC_PI_2)); }
fn asin_f32(z: f32) -> f32 { return asin(z); }
fn tan_f32(a: f32) -> f32 { return tan(a); }
fn atan_f32(x: f32) -> f32 { return atan(x); }
fn scaled_arctan_f32(x: f32) -> f32 { return FRAC_2_PI * atan(x); }
fn scaled_arctan_inv_f32(z: f32) -> f32 { return tan(FRAC_PI_2 * z); }
fn sinh_f32(x: f32) -> f32 { return sinh(x); }
fn asinh_f32(x: f32) -> f32 { return asinh(x); }
fn sigmoid_f32(a: f32) -> f32 { return 1.0 / (1.0 + exp(-a)); }
fn logit_f32(z: f32) -> f32 { return log(z / (1.0 - z)); }
fn softplus_f32(a: f32) -> f32 { return max(a, 0.0) + log(1.0 + exp(-abs(a))); }
fn softplus_inv_f32(z: f32) -> f32 { return z + log(1.0 - exp(-z)); }
fn isru_f32(a: f32) -> f32 { return a * inverseSqrt(1.0 + a * a); }
fn isru_inv_f32(z: f32) -> f32 { return z * inverseSqrt(1.0 - z * z); }
fn tanh_slope(z: f32) -> f32 { return 1.0 - z * z; }
fn sigmoid_slope(z: f32) -> f32 { return z * (1.0 - z); }
fn softplus_slope(z: f32) -> f32 { return 1.0 - exp(-z); }
fn arctan_slope(z: f32) -> f32 { let c = cos(z); return c * c; }
fn scaled_arctan_slope(z: f32) -> f32 { let c = cos(FRAC_PI_2 * z); return FRAC_2_PI * c * c; }
fn sin_slope(z: f32) -> f32 { return sqrt(1.0 - z * z); }
fn isru_slope(z: f32) -> f32 { let t = 1.0 - z * z; return t * sqrt(t); }
fn arcsinh_slope(z: f32) -> f32 { return 1.0 / cosh(z); }

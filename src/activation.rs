//! Table 1 of the paper, corrected: the activations ρ with their inverses and slopes.
//!
//! Each activation is the inverse ρ = (∇φ)⁻¹ of the gradient of a Legendre function φ (Prop. 4.2).
//! An [`Activation`] defines it twice: its f64 functions are those of the textbook, for the reference; its
//! [`Float32`] functions, from [`crate::math`], are the same operations as its WGSL.
//!
//! # Adding an activation to the crate
//!
//! 1. A const here, an entry of [`Activation::ALL`], and its [`Float32`] functions.
//! 2. The elementary functions that they need, in `src/math.rs` and `shaders/lib/math.wgsl`.
//! 3. A file in `shaders/activation/`.
//! 4. An arm in `src/onnx.rs`.
//!
//! `tests/activations.rs` names missing places, including the lists of names outside the crate.
//!
//! # Defining your own activation
//!
//! An [`Activation`] of another crate works everywhere except in checkpoints and ONNX files, which refer to
//! activations by name. Softsign, ρ(a) = a / (1 + |a|), is the inverse of φ′ for φ(t) = −log(1 − |t|) − |t|; φ″ =
//! (1 − |t|)⁻² is at least σ = 1:
//!
//! ```
//! use std::sync::Arc;
//!
//! use bregman::activation::Activation;
//! use bregman::cpu::CpuExecutor;
//! use bregman::data::digits;
//! use bregman::data::{Split, Splits};
//! use bregman::executor::Executor;
//! use bregman::kernels::{Float32, Loops};
//! use bregman::kind::{Form, Init, LayerKind, Loss};
//! use bregman::nn::Model;
//! use bregman::optim::Sgd;
//! use bregman::reference::Reference;
//!
//! struct Softsign;
//! impl Float32 for Softsign {
//!     fn rho(a: f32) -> f32 { a / (1.0 + a.abs()) }
//!     fn rho_inv(z: f32) -> f32 { z / (1.0 - z.abs()) }
//!     fn rho_slope(z: f32) -> f32 { (1.0 - z.abs()) * (1.0 - z.abs()) }
//! }
//!
//! const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;
//! static SOFTSIGN: Activation = Activation {
//!     name: "softsign",
//!     range: [-1.0, 1.0],
//!     clamp: [-BELOW_ONE, BELOW_ONE],
//!     input_range: [0.0, 0.99],
//!     dual_max: f32::MAX,
//!     sigma: 1.0,
//!     phi: |t| -t.abs() - (-t.abs()).ln_1p(),
//!     rho: |a| a / (1.0 + a.abs()),
//!     rho_inv: |z| z / (1.0 - z.abs()),
//!     rho_slope: |z| (1.0 - z.abs()).powi(2),
//!     loops: Loops::of::<Softsign>(),
//!     wgsl: "
//!         const DUAL_MAX: f32 = 3.4028235e38;
//!         fn rho(a: f32) -> f32 { return a / (1.0 + abs(a)); }
//!         fn rho_inv(z: f32) -> f32 { return z / (1.0 - abs(z)); }
//!         fn rho_slope(z: f32) -> f32 { return (1.0 - abs(z)) * (1.0 - abs(z)); }
//!     ",
//! };
//!
//! let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
//! let model = Model::new(kind, form, &SOFTSIGN, loss, &[784, 24, 24], 10)?;
//! let (_, data) = digits::generate(0, 64);
//! let splits = Splits { train: data.clone(), validation: None, test: data };
//! let parameters = vec![Init::Random.parameters(&model, 0)];
//! let sgd = Sgd { batch_size: 16, learning_rate: 0.1 };
//!
//! // Four steps on the processor agree with the textbook to the rounding of float32.
//! let orders = [(0..64).collect::<Vec<u32>>()];
//! let mut textbook = Reference::new(&model, &splits, &parameters, sgd)?;
//! let mut cpu = CpuExecutor::new(&model, Arc::new(splits), parameters, sgd)?;
//! let expected = pollster::block_on(textbook.train_epoch(&orders, &mut |_| {}))?;
//! let found = pollster::block_on(cpu.train_epoch(&orders, &mut |_| {}))?;
//! for (found, expected) in found[0].iter().zip(&expected[0]) {
//!     assert!((found.loss - expected.loss).abs() < 1e-5, "{found:?} {expected:?}");
//! }
//! # Ok::<(), bregman::error::Error>(())
//! ```

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, PI};

use crate::error::{Error, Result};
use crate::kernels::{Float32, Loops};
use crate::math;

/// Largest float32 below 1, and the clamp of every ρ⁻¹ whose range ends at ±1: 1 − 2⁻²⁴.
const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;
/// Largest float32 whose tangent is still positive: π/2 rounded down.
const BELOW_HALF_PI: f32 = 1.570_796_2;
/// |z| up to which sinh z and cosh z are finite in float32, with room for 1/h.
const ARCSINH_CLAMP: f32 = 88.0;

/// An activation: one row of Table 1.
pub struct Activation {
    /// The name on the command line and in checkpoints.
    pub name: &'static str,
    /// The closure of the range of ρ, which is dom φ.
    pub range: [f64; 2],
    /// The interval to which every argument of ρ⁻¹ is clamped in float32, so that ρ⁻¹ and 1/h stay
    /// finite.
    pub clamp: [f32; 2],
    /// The interval to which inputs are mapped by default.
    pub input_range: [f32; 2],
    /// The dual variable a is kept within ±dual_max: π/2 for sin, whose φ is not Legendre.
    pub dual_max: f32,
    /// The strong-convexity modulus σ of φ; ρ is 1/σ-Lipschitz.
    pub sigma: f64,
    /// φ(t) in f64, for t in the range: φ′ = ρ⁻¹ and φ″ = 1/h within it.
    pub phi: fn(f64) -> f64,
    /// ρ(a) in f64.
    pub rho: fn(f64) -> f64,
    /// ρ⁻¹(z) in f64.
    pub rho_inv: fn(f64) -> f64,
    /// h(z) = ρ′(ρ⁻¹(z)), the slope of ρ from its output, in f64.
    pub rho_slope: fn(f64) -> f64,
    /// The float32 loops that executors on the processor run.
    pub loops: Loops,
    /// The WGSL of `rho`, `rho_inv`, `rho_slope` and `DUAL_MAX`.
    pub wgsl: &'static str,
}

/// Defines a type and its [`Float32`] functions.
macro_rules! float32 {
    ($name:ident, $rho:path, $rho_inv:path, $rho_slope:path $(, $dual_max:expr)?) => {
        struct $name;
        impl Float32 for $name {
            $(const DUAL_MAX: f32 = $dual_max;)?
            #[inline(always)]
            fn rho(a: f32) -> f32 {
                $rho(a)
            }
            #[inline(always)]
            fn rho_inv(z: f32) -> f32 {
                $rho_inv(z)
            }
            #[inline(always)]
            fn rho_slope(z: f32) -> f32 {
                $rho_slope(z)
            }
        }
    };
}

float32!(Isru, math::isru_f32, math::isru_inv_f32, math::isru_slope);
float32!(
    Sigmoid,
    math::sigmoid_f32,
    math::logit_f32,
    math::sigmoid_slope
);
float32!(
    Softplus,
    math::softplus_f32,
    math::softplus_inv_f32,
    math::softplus_slope
);
float32!(Arctan, math::atan_f32, math::tan_f32, math::arctan_slope);
float32!(
    ScaledArctan,
    math::scaled_arctan_f32,
    math::scaled_arctan_inv_f32,
    math::scaled_arctan_slope
);
float32!(Tanh, math::tanh_f32, math::artanh_f32, math::tanh_slope);
float32!(
    Sin,
    math::sin_f32,
    math::asin_f32,
    math::sin_slope,
    std::f32::consts::FRAC_PI_2
);
float32!(
    Arcsinh,
    math::asinh_f32,
    math::sinh_f32,
    math::arcsinh_slope
);
float32!(
    Identity,
    std::convert::identity,
    std::convert::identity,
    one
);

float32!(Relu, relu, std::convert::identity, relu_slope);

#[inline(always)]
fn relu(a: f32) -> f32 {
    // NaN stays NaN, so that a diverged run stays visible.
    if a < 0.0 { 0.0 } else { a }
}

#[inline(always)]
fn relu_slope(z: f32) -> f32 {
    if z > 0.0 { 1.0 } else { 0.0 }
}

#[inline(always)]
fn one(_: f32) -> f32 {
    1.0
}

/// x log x, 0 at 0.
fn x_ln_x(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * x.ln() }
}

/// Li₂(x) = Σ xᵏ/k² for 0 ≤ x ≤ 1. Beyond ½, where the series converges slowly, Euler's reflection
/// Li₂(x) + Li₂(1 − x) = π²/6 − log x log(1 − x) is used.
fn dilogarithm(x: f64) -> f64 {
    /// The last term at ½ is 2⁻⁶⁰/60², which no longer changes an f64.
    const TERMS: i32 = 60;
    if x > 0.5 {
        let logarithms = if x == 1.0 { 0.0 } else { x.ln() * (-x).ln_1p() };
        return PI * PI / 6.0 - logarithms - dilogarithm(1.0 - x);
    }
    let terms = (1..=TERMS).rev().map(|k| x.powi(k) / f64::from(k * k));
    terms.sum()
}

/// The activations of Table 1, in its order.
static TABLE: [Activation; 9] = [
    Activation::ISRU,
    Activation::SIGMOID,
    Activation::SOFTPLUS,
    Activation::ARCTAN,
    Activation::SCALED_ARCTAN,
    Activation::TANH,
    Activation::SIN,
    Activation::ARCSINH,
    Activation::IDENTITY,
];

impl Activation {
    /// φ(t) = −√(1 − t²).
    pub const ISRU: Self = Self {
        name: "isru",
        range: [-1.0, 1.0],
        clamp: [-BELOW_ONE, BELOW_ONE],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: Isru::DUAL_MAX,
        sigma: 1.0,
        phi: |t| -((1.0 - t) * (1.0 + t)).sqrt(),
        rho: |a| a / 1.0f64.hypot(a),
        rho_inv: |z| z / ((1.0 - z) * (1.0 + z)).sqrt(),
        rho_slope: |z| ((1.0 - z) * (1.0 + z)).powf(1.5),
        loops: Loops::of::<Isru>(),
        wgsl: include_str!("../shaders/activation/isru.wgsl"),
    };

    /// φ(t) = t log t + (1 − t) log(1 − t).
    pub const SIGMOID: Self = Self {
        name: "sigmoid",
        range: [0.0, 1.0],
        clamp: [f32::MIN_POSITIVE, BELOW_ONE],
        input_range: [0.05, 0.95],
        dual_max: Sigmoid::DUAL_MAX,
        sigma: 4.0,
        phi: |t| x_ln_x(t) + x_ln_x(1.0 - t),
        rho: |a| {
            let e = (-a.abs()).exp();
            (if a < 0.0 { e } else { 1.0 }) / (1.0 + e)
        },
        rho_inv: |z| (z / (1.0 - z)).ln(),
        rho_slope: |z| z * (1.0 - z),
        loops: Loops::of::<Sigmoid>(),
        wgsl: include_str!("../shaders/activation/sigmoid.wgsl"),
    };

    /// φ(t) = t²/2 + Li₂(e⁻ᵗ), β = 1.
    pub const SOFTPLUS: Self = Self {
        name: "softplus",
        range: [0.0, f64::INFINITY],
        clamp: [f32::MIN_POSITIVE, f32::MAX],
        input_range: [0.05, 1.0],
        dual_max: Softplus::DUAL_MAX,
        sigma: 1.0,
        phi: |t| 0.5 * t * t + dilogarithm((-t).exp()),
        rho: |a| a.max(0.0) + (-a.abs()).exp().ln_1p(),
        rho_inv: |z| z + (-(-z).exp_m1()).ln(),
        rho_slope: |z| -(-z).exp_m1(),
        loops: Loops::of::<Softplus>(),
        wgsl: include_str!("../shaders/activation/softplus.wgsl"),
    };

    /// φ(t) = −log cos t.
    pub const ARCTAN: Self = Self {
        name: "arctan",
        range: [-FRAC_PI_2, FRAC_PI_2],
        clamp: [-BELOW_HALF_PI, BELOW_HALF_PI],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: Arctan::DUAL_MAX,
        sigma: 1.0,
        phi: |t| -t.cos().ln(),
        rho: f64::atan,
        rho_inv: f64::tan,
        rho_slope: |z| z.cos().powi(2),
        loops: Loops::of::<Arctan>(),
        wgsl: include_str!("../shaders/activation/arctan.wgsl"),
    };

    /// φ(t) = −(2/π) log cos(πt/2).
    pub const SCALED_ARCTAN: Self = Self {
        name: "scaled-arctan",
        range: [-1.0, 1.0],
        clamp: [-BELOW_ONE, BELOW_ONE],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: ScaledArctan::DUAL_MAX,
        sigma: FRAC_PI_2,
        // cos(πt/2), written so that it is 0 at ±1.
        phi: |t| -FRAC_2_PI * (FRAC_PI_2 * (1.0 - t.abs())).sin().ln(),
        rho: |a| FRAC_2_PI * a.atan(),
        rho_inv: |z| (FRAC_PI_2 * z).tan(),
        // cos(πz/2), written so that it is 0 at ±1.
        rho_slope: |z| FRAC_2_PI * (FRAC_PI_2 * (1.0 - z.abs())).sin().powi(2),
        loops: Loops::of::<ScaledArctan>(),
        wgsl: include_str!("../shaders/activation/scaled_arctan.wgsl"),
    };

    /// φ(t) = ½ log(1 − t²) + t artanh t.
    pub const TANH: Self = Self {
        name: "tanh",
        range: [-1.0, 1.0],
        clamp: [-BELOW_ONE, BELOW_ONE],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: Tanh::DUAL_MAX,
        sigma: 1.0,
        // With (1 ± t) log(1 ± t), which has its limit 0 where t = ∓1.
        phi: |t| 0.5 * (x_ln_x(1.0 + t) + x_ln_x(1.0 - t)),
        rho: f64::tanh,
        // atanh of std is not exactly odd.
        rho_inv: |z| z.abs().atanh().copysign(z),
        rho_slope: |z| (1.0 - z) * (1.0 + z),
        loops: Loops::of::<Tanh>(),
        wgsl: include_str!("../shaders/activation/tanh.wgsl"),
    };

    /// φ(t) = √(1 − t²) + t asin t; its Bregman prox is the sine clamped to ±π/2.
    pub const SIN: Self = Self {
        name: "sin",
        range: [-1.0, 1.0],
        clamp: [-BELOW_ONE, BELOW_ONE],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: Sin::DUAL_MAX,
        sigma: 1.0,
        phi: |t| ((1.0 - t) * (1.0 + t)).sqrt() + t * t.asin(),
        rho: |a| a.clamp(-FRAC_PI_2, FRAC_PI_2).sin(),
        rho_inv: f64::asin,
        rho_slope: |z| ((1.0 - z) * (1.0 + z)).sqrt(),
        loops: Loops::of::<Sin>(),
        wgsl: include_str!("../shaders/activation/sin.wgsl"),
    };

    /// φ(t) = cosh t.
    pub const ARCSINH: Self = Self {
        name: "arcsinh",
        range: [f64::NEG_INFINITY, f64::INFINITY],
        clamp: [-ARCSINH_CLAMP, ARCSINH_CLAMP],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: Arcsinh::DUAL_MAX,
        sigma: 1.0,
        phi: f64::cosh,
        rho: f64::asinh,
        rho_inv: f64::sinh,
        rho_slope: |z| 1.0 / z.cosh(),
        loops: Loops::of::<Arcsinh>(),
        wgsl: include_str!("../shaders/activation/arcsinh.wgsl"),
    };

    /// φ(t) = t²/2.
    pub const IDENTITY: Self = Self {
        name: "identity",
        range: [f64::NEG_INFINITY, f64::INFINITY],
        clamp: [-f32::MAX, f32::MAX],
        input_range: [0.0, 1.0 - 1e-6],
        dual_max: Identity::DUAL_MAX,
        sigma: 1.0,
        phi: |t| 0.5 * t * t,
        rho: |a| a,
        rho_inv: |z| z,
        rho_slope: |_| 1.0,
        loops: Loops::of::<Identity>(),
        wgsl: include_str!("../shaders/activation/identity.wgsl"),
    };

    /// max(a, 0), for convolutions only: it has no inverse, so it is not in Table 1, cannot be the
    /// activation of a layer, and its `rho_inv` is never called.
    pub const RELU: Self = Self {
        name: "relu",
        range: [0.0, f64::INFINITY],
        clamp: [0.0, f32::MAX],
        input_range: [0.0, 1.0],
        dual_max: Relu::DUAL_MAX,
        sigma: 1.0,
        phi: |t| 0.5 * t * t,
        rho: |a| a.max(0.0),
        rho_inv: |z| z,
        rho_slope: |z| if z > 0.0 { 1.0 } else { 0.0 },
        loops: Loops::of::<Relu>(),
        wgsl: include_str!("../shaders/activation/relu.wgsl"),
    };

    /// Every activation, in the order of Table 1.
    pub const ALL: &'static [Self; 9] = &TABLE;

    /// The activation called `name`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the names that exist.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        let mut all = Self::ALL.iter();
        all.find(|activation| activation.name == name)
            .ok_or_else(|| Error::UnknownName {
                kind: "activation",
                name: name.to_owned(),
                known: Self::ALL.each_ref().map(|a| a.name).join(", "),
            })
    }
}

impl std::fmt::Debug for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

//! The elementary functions on the adapter: the largest error of each in units in the last place
//! (ULP) over all ranges, ends and branch points.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_4, LN_2, SQRT_2};
use std::f64::consts;

use naga::{BinaryOperator, Expression, Function as WgslFunction, MathFunction, Module};
use rayon::prelude::*;
use serde::Serialize;

use super::dispatch::Run;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::ops::elementwise::apply_function::apply_function;
use crate::gpu::wgsl::{File, MATH};
use crate::math::*;

/// The bound of each function in ULP, where ÷ and √ are rounded correctly.
pub const BOUND: f64 = 4.0;

/// The errors that WGSL allows a division and a square root, in ULP. √ is the reciprocal of
/// inverseSqrt (2 ULP), by a division.
const DIVISION: f64 = 2.5;
const ROOT: f64 = 4.5;

/// The largest `f32` below π/2.
const BELOW_FRAC_PI_2: f32 = coefficients::BELOW_FRAC_PI_2;
/// The difference of ln 2 and its `f64`.
const LN_2_TAIL: f64 = 2.3190468138462996e-17;

/// The order of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Results rise with the argument.
    Rising,
    /// Results fall as |x| rises.
    Peak,
    /// Results rise up to ½, then fall.
    Hump,
}
use Order::{Hump, Peak, Rising};

/// An elementary function of [`crate::math`] and `shaders/lib/math.wgsl`.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name in both files.
    pub name: &'static str,
    /// The function on the processor.
    pub ours: fn(f32) -> f32,
    /// A WGSL file that defines `function` as this function.
    pub wgsl: File,
    /// The exact function, continued past the ends of its domain as in [`crate::math`].
    pub exact: fn(f64) -> f64,
    /// All results are in this range.
    pub range: (f32, f32),
    /// Whether it is odd, to the bit.
    pub odd: bool,
    /// The order of results.
    pub order: Order,
    /// Arguments where the domain ends, the result saturates or the method changes.
    pub branches: &'static [f32],
    /// If not 0, the method also changes at the half-integer multiples of ln 2 times this.
    pub octaves: f32,
}

macro_rules! function {
    ($name:ident, $exact:expr, $range:expr, $odd:expr, $order:expr, $branches:expr, $octaves:expr) => {
        Function {
            name: stringify!($name),
            ours: $name,
            wgsl: File {
                name: stringify!($name),
                text: concat!(
                    "fn function(x: f32) -> f32 { return ",
                    stringify!($name),
                    "(x); }\n"
                ),
            },
            exact: $exact,
            range: $range,
            odd: $odd,
            order: $order,
            branches: $branches,
            octaves: $octaves,
        }
    };
}

const ALL: (f32, f32) = (-f32::MAX, f32::MAX);
const UNIT: (f32, f32) = (-1.0, 1.0);
const ARCTAN: (f32, f32) = (-BELOW_FRAC_PI_2, BELOW_FRAC_PI_2);

/// All functions.
#[rustfmt::skip]
pub fn all() -> Vec<Function> {
    vec![
        function!(exp_f32, f64::exp, (0.0, f32::MAX), false, Rising, &[-104.0, -87.33655, 88.72283], 1.0),
        function!(expm1_f32, f64::exp_m1, (-1.0, f32::MAX), false, Rising, &[-18.0, 88.72283], 1.0),
        function!(log_f32, |x| x.max(0.0).ln(), ALL, false, Rising, &[0.0, f32::MIN_POSITIVE, FRAC_1_SQRT_2, 1.0, SQRT_2], 0.0),
        function!(log1p_f32, |x| x.max(-1.0).ln_1p(), ALL, false, Rising, &[-1.0, -0.29289323, 0.41421357, 1.8284271, 16777216.0], 0.0),
        function!(tanh_f32, f64::tanh, UNIT, true, Rising, &[0.625, 9.01, 10.0], 0.5),
        function!(artanh_f32, |z| z.clamp(-1.0, 1.0).atanh(), ALL, true, Rising, &[0.5, 1.0], 0.0),
        function!(sin_f32, |a| a.clamp(-consts::FRAC_PI_2, consts::FRAC_PI_2).sin(), UNIT, true, Rising, &[FRAC_PI_2], 0.0),
        function!(asin_f32, |z| z.clamp(-1.0, 1.0).asin(), (-FRAC_PI_2, FRAC_PI_2), true, Rising, &[0.5, 1.0], 0.0),
        function!(tan_f32, |a| below_half_pi(a).tan(), (-13245402.0, 13245402.0), true, Rising, &[FRAC_PI_4, FRAC_PI_2], 0.0),
        function!(atan_f32, f64::atan, ARCTAN, true, Rising, &[1.0], 0.0),
        function!(scaled_arctan_f32, |x| x.atan() / consts::FRAC_PI_2, UNIT, true, Rising, &[1.0], 0.0),
        function!(scaled_arctan_inv_f32, scaled_arctan_inv, ALL, true, Rising, &[0.5, 1.0], 0.0),
        function!(sinh_f32, f64::sinh, ALL, true, Rising, &[1.0, 89.415985], 1.0),
        function!(asinh_f32, f64::asinh, (-89.41599, 89.41599), true, Rising, &[0.75, 4096.0], 0.0),
        function!(sigmoid_f32, sigmoid, (0.0, 1.0), false, Rising, &[-87.33655, 0.0, 17.0], 1.0),
        function!(logit_f32, logit, ALL, false, Rising, &[0.0, 0.25, 0.5, 0.75, 1.0], 0.0),
        function!(softplus_f32, |a| a.max(0.0) + (-a.abs()).exp().ln_1p(), (0.0, f32::MAX), false, Rising, &[-87.33655, -0.8813736, 0.0, 0.8813736], 1.0),
        function!(softplus_inv_f32, softplus_inv, ALL, false, Rising, &[0.0, 0.42, LN_2, 2.0], 0.0),
        function!(isru_f32, |a| a / a.hypot(1.0), UNIT, true, Rising, &[1048576.0], 0.0),
        function!(isru_inv_f32, |z| z / one_minus_square(z).sqrt(), ALL, true, Rising, &[1.0], 0.0),
        function!(tanh_slope, one_minus_square, (0.0, 1.0), false, Peak, &[1.0], 0.0),
        function!(sigmoid_slope, |z| z.clamp(0.0, 1.0) * (1.0 - z.clamp(0.0, 1.0)), (0.0, 0.25), false, Hump, &[0.0, 0.5, 1.0], 0.0),
        function!(softplus_slope, |z| -(-z.max(0.0)).exp_m1(), (0.0, 1.0), false, Rising, &[0.0], 1.0),
        function!(arctan_slope, |z| below_half_pi(z).cos().powi(2), (0.0, 1.0), false, Peak, &[FRAC_PI_4, FRAC_PI_2], 0.0),
        function!(scaled_arctan_slope, scaled_arctan_slope_exact, (0.0, 0.63661975), false, Peak, &[0.5, 1.0], 0.0),
        function!(sin_slope, |z| one_minus_square(z).sqrt(), (0.0, 1.0), false, Peak, &[1.0], 0.0),
        function!(isru_slope, |z| one_minus_square(z).powf(1.5), (0.0, 1.0), false, Peak, &[0.5, 1.0], 0.0),
        function!(arcsinh_slope, |z| z.cosh().recip(), (0.0, 1.0), false, Peak, &[88.02969], 1.0),
    ]
}

fn below_half_pi(a: f64) -> f64 {
    let end = f64::from(BELOW_FRAC_PI_2);
    a.clamp(-end, end)
}

fn one_minus_square(z: f64) -> f64 {
    let z = z.clamp(-1.0, 1.0);
    (1.0 - z) * (1.0 + z)
}

fn scaled_arctan_inv(z: f64) -> f64 {
    let a = z.abs().min(1.0);
    let y = if a > 0.5 {
        (consts::FRAC_PI_2 * (1.0 - a)).tan().recip()
    } else {
        (consts::FRAC_PI_2 * a).tan()
    };
    y.copysign(z)
}

fn scaled_arctan_slope_exact(z: f64) -> f64 {
    (consts::FRAC_PI_2 * (1.0 - z.abs().min(1.0))).sin().powi(2) / consts::FRAC_PI_2
}

fn sigmoid(a: f64) -> f64 {
    let e = (-a.abs()).exp();
    if a >= 0.0 {
        1.0 / (1.0 + e)
    } else {
        e / (1.0 + e)
    }
}

fn logit(z: f64) -> f64 {
    let z = z.clamp(0.0, 1.0);
    if (z - 0.5).abs() < 0.25 {
        2.0 * (2.0 * z - 1.0).atanh()
    } else {
        (z / (1.0 - z)).ln()
    }
}

fn softplus_inv(z: f64) -> f64 {
    let z = z.max(0.0);
    if z < 0.4 {
        z.exp_m1().ln()
    } else if z < 1.2 {
        (2.0 * (z - consts::LN_2 - LN_2_TAIL).exp_m1()).ln_1p()
    } else {
        z + (-(-z).exp()).ln_1p()
    }
}

/// The spacing of the `f32` around `y`.
pub fn spacing(y: f64) -> f64 {
    let exponent = (y.abs().to_bits() >> 52).max(1023 - 126);
    f64::from_bits((exponent - 23) << 52)
}

/// The number `steps` places above x, through zero and up to the infinities.
pub fn step(x: f32, steps: i32) -> f32 {
    let magnitude = (x.to_bits() & 0x7fff_ffff) as i32;
    let place = if x.is_sign_negative() {
        -magnitude
    } else {
        magnitude
    };
    let place = place.saturating_add(steps).clamp(-0x7f80_0000, 0x7f80_0000);
    let magnitude = f32::from_bits(place.unsigned_abs());
    if place < 0 { -magnitude } else { magnitude }
}

/// The density of the sampled arguments.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Of all numbers, one in `all` is sampled.
    pub all: usize,
    /// Of the numbers from 2⁻³⁰ to 2⁸, one in `usual` is sampled.
    pub usual: usize,
    /// The number of neighbours on either side of each special point.
    pub neighbours: i32,
    /// The number of arguments that approach a branch point from either side.
    pub approach: usize,
}

impl Sampling {
    /// Over 1,000,000 points for each function; for processors.
    pub const DENSE: Self = Self {
        all: 4099,
        usual: 401,
        neighbours: 500,
        approach: 100_000,
    };
    /// Over 65,536 points for each function; for adapters.
    pub const SPARSE: Self = Self {
        all: 65_521,
        usual: 4001,
        neighbours: 32,
        approach: 5000,
    };
}

impl Function {
    /// The half-integer multiples of ln 2 at which the method changes.
    pub fn octave_points(&self) -> Vec<f32> {
        let count = if self.octaves > 0.0 { 152 } else { 0 };
        (0..count)
            .map(|k| (k as f32 + 0.5) * LN_2 * self.octaves)
            .collect()
    }

    /// The neighbours of zero, of the smallest normal and the largest number, of 88, 1e3 and
    /// 3.4e38, and of each branch point; and arguments that approach a branch point from either
    /// side.
    fn special_points(&self, sampling: Sampling) -> Vec<f32> {
        let mut centres = vec![0.0, f32::MIN_POSITIVE, 88.0, 1e3, 3.4e38, f32::INFINITY];
        centres.extend(self.branches);
        centres.extend(self.octave_points());
        let neighbours = sampling.neighbours;
        let near = |&x: &f32| (-neighbours..=neighbours).map(move |i| step(x, i));
        let mut points: Vec<f32> = centres.iter().flat_map(near).collect();
        for branch in self.branches {
            let each = 30.0 / sampling.approach as f32;
            let approach = (0..sampling.approach).map(|i| 2f32.powf(-30.0 + i as f32 * each));
            points.extend(approach.flat_map(|distance| [branch - distance, branch + distance]));
        }
        points
    }

    /// A sample of all numbers, a denser sample of the usual ones, and the special points, each
    /// with both signs.
    pub fn points(&self, sampling: Sampling) -> impl ParallelIterator<Item = f32> + use<> {
        let bits = |from: u32, to: u32, each| {
            let bits = (from..to).into_par_iter().step_by(each);
            bits.map(f32::from_bits)
        };
        let all = bits(0, 0x7f80_0000, sampling.all);
        let usual = bits(0x3080_0000, 0x4380_0000, sampling.usual);
        let special = self.special_points(sampling).into_par_iter();
        all.chain(usual).chain(special).flat_map_iter(|x| [x, -x])
    }

    /// The error of `found` at x in ULP. It is infinite for NaN, for a result out of range, and for
    /// an odd function whose result at −x, `found_at_negative`, is not `-found`.
    pub fn error(&self, x: f32, found: f32, found_at_negative: f32) -> f64 {
        let (low, high) = self.range;
        let sign_is_kept = !self.odd || found_at_negative.to_bits() == (-found).to_bits();
        if !(low..=high).contains(&found) || !sign_is_kept {
            return f64::INFINITY;
        }
        let saturate = |y: f64| y.clamp(f64::from(-f32::MAX), f64::from(f32::MAX));
        let exact = saturate((self.exact)(saturate(f64::from(x))));
        if found == 0.0 && exact.abs() < f64::from(f32::MIN_POSITIVE) {
            return 0.0;
        }
        (f64::from(found) - exact).abs() / spacing(exact)
    }

    /// The widening of the bound, in ULP, for an adapter whose divisions and roots are only as
    /// exact as WGSL requires: the sum of the allowances of each in the function and in those it
    /// calls.
    pub fn allowance(&self, math: &Module) -> f64 {
        allowance(math, self.name)
    }
}

/// The error that WGSL allows the divisions and roots of the function called `name`, in ULP.
pub(super) fn allowance(module: &Module, name: &str) -> f64 {
    let named = |function: &&WgslFunction| function.name.as_deref() == Some(name);
    let mut functions = module.functions.iter().map(|(_, function)| function);
    let function = functions.find(named);
    function.map_or(0.0, |function| allowance_of(module, function))
}

fn allowance_of(module: &Module, function: &WgslFunction) -> f64 {
    let of = |expression: &Expression| match expression {
        Expression::Binary {
            op: BinaryOperator::Divide,
            ..
        } => DIVISION,
        Expression::Math {
            fun: MathFunction::Sqrt | MathFunction::InverseSqrt,
            ..
        } => ROOT,
        Expression::CallResult(callee) => allowance_of(module, &module.functions[*callee]),
        _ => 0.0,
    };
    function.expressions.iter().map(|(_, e)| of(e)).sum()
}

/// The largest error of a function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionRow {
    /// The function's name.
    pub name: &'static str,
    /// The number of arguments.
    pub points: usize,
    /// The largest error in ULP; infinite if a result is NaN, out of range or of a wrong sign.
    pub worst: f64,
    /// The argument of the largest error.
    pub at: f32,
    /// The adapter's result there.
    pub found: f32,
    /// The largest right error in ULP, where ÷ and √ are rounded correctly.
    pub bound: f64,
    /// The addition to the bound where ÷ and √ are only as exact as WGSL requires, in ULP.
    pub allowance: f64,
}

impl FunctionRow {
    /// Whether the error is within the bound and WGSL's allowance.
    pub fn passes(&self) -> bool {
        self.worst <= self.bound + self.allowance
    }
}

/// Computes each function on the adapter and compares it with the exact one.
///
/// # Errors
/// Errors of the adapter.
pub fn check(gpu: &mut Gpu) -> Result<Vec<FunctionRow>> {
    let math = naga::front::wgsl::parse_str(MATH.text).expect("math.wgsl is valid");
    let all = all();
    all.iter().map(|f| check_one(gpu, &math, f)).collect()
}

fn check_one(gpu: &mut Gpu, math: &Module, function: &Function) -> Result<FunctionRow> {
    // Pairs of x and −x. WGSL does not define results for infinities.
    let finite = function.points(Sampling::SPARSE).filter(|x| x.is_finite());
    let x: Vec<f32> = finite.collect();
    let mut run = Run::default();
    let input = run.input(&x);
    let output = run.output(x.len());
    run.op(apply_function(function.wgsl, x.len(), input, output));
    let found = run.read(gpu, &[output])?.remove(0);
    let error = |i: usize| {
        let (found, mirrored) = (found[i], found[i ^ 1]);
        let error = function.error(x[i], found, mirrored);
        if x[i].is_subnormal() {
            // The argument may have been flushed to zero.
            error.min(function.error(0f32.copysign(x[i]), found, mirrored))
        } else {
            error
        }
    };
    let worst = (0..x.len())
        .into_par_iter()
        .map(|i| (error(i), i))
        .reduce(|| (-1.0, 0), |a, b| if b.0 > a.0 { b } else { a });
    Ok(FunctionRow {
        name: function.name,
        points: x.len(),
        worst: worst.0,
        at: x[worst.1],
        found: found[worst.1],
        bound: BOUND,
        allowance: function.allowance(math),
    })
}

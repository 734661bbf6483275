//! Every function of `bregman::math` against `f64`: the worst error in units in the last place
//! (ULP) over millions of arguments, range, sign, order across branch points, NaN, round trips;
//! and the shader's twin of each, computed by hand from what naga reads, bit for bit the same.
//!
//! `cargo test --release --test math -- --nocapture` prints the table of errors, and with
//! `--ignored` the one over every `f32` there is (half an hour).

#![expect(clippy::print_stdout, reason = "the table is what --nocapture is for")]

use bregman::math::*;
use rayon::prelude::*;
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_4, LN_2, SQRT_2};
use std::f64::consts;

/// The largest `f32` below π/2.
const BELOW_FRAC_PI_2: f32 = coefficients::BELOW_FRAC_PI_2;
/// What ln 2 in `f64` lacks.
const LN_2_TAIL: f64 = 2.3190468138462996e-17;

/// How results are ordered.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Rising,
    /// Falling as |x| rises.
    Peak,
    /// Rising up to ½, then falling.
    Hump,
}
use Order::{Hump, Peak, Rising};

struct Case {
    name: &'static str,
    ours: fn(f32) -> f32,
    /// The exact function, continued past the ends of its domain as `bregman::math` has it.
    exact: fn(f64) -> f64,
    range: (f32, f32),
    odd: bool,
    order: Order,
    /// Where the domain ends, the result saturates or the method changes.
    branches: &'static [f32],
    /// The method changes also at the half-integer multiples of ln 2 times this, if it is not 0.
    octaves: f32,
}

/// The bound of every function here, in ULP.
const BOUND: f64 = 4.0;

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let case = |name, ours, exact, range, odd, order, branches, octaves| {
        Case { name, ours, exact, range, odd, order, branches, octaves }
    };
    const ALL: (f32, f32) = (-f32::MAX, f32::MAX);
    const UNIT: (f32, f32) = (-1.0, 1.0);
    const ARCTAN: (f32, f32) = (-BELOW_FRAC_PI_2, BELOW_FRAC_PI_2);
    vec![
        case("exp", exp_f32, f64::exp, (0.0, f32::MAX), false, Rising, &[-104.0, -87.33655, 88.72283], 1.0),
        case("expm1", expm1_f32, f64::exp_m1, (-1.0, f32::MAX), false, Rising, &[-18.0, 88.72283], 1.0),
        case("log", log_f32, |x| x.max(0.0).ln(), ALL, false, Rising, &[0.0, f32::MIN_POSITIVE, FRAC_1_SQRT_2, 1.0, SQRT_2], 0.0),
        case("log1p", log1p_f32, |x| x.max(-1.0).ln_1p(), ALL, false, Rising, &[-1.0, -0.29289323, 0.41421357, 1.8284271, 16777216.0], 0.0),
        case("tanh", tanh_f32, f64::tanh, UNIT, true, Rising, &[0.625, 9.01, 10.0], 0.5),
        case("artanh", artanh_f32, |z| z.clamp(-1.0, 1.0).atanh(), ALL, true, Rising, &[0.5, 1.0], 0.0),
        case("sin", sin_f32, |a| a.clamp(-consts::FRAC_PI_2, consts::FRAC_PI_2).sin(), UNIT, true, Rising, &[FRAC_PI_2], 0.0),
        case("asin", asin_f32, |z| z.clamp(-1.0, 1.0).asin(), (-FRAC_PI_2, FRAC_PI_2), true, Rising, &[0.5, 1.0], 0.0),
        case("tan", tan_f32, |a| below_half_pi(a).tan(), (-13245402.0, 13245402.0), true, Rising, &[FRAC_PI_4, FRAC_PI_2], 0.0),
        case("atan", atan_f32, f64::atan, ARCTAN, true, Rising, &[1.0], 0.0),
        case("scaled_arctan", scaled_arctan_f32, |x| x.atan() / consts::FRAC_PI_2, UNIT, true, Rising, &[1.0], 0.0),
        case("scaled_arctan_inv", scaled_arctan_inv_f32, scaled_arctan_inv, ALL, true, Rising, &[0.5, 1.0], 0.0),
        case("sinh", sinh_f32, f64::sinh, ALL, true, Rising, &[1.0, 89.415985], 1.0),
        case("asinh", asinh_f32, f64::asinh, (-89.41599, 89.41599), true, Rising, &[0.75, 4096.0], 0.0),
        case("sigmoid", sigmoid_f32, sigmoid, (0.0, 1.0), false, Rising, &[-87.33655, 0.0, 17.0], 1.0),
        case("logit", logit_f32, logit, ALL, false, Rising, &[0.0, 0.25, 0.5, 0.75, 1.0], 0.0),
        case("softplus", softplus_f32, |a| a.max(0.0) + (-a.abs()).exp().ln_1p(), (0.0, f32::MAX), false, Rising, &[-87.33655, -0.8813736, 0.0, 0.8813736], 1.0),
        case("softplus_inv", softplus_inv_f32, softplus_inv, ALL, false, Rising, &[0.0, 0.42, LN_2, 2.0], 0.0),
        case("isru", isru_f32, |a| a / a.hypot(1.0), UNIT, true, Rising, &[1048576.0], 0.0),
        case("isru_inv", isru_inv_f32, |z| z / one_minus_square(z).sqrt(), ALL, true, Rising, &[1.0], 0.0),
        case("tanh_slope", tanh_slope, one_minus_square, (0.0, 1.0), false, Peak, &[1.0], 0.0),
        case("sigmoid_slope", sigmoid_slope, |z| z.clamp(0.0, 1.0) * (1.0 - z.clamp(0.0, 1.0)), (0.0, 0.25), false, Hump, &[0.0, 0.5, 1.0], 0.0),
        case("softplus_slope", softplus_slope, |z| -(-z.max(0.0)).exp_m1(), (0.0, 1.0), false, Rising, &[0.0], 1.0),
        case("arctan_slope", arctan_slope, |z| below_half_pi(z).cos().powi(2), (0.0, 1.0), false, Peak, &[FRAC_PI_4, FRAC_PI_2], 0.0),
        case("scaled_arctan_slope", scaled_arctan_slope, scaled_arctan_slope_exact, (0.0, 0.63661975), false, Peak, &[0.5, 1.0], 0.0),
        case("sin_slope", sin_slope, |z| one_minus_square(z).sqrt(), (0.0, 1.0), false, Peak, &[1.0], 0.0),
        case("isru_slope", isru_slope, |z| one_minus_square(z).powf(1.5), (0.0, 1.0), false, Peak, &[0.5, 1.0], 0.0),
        case("arcsinh_slope", arcsinh_slope, |z| z.cosh().recip(), (0.0, 1.0), false, Peak, &[88.02969], 1.0),
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
fn spacing(y: f64) -> f64 {
    let exponent = (y.abs().to_bits() >> 52).max(1023 - 126);
    f64::from_bits((exponent - 23) << 52)
}

/// The error at x in ULP; infinite for NaN, and where range or sign are not what they must be.
fn error(case: &Case, x: f32) -> f64 {
    let ours = (case.ours)(x);
    let (low, high) = case.range;
    let sign_is_kept = !case.odd || (case.ours)(-x).to_bits() == (-ours).to_bits();
    if !(low..=high).contains(&ours) || !sign_is_kept {
        return f64::INFINITY;
    }
    let saturate = |y: f64| y.clamp(f64::from(-f32::MAX), f64::from(f32::MAX));
    let exact = saturate((case.exact)(saturate(f64::from(x))));
    if ours == 0.0 && exact.abs() < f64::from(f32::MIN_POSITIVE) {
        return 0.0;
    }
    (f64::from(ours) - exact).abs() / spacing(exact)
}

/// The number `steps` places above x, through zero and up to the infinities.
fn step(x: f32, steps: i32) -> f32 {
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

fn octaves(case: &Case) -> Vec<f32> {
    let count = if case.octaves > 0.0 { 152 } else { 0 };
    (0..count)
        .map(|k| (k as f32 + 0.5) * LN_2 * case.octaves)
        .collect()
}

/// The neighbours of zero, of the least normal and the largest number, of 88, 1e3 and 3.4e38, and
/// of every branch point; and what approaches a branch point from either side.
fn special_points(case: &Case) -> Vec<f32> {
    let mut centres = vec![0.0, f32::MIN_POSITIVE, 88.0, 1e3, 3.4e38, f32::INFINITY];
    centres.extend(case.branches);
    centres.extend(octaves(case));
    let near = |&x: &f32| (-500..=500).map(move |i| step(x, i));
    let mut points: Vec<f32> = centres.iter().flat_map(near).collect();
    for branch in case.branches {
        let approach = (0..100_000).map(|i| 2f32.powf(-30.0 + i as f32 * 3e-4));
        points.extend(approach.flat_map(|distance| [branch - distance, branch + distance]));
    }
    points
}

/// A sample of all numbers, a denser one of those from 2⁻³⁰ to 2⁸, and the special points; of
/// either sign.
fn points(case: &Case) -> impl ParallelIterator<Item = f32> {
    let all = (0..0x7f80_0000u32)
        .into_par_iter()
        .step_by(4099)
        .map(f32::from_bits);
    let usual = (0x3080_0000..0x4380_0000u32)
        .into_par_iter()
        .step_by(401)
        .map(f32::from_bits);
    let special = special_points(case).into_par_iter();
    all.chain(usual).chain(special).flat_map_iter(|x| [x, -x])
}

/// The worst of what was found at some arguments, and where.
#[derive(Clone, Copy)]
struct Worst {
    count: usize,
    error: f64,
    at: f32,
}

fn worst(points: impl ParallelIterator<Item = f32>, error: impl Fn(f32) -> f64 + Sync) -> Worst {
    let none = || Worst {
        count: 0,
        error: -1.0,
        at: 0.0,
    };
    points
        .map(|x| Worst {
            count: 1,
            error: error(x),
            at: x,
        })
        .reduce(none, |a, b| Worst {
            count: a.count + b.count,
            ..if b.error > a.error { b } else { a }
        })
}

fn check_worst(case: &Case, worst: Worst) {
    let Worst { count, error, at } = worst;
    println!(
        "{:20} {count:10} points   {error:6.3} ULP at {at:?}",
        case.name
    );
    let (ours, exact) = ((case.ours)(at), (case.exact)(f64::from(at)));
    assert!(
        error <= BOUND,
        "{}({at:?}) = {ours:?}, not {exact:?}",
        case.name
    );
}

#[test]
fn worst_errors() {
    for case in cases() {
        let worst = worst(points(&case), |x| error(&case, x));
        assert!(worst.count >= 1_000_000);
        check_worst(&case, worst);
    }
}

/// The bounds that `src/math.rs` states.
#[test]
#[ignore = "every f32 there is, for every function: half an hour"]
fn worst_errors_over_all_arguments() {
    for case in cases() {
        let numbers = (0..=0x7f80_0000u32).into_par_iter().map(f32::from_bits);
        let worst = if case.odd {
            worst(numbers, |x| error(&case, x))
        } else {
            worst(numbers.flat_map_iter(|x| [x, -x]), |x| error(&case, x))
        };
        check_worst(&case, worst);
    }
}

#[test]
fn nan_stays_nan() {
    for case in cases() {
        for bits in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff] {
            assert!(
                (case.ours)(f32::from_bits(bits)).is_nan(),
                "{} of {bits:#x}",
                case.name
            );
        }
    }
}

/// What lies past a branch point is never on the wrong side of what lies before it: at the point
/// itself, and among the 64 numbers on either side of where exp's octaves meet. Three
/// are sums or quotients whose own rounding makes neighbours waver, there as anywhere.
#[test]
fn order_holds_across_branch_points() {
    for case in cases() {
        let wavers = match case.name {
            "sigmoid" | "softplus" => 1.0,
            "arcsinh_slope" => 2.0,
            _ => 0.0,
        };
        let check = |x: f32, allowed: f64| {
            let (f, g) = ((case.ours)(x), (case.ours)(step(x, 1)));
            let falling = match case.order {
                Rising => false,
                Peak => x >= 0.0,
                Hump => x >= 0.5,
            };
            let (lower, upper) = if falling { (g, f) } else { (f, g) };
            let back = (f64::from(lower) - f64::from(upper)) / spacing(f64::from(f));
            assert!(
                back <= allowed,
                "{} turns back by {back} ULP at {x:?}",
                case.name
            );
        };
        for &branch in case.branches {
            for x in [branch, -branch] {
                check(step(x, -1), 0.0);
                check(x, 0.0);
            }
        }
        for octave in octaves(&case) {
            for i in -64..64 {
                check(step(octave, i), wavers);
                check(step(-octave, i), wavers);
            }
        }
    }
}

/// ρ(ρ⁻¹(z)) = z to 4 + (½ + u) κ ULP over the domain to which the executors clamp z, with u the
/// bound of ρ⁻¹, found here, and κ = |a| h(z) / |z| its condition number.
#[test]
fn round_trips() {
    let one = 1.0 - 0.5 * f32::EPSILON;
    let least = f32::MIN_POSITIVE;
    type Slope = fn(f32) -> f32;
    let activations: [(&str, &str, Slope, f32, f32); 8] = [
        ("isru", "isru_inv", isru_slope, -one, one),
        ("sigmoid", "logit", sigmoid_slope, least, one),
        ("softplus", "softplus_inv", softplus_slope, least, f32::MAX),
        (
            "atan",
            "tan",
            arctan_slope,
            -BELOW_FRAC_PI_2,
            BELOW_FRAC_PI_2,
        ),
        (
            "scaled_arctan",
            "scaled_arctan_inv",
            scaled_arctan_slope,
            -one,
            one,
        ),
        ("tanh", "artanh", tanh_slope, -one, one),
        ("sin", "asin", sin_slope, -one, one),
        ("asinh", "sinh", arcsinh_slope, -89.0, 89.0),
    ];
    let cases = cases();
    let named = |name: &str| {
        cases
            .iter()
            .find(|case| case.name == name)
            .expect("it is a case")
    };
    for (name, inverse, slope, low, high) in activations {
        let (rho, inverse) = (named(name), named(inverse));
        let u = worst(points(inverse), |x| error(inverse, x)).error;
        let domain = || {
            points(inverse)
                .map(|x| x.clamp(low, high))
                .filter(|z| z.abs() >= least)
        };
        let round_trip = |z: f32| {
            let a = (inverse.ours)(z);
            let y = (rho.ours)(a);
            // ρ⁻¹(2⁻¹²⁶) may be rounded to where ρ is smaller, and flushed.
            if y == 0.0 && (rho.exact)(f64::from(a)) < f64::from(least) {
                return 0.0;
            }
            (f64::from(y) - f64::from(z)).abs() / spacing(f64::from(z))
        };
        let excess = |z: f32| {
            let condition = f64::from((inverse.ours)(z).abs() * slope(z)) / f64::from(z.abs());
            round_trip(z) - (BOUND + (0.5 + u) * condition)
        };
        let furthest = worst(domain(), round_trip);
        println!(
            "{name:14} round trip {:7.3} ULP at {:?}",
            furthest.error, furthest.at
        );
        let exceeding = worst(domain(), excess);
        assert!(exceeding.error <= 0.0, "{name}: {:?}", exceeding.at);
    }
}

/// `shaders/math.wgsl` as naga reads it, computed in the order in which it is written.
mod shader {
    use naga::{BinaryOperator, Expression, Function, Handle, Literal, MathFunction, Statement};

    #[derive(Clone, Copy, PartialEq)]
    enum Value {
        F32(f32),
        I32(i32),
        U32(u32),
        Bool(bool),
    }
    use Value::{Bool, F32, I32, U32};

    pub struct Shader(naga::Module);

    impl Shader {
        pub fn read() -> Self {
            let source = include_str!("../shaders/math.wgsl");
            Self(naga::front::wgsl::parse_str(source).expect("math.wgsl is valid"))
        }

        /// The function of this name, at x.
        pub fn call(&self, name: &str, x: f32) -> f32 {
            let named = |f: &&Function| f.name.as_deref() == Some(name);
            let function = self
                .0
                .functions
                .iter()
                .map(|(_, f)| f)
                .find(named)
                .expect(name);
            match self.run(function, &[F32(x)]) {
                F32(y) => y,
                _ => panic!("{name} returns f32"),
            }
        }

        fn run(&self, function: &Function, arguments: &[Value]) -> Value {
            let mut frame = Frame {
                shader: self,
                function,
                arguments,
                known: vec![None; function.expressions.len()],
            };
            for statement in &function.body {
                match statement {
                    Statement::Emit(range) => {
                        for expression in range.clone() {
                            frame.known[expression.index()] = Some(frame.value(expression));
                        }
                    }
                    Statement::Call {
                        function: callee,
                        arguments,
                        result,
                    } => {
                        let arguments: Vec<Value> =
                            arguments.iter().map(|&a| frame.value(a)).collect();
                        let result = result.expect("every function here returns a value");
                        let value = self.run(&self.0.functions[*callee], &arguments);
                        frame.known[result.index()] = Some(value);
                    }
                    Statement::Return { value } => {
                        return frame.value(value.expect("every function here returns a value"));
                    }
                    other => panic!("math.wgsl has no {other:?}"),
                }
            }
            panic!("every function here returns");
        }
    }

    struct Frame<'a> {
        shader: &'a Shader,
        function: &'a Function,
        arguments: &'a [Value],
        known: Vec<Option<Value>>,
    }

    impl Frame<'_> {
        fn value(&self, handle: Handle<Expression>) -> Value {
            if let Some(value) = self.known[handle.index()] {
                return value;
            }
            match self.function.expressions[handle] {
                Expression::Literal(literal) => constant(literal),
                Expression::Constant(handle) => {
                    let module = &self.shader.0;
                    match module.global_expressions[module.constants[handle].init] {
                        Expression::Literal(literal) => constant(literal),
                        ref other => panic!("math.wgsl has no {other:?}"),
                    }
                }
                Expression::FunctionArgument(i) => self.arguments[i as usize],
                Expression::Unary { op, expr } => match (op, self.value(expr)) {
                    (naga::UnaryOperator::Negate, F32(x)) => F32(-x),
                    (naga::UnaryOperator::Negate, I32(x)) => I32(x.wrapping_neg()),
                    (naga::UnaryOperator::LogicalNot, Bool(x)) => Bool(!x),
                    _ => panic!("math.wgsl has no {op:?} of this"),
                },
                Expression::Binary { op, left, right } => {
                    binary(op, self.value(left), self.value(right))
                }
                Expression::Select {
                    condition,
                    accept,
                    reject,
                } => match self.value(condition) {
                    Bool(true) => self.value(accept),
                    Bool(false) => self.value(reject),
                    _ => panic!("a condition is a bool"),
                },
                Expression::As {
                    expr,
                    kind,
                    convert,
                } => {
                    let bits = match self.value(expr) {
                        I32(x) if convert.is_some() && kind == naga::ScalarKind::Float => {
                            return F32(x as f32);
                        }
                        F32(x) => x.to_bits(),
                        I32(x) => x as u32,
                        U32(x) => x,
                        Bool(_) => panic!("a bool has no bits"),
                    };
                    assert_eq!(convert, None);
                    match kind {
                        naga::ScalarKind::Float => F32(f32::from_bits(bits)),
                        naga::ScalarKind::Sint => I32(bits as i32),
                        naga::ScalarKind::Uint => U32(bits),
                        _ => panic!("math.wgsl has no {kind:?}"),
                    }
                }
                Expression::Math { fun, arg, .. } => match (fun, self.value(arg)) {
                    (MathFunction::Abs, F32(x)) => F32(x.abs()),
                    (MathFunction::Sqrt, F32(x)) => F32(x.sqrt()),
                    _ => panic!("math.wgsl calls no {fun:?}"),
                },
                ref other => panic!("math.wgsl has no {other:?}"),
            }
        }
    }

    fn constant(literal: Literal) -> Value {
        match literal {
            Literal::F32(x) => F32(x),
            Literal::I32(x) => I32(x),
            Literal::U32(x) => U32(x),
            Literal::Bool(x) => Bool(x),
            other => panic!("math.wgsl has no {other:?}"),
        }
    }

    fn binary(op: BinaryOperator, left: Value, right: Value) -> Value {
        use BinaryOperator as Op;
        match (op, left, right) {
            (Op::Add, F32(x), F32(y)) => F32(x + y),
            (Op::Subtract, F32(x), F32(y)) => F32(x - y),
            (Op::Multiply, F32(x), F32(y)) => F32(x * y),
            (Op::Divide, F32(x), F32(y)) => F32(x / y),
            (Op::Less, F32(x), F32(y)) => Bool(x < y),
            (Op::LessEqual, F32(x), F32(y)) => Bool(x <= y),
            (Op::Greater, F32(x), F32(y)) => Bool(x > y),
            (Op::GreaterEqual, F32(x), F32(y)) => Bool(x >= y),
            (Op::Add, I32(x), I32(y)) => I32(x.wrapping_add(y)),
            (Op::Subtract, I32(x), I32(y)) => I32(x.wrapping_sub(y)),
            (Op::And, I32(x), I32(y)) => I32(x & y),
            (Op::And, U32(x), U32(y)) => U32(x & y),
            (Op::InclusiveOr, U32(x), U32(y)) => U32(x | y),
            (Op::ShiftLeft, I32(x), U32(y)) => I32(x << y),
            (Op::ShiftRight, I32(x), U32(y)) => I32(x >> y),
            (Op::ShiftRight, U32(x), U32(y)) => U32(x >> y),
            (Op::Equal, I32(x), I32(y)) => Bool(x == y),
            (Op::Greater, I32(x), I32(y)) => Bool(x > y),
            (Op::GreaterEqual, I32(x), I32(y)) => Bool(x >= y),
            (Op::And | Op::LogicalAnd, Bool(x), Bool(y)) => Bool(x & y),
            _ => panic!("math.wgsl has no {op:?} of these"),
        }
    }
}

#[test]
fn shader_is_the_twin() {
    let shader = shader::Shader::read();
    for case in cases() {
        let name = match case.name.ends_with("_slope") {
            true => case.name.to_string(),
            false => format!("{}_f32", case.name),
        };
        // One argument in thirty: following the shader by hand is slow.
        let some = points(&case).filter(|x| x.to_bits() % 61 < 2);
        let other = some.map(|x| (x, (case.ours)(x), shader.call(&name, x)));
        let other = other.find_any(|(_, ours, theirs)| ours.to_bits() != theirs.to_bits());
        assert_eq!(other, None, "{name}: argument, here, in the shader");
        assert!(shader.call(&name, f32::NAN).is_nan(), "{name}(NaN)");
    }
}

//! Every function of `bregman::math` compared with `f64`: the worst error in units in the last place
//! (ULP) over millions of arguments, range, sign, order across branch points, NaN, round trips;
//! and its twin in the shader, computed by an interpreter of naga's tree, to the bit.
//!
//! `cargo test --release --test math -- --nocapture` prints the table of errors, and with
//! `--ignored` the table over every `f32` (half an hour).

#![expect(clippy::print_stdout, reason = "the table is what --nocapture is for")]

use bregman::math::coefficients::BELOW_FRAC_PI_2;
use bregman::math::*;
use bregman::selftest::functions::Order::{Hump, Peak, Rising};
use bregman::selftest::functions::{BOUND, Function, Sampling, all, spacing, step};
use rayon::prelude::*;

fn points(case: &Function) -> impl ParallelIterator<Item = f32> + use<> {
    case.points(Sampling::DENSE)
}

/// The error at x in ULP.
fn error(case: &Function, x: f32) -> f64 {
    case.error(x, (case.ours)(x), (case.ours)(-x))
}

/// The worst error at some arguments, and where it was found.
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

fn check_worst(case: &Function, worst: Worst) {
    let Worst { count, error, at } = worst;
    println!(
        "{:22} {count:10} points   {error:6.3} ULP at {at:?}",
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
    for case in all() {
        let worst = worst(points(&case), |x| error(&case, x));
        assert!(worst.count >= 1_000_000);
        check_worst(&case, worst);
    }
}

/// [`BOUND`] holds over all arguments.
#[test]
#[ignore = "every f32 there is, for every function: half an hour"]
fn worst_errors_over_all_arguments() {
    for case in all() {
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
    for case in all() {
        for bits in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff] {
            assert!(
                (case.ours)(f32::from_bits(bits)).is_nan(),
                "{} of {bits:#x}",
                case.name
            );
        }
    }
}

/// Results keep their order across a branch point: at the point itself, and among the 64 numbers on
/// either side of the ends of the octaves of exp. Three functions are sums or quotients whose own
/// rounding can exchange neighbours, there as elsewhere.
#[test]
fn order_holds_across_branch_points() {
    for case in all() {
        let wavers = match case.name {
            "sigmoid_f32" | "softplus_f32" => 1.0,
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
        for octave in case.octave_points() {
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
    let cases = all();
    let named = |name: &str| {
        cases
            .iter()
            .find(|case| case.name.trim_end_matches("_f32") == name)
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

/// `shaders/lib/math.wgsl` as naga reads it, computed in the order in which it is written.
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
            let source = include_str!("../shaders/lib/math.wgsl");
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
    for case in all() {
        let name = case.name;
        // One argument in thirty: following the shader by hand is slow.
        let some = points(&case).filter(|x| x.to_bits() % 61 < 2);
        let other = some.map(|x| (x, (case.ours)(x), shader.call(name, x)));
        let other = other.find_any(|(_, ours, theirs)| ours.to_bits() != theirs.to_bits());
        assert_eq!(other, None, "{name}: argument, here, in the shader");
        assert!(shader.call(name, f32::NAN).is_nan(), "{name}(NaN)");
    }
}

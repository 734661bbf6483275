//! The properties of every activation in both precisions: the f64 functions of the reference and,
//! through the loops that the CPU executor runs, the f32 functions.
//!
//! The bounds of the f32 functions over all their arguments are in `tests/math.rs`.

use std::fs;
use std::path::Path;

use bregman::activation::Activation;
use bregman::kernels::Isa;
use bregman::selftest::functions;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

type Function = Box<dyn Fn(&[f64]) -> Vec<f64>>;

/// One precision of an activation, elementwise on slices; f32 values are widened, exactly.
struct Side {
    name: String,
    activation: &'static Activation,
    rho: Function,
    rho_inv: Function,
    rho_slope: Function,
    epsilon: f64,
    /// The smallest normal number, and the largest.
    least: f64,
    max: f64,
}

fn wide(f: fn(f64) -> f64) -> Function {
    Box::new(move |x| x.iter().map(|&x| f(x)).collect())
}

fn narrow(f: fn(&mut [f32], &[f32])) -> Function {
    Box::new(move |x| {
        let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let mut y = vec![0.0; x.len()];
        f(&mut y, &x);
        y.into_iter().map(f64::from).collect()
    })
}

fn sides() -> impl Iterator<Item = Side> {
    Activation::ALL.iter().flat_map(|activation| {
        let f64_side = Side {
            name: format!("{} in f64", activation.name),
            activation,
            rho: wide(activation.rho),
            rho_inv: wide(activation.rho_inv),
            rho_slope: wide(activation.rho_slope),
            epsilon: f64::EPSILON,
            least: f64::MIN_POSITIVE,
            max: f64::MAX,
        };
        let f32_sides = Isa::all().into_iter().map(|isa| {
            let loops = activation.loops.dense(isa);
            Side {
                name: format!("{} in f32, {}", activation.name, isa.name()),
                activation,
                rho: narrow(loops.rho),
                rho_inv: narrow(loops.rho_inv),
                rho_slope: narrow(loops.rho_slope),
                epsilon: f64::from(f32::EPSILON),
                least: f64::from(f32::MIN_POSITIVE),
                max: f64::from(f32::MAX),
            }
        });
        std::iter::once(f64_side)
            .chain(f32_sides)
            .collect::<Vec<_>>()
    })
}

impl Side {
    /// The spacing of numbers around y.
    fn spacing(&self, y: f64) -> f64 {
        let power = f64::from_bits(y.abs().to_bits() >> 52 << 52);
        power.max(self.least) * self.epsilon
    }

    /// Increasing from −max to max: f32 numbers of every magnitude, including subnormals and both
    /// zeros, more of them up to ±100, and the extremes of this precision.
    fn grid(&self) -> Vec<f64> {
        let magnitudes = (0..=0x7f7f_ffff_u32).step_by(0x1_7fff).map(f32::from_bits);
        let usual = (0..20_000).map(|i| i as f32 * 0.005);
        let special = [1.0, 1e-38, f32::MIN_POSITIVE, 3.4e38, f32::MAX];
        let magnitudes = magnitudes.chain(usual).chain(special).map(f64::from);
        let mut grid: Vec<f64> = magnitudes
            .chain([self.max, self.least * self.epsilon])
            .flat_map(|x| [x, -x])
            .collect();
        grid.sort_by(f64::total_cmp);
        grid
    }

    /// The part of the grid within the clamp, and numbers that approach its ends; f32 numbers.
    fn domain(&self) -> Vec<f64> {
        let [low, high] = self.activation.clamp;
        let approach = (1..=24).map(|k| 1.0 - 2f32.powi(-k));
        let ends = approach.chain([1.0]).flat_map(|f| [low * f, high * f]);
        let grid = self.grid().into_iter().map(|x| x as f32);
        grid.chain(ends)
            .filter(|z| (low..=high).contains(z))
            .map(f64::from)
            .collect()
    }

    /// The ends of the range, rounded into it.
    fn ends(&self) -> [f64; 2] {
        self.activation.range.map(|end| {
            let rounded = (end as f32).abs();
            if self.epsilon == f64::EPSILON {
                end
            } else if f64::from(rounded) > end.abs() {
                f64::from(rounded.next_down()).copysign(end)
            } else {
                f64::from(rounded).copysign(end)
            }
        })
    }

    fn is_odd(&self) -> bool {
        let [low, high] = self.activation.range;
        low == -high
    }
}

/// An activation is a const with its float32 functions, functions in `math` on both sides that are
/// tested, a WGSL file, and an entry in each list below. This names what a new one still lacks.
#[test]
fn every_activation_is_in_every_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let tested = functions::all();
    let readme = read("README.md");
    let row = readme
        .lines()
        .find(|line| line.starts_with("| activations |"));
    let row = row.expect("a row of activations in README.md");
    let onnx = read("src/onnx.rs");
    let mut missing = Vec::new();
    let mut check = |there: bool, place: String| {
        if !there {
            missing.push(place);
        }
    };
    for activation in Activation::ALL {
        let name = activation.name;
        let word = name.replace('-', "_");
        let wgsl = format!("shaders/activation/{word}.wgsl");
        check(
            root.join(&wgsl).exists() && read(&wgsl) == activation.wgsl,
            wgsl,
        );
        for called in activation.wgsl.split('(') {
            let apart = |c: char| !c.is_alphanumeric() && c != '_';
            let called = called.rsplit(apart).next().unwrap_or_default();
            let is_ours = called.ends_with("_f32") || called.ends_with("_slope");
            if is_ours && called != "rho_slope" {
                let known = tested.iter().any(|function| function.name == called);
                check(known, format!("{called} in selftest::functions::all"));
            }
        }
        // One arm for ρ, one for ρ⁻¹.
        let arms = onnx.matches(&format!("\"{name}\" =>")).count();
        check(arms == 2, format!("{name} in src/onnx.rs"));
        for list in ["src/python/bregman/pytorch.py", "tests/forward.py"] {
            let entry = format!("\"{name}\": (");
            check(read(list).contains(&entry), format!("{name} in {list}"));
        }
        let listed = row.split([' ', ',']).any(|word| word == name);
        check(listed, format!("{name} in README.md"));
    }
    // A const that is not in Activation::ALL would be in no test.
    let source = read("src/activation.rs");
    for definition in source.split("pub const ").skip(1) {
        if let Some((word, _)) = definition.split_once(": Activation =") {
            let name = word.to_lowercase().replace('_', "-");
            let listed = Activation::ALL
                .iter()
                .any(|activation| activation.name == name);
            check(listed, format!("{word} in Activation::ALL"));
        }
    }
    assert!(missing.is_empty(), "missing: {}", missing.join(", "));
}

#[test]
fn intervals_nest() {
    for activation in Activation::ALL {
        let name = activation.name;
        let [low, high] = activation.range;
        let [clamp_low, clamp_high] = activation.clamp;
        let [input_low, input_high] = activation.input_range;
        assert!(
            low <= f64::from(clamp_low) && f64::from(clamp_high) <= high,
            "{name}"
        );
        assert!(clamp_low <= input_low && input_low < input_high, "{name}");
        assert!(input_high <= clamp_high, "{name}");
        assert_eq!(Activation::by_name(name).expect(name).name, name);
    }
}

/// ρ(ρ⁻¹(z)) = z to 4 + (½ + u) κ ULP: 4 for ρ; u = 4 for ρ⁻¹ and ½ for its rounding, times its
/// condition number κ = |a| h(z) / |z|.
#[test]
fn round_trip() {
    for side in sides() {
        let z = side.domain();
        let a = (side.rho_inv)(&z);
        let back = (side.rho)(&a);
        for ((&z, &a), &back) in z.iter().zip(&a).zip(&back) {
            let slope = (side.activation.rho_slope)(z);
            let kappa = if a == 0.0 {
                0.0
            } else {
                a.abs() * slope / z.abs()
            };
            let bound = (4.0 + (0.5 + 4.0) * kappa) * side.spacing(z);
            // Where ρ is below the least normal number, f32 may flush it.
            let flushed = back == 0.0 && (side.activation.rho)(a).abs() < side.least;
            assert!(
                (back - z).abs() <= bound || flushed,
                "{}: ρ(ρ⁻¹({z:e})) = ρ({a:e}) = {back:e}, expected within {bound:e}",
                side.name
            );
        }
    }
}

/// Both precisions agree to 4 ULP of f32, and one more for f64, which cancels near a = 0.
#[test]
fn twins_agree() {
    let (wide, narrow): (Vec<Side>, Vec<Side>) =
        sides().partition(|side| side.epsilon == f64::EPSILON);
    let same = |narrow: &Side, wide: &&Side| narrow.activation.name == wide.activation.name;
    for narrow in &narrow {
        let wide = wide.iter().find(|wide| same(narrow, wide));
        let wide = wide.expect("a side in f64");
        let compare = |what, x: &[f64], expected: &Function, found: &Function| {
            for ((x, expected), found) in x.iter().zip(expected(x)).zip(found(x)) {
                let flushed = found == 0.0 && expected.abs() < narrow.least;
                let ulps = (found - expected).abs() / narrow.spacing(expected);
                assert!(
                    ulps <= 5.0 || flushed,
                    "{}: {what}({x:e}) = {found:e}, expected {expected:e}, off by {ulps} ULP",
                    narrow.name
                );
            }
        };
        compare("ρ", &narrow.grid(), &wide.rho, &narrow.rho);
        let z = narrow.domain();
        compare("ρ⁻¹", &z, &wide.rho_inv, &narrow.rho_inv);
        compare("h", &z, &wide.rho_slope, &narrow.rho_slope);
    }
}

/// h(ρ(a)) is the central difference of ρ with step e = ε^⅓, which is off by e²|ρ‴|/6, |ρ‴| ≤ 3,
/// and by some roundings of ρ over e: together a few ε^⅔ (1 + |ρ|). And 1/σ is the largest slope.
#[test]
fn slope_is_the_derivative() {
    let step = f64::EPSILON.cbrt();
    for activation in Activation::ALL {
        let rho = activation.rho;
        let mut steepest: f64 = 0.0;
        for a in (-20_000..=20_000).map(|i| f64::from(i) * 1e-3) {
            let slope = (activation.rho_slope)(rho(a));
            steepest = steepest.max(slope);
            // ρ has a kink where a is limited.
            if (a.abs() - f64::from(activation.dual_max)).abs() < 2.0 * step {
                continue;
            }
            let quotient = (rho(a + step) - rho(a - step)) / (2.0 * step);
            let tolerance = 4.0 * step * step * (1.0 + rho(a).abs());
            assert!(
                (slope - quotient).abs() <= tolerance,
                "{}: h(ρ({a})) = {slope:e}, the difference quotient is {quotient:e}, \
                 expected within {tolerance:e}",
                activation.name
            );
        }
        // softplus only tends to it.
        let distance = (steepest * activation.sigma - 1.0).abs();
        assert!(
            distance < 1e-8,
            "{}: σ is not 1/{steepest}",
            activation.name
        );
    }
}

/// φ′ = ρ⁻¹ by the central difference of step e, and φ″ = 1/h by the second difference: off by the
/// Taylor remainders, e²|φ‴|/6 and e²|φ⁗|/12, and by some roundings of φ over e and e². Where φ
/// curves fast the step shrinks with the scale h/|h′| on which 1/h changes.
#[test]
fn phi_is_the_integral_of_the_inverse() {
    for activation in Activation::ALL {
        let [low, high] = activation.range.map(|end| end.clamp(-6.0, 6.0));
        let h = activation.rho_slope;
        let mut worst = [0.0f64; 2];
        for k in 1..2_000 {
            let t = low + (high - low) * f64::from(k) / 2_000.0;
            let phi = activation.phi;
            let margin = (t - low).min(high - t);
            let step = 1e-4 * margin.min(1.0);
            let first = (phi(t + step) - phi(t - step)) / (2.0 * step);
            let second = (phi(t + step) - 2.0 * phi(t) + phi(t - step)) / (step * step);
            let rounding = 4.0 * f64::EPSILON * (phi(t).abs() + 1.0);
            // 1/h is at worst (margin)⁻²: two derivatives more cost two powers of the margin.
            let curvature = 1.0 / h(t);
            let remainder = 10.0 * (step / margin.min(1.0)).powi(2) * curvature;
            let off = (first - (activation.rho_inv)(t)).abs();
            let bound = rounding / step + remainder * margin.min(1.0);
            worst[0] = worst[0].max(off / bound);
            let off = (second - curvature).abs();
            let bound = 4.0 * rounding / (step * step) + remainder;
            worst[1] = worst[1].max(off / bound);
        }
        let name = activation.name;
        assert!(worst[0] < 1.0, "{name}: φ′ is off by {} bounds", worst[0]);
        assert!(worst[1] < 1.0, "{name}: φ″ is off by {} bounds", worst[1]);
    }
}

/// What φ is known to be: Li₂(1) = π²/6, the entropies' limits at the ends of their ranges.
#[test]
fn phi_has_its_limits_at_the_ends() {
    let [zero, half] = [0.0, 0.5].map(Activation::by_name("softplus").expect("softplus").phi);
    let pi_squared = std::f64::consts::PI.powi(2);
    assert!((zero - pi_squared / 6.0).abs() < 1e-15);
    // Li₂(e^{−½}) to 20 digits, by its integral.
    assert!(
        (half - 0.125 - 0.737_594_423_669_329_4).abs() < 1e-15,
        "{}",
        half - 0.125
    );
    let ends = |name| {
        Activation::by_name(name)
            .expect(name)
            .range
            .map(Activation::by_name(name).expect(name).phi)
    };
    assert_eq!(ends("sigmoid"), [0.0; 2]);
    assert_eq!(ends("tanh"), [std::f64::consts::LN_2; 2]);
    assert_eq!(ends("isru"), [-0.0; 2]);
    assert_eq!(ends("scaled-arctan"), [f64::INFINITY; 2]);
}

/// ρ of any finite number is in the range, never decreases, and reaches the ends of the range for
/// large arguments.
///
/// Exceptions are the last bit of the C library in f64, and isru in f32: near 1 each of its three
/// roundings changes the result by up to 1 ULP in either direction.
#[test]
fn rho_rises_within_its_range_and_saturates() {
    for side in sides() {
        let [low, high] = side.ends();
        let wavers = match side.name.as_str() {
            name if name.starts_with("isru in f32") => 6.0,
            _ if side.epsilon == f64::EPSILON => 1.0,
            _ => 0.0,
        };
        let a = side.grid();
        let z = (side.rho)(&a);
        for (a, z) in a.iter().zip(&z) {
            assert!((low..=high).contains(z), "{}: ρ({a:e}) = {z:e}", side.name);
        }
        for (a, z) in a.windows(2).zip(z.windows(2)) {
            assert!(
                z[0] - z[1] <= wavers * side.spacing(z[0]),
                "{}: ρ falls from {:e} at {:e} to {:e} at {:e}",
                side.name,
                z[0],
                a[0],
                z[1],
                a[1]
            );
        }
        let reached = [z[0], z[z.len() - 1]];
        for (end, reached) in [low, high].into_iter().zip(reached) {
            if end.is_finite() {
                assert_eq!(reached, end, "{}: far out", side.name);
            } else {
                assert!(reached.abs() > 88.0, "{}: {reached:e} far out", side.name);
            }
        }
    }
}

/// In f32, infinite arguments count as large ones, by the conventions of `bregman::math`.
#[test]
fn infinities_saturate() {
    for side in sides().filter(|side| side.epsilon != f64::EPSILON) {
        let far = (side.rho)(&[-side.max, side.max]);
        let beyond = (side.rho)(&[f64::NEG_INFINITY, f64::INFINITY]);
        // The identity returns them.
        if side.activation.name == "identity" {
            assert_eq!(beyond, [f64::NEG_INFINITY, f64::INFINITY]);
        } else {
            assert_eq!(beyond, far, "{}", side.name);
        }
    }
}

/// Within the clamp ρ⁻¹ and 1/h are finite.
#[test]
fn inverse_is_finite_within_the_clamp() {
    for side in sides() {
        let z = side.domain();
        let a = (side.rho_inv)(&z);
        let h = (side.rho_slope)(&z);
        for ((z, a), h) in z.iter().zip(a).zip(h) {
            assert!(a.abs() <= side.max, "{}: ρ⁻¹({z:e}) = {a:e}", side.name);
            assert!(
                h > 0.0 && h.recip() <= side.max,
                "{}: h({z:e}) = {h:e}",
                side.name
            );
        }
    }
}

/// NaN stays NaN, so that a diverged run stays visible.
#[test]
fn nan_stays_nan() {
    for side in sides() {
        assert!((side.rho)(&[f64::NAN])[0].is_nan(), "{}", side.name);
        assert!((side.rho_inv)(&[f64::NAN])[0].is_nan(), "{}", side.name);
        // The identity's slope is 1 everywhere.
        let slope = (side.rho_slope)(&[f64::NAN])[0];
        assert!(
            slope.is_nan() || side.activation.name == "identity",
            "{}",
            side.name
        );
    }
}

/// With a symmetric range ρ and ρ⁻¹ are odd and h is even, to the bit, signed zeros included.
#[test]
fn odd_functions_are_exactly_odd() {
    let odd: Vec<Side> = sides().filter(Side::is_odd).collect();
    let all_but_sigmoid_and_softplus = (Activation::ALL.len() - 2) * (1 + Isa::all().len());
    assert_eq!(odd.len(), all_but_sigmoid_and_softplus);
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits);
    for side in odd {
        let check = |what, x: &[f64], f: &Function, sign: f64| {
            let negated: Vec<f64> = x.iter().map(|x| -x).collect();
            let mirrored = f(&negated).into_iter().map(|y| sign * y).collect();
            for ((x, a), b) in x.iter().zip(bits(f(x))).zip(bits(mirrored)) {
                assert_eq!(a, b, "{}: {what}(±{x:e})", side.name);
            }
        };
        check("ρ", &side.grid(), &side.rho, -1.0);
        check("ρ⁻¹", &side.domain(), &side.rho_inv, -1.0);
        check("h", &side.domain(), &side.rho_slope, 1.0);
    }
}

fn activations() -> impl Strategy<Value = &'static Activation> {
    proptest::sample::select(Activation::ALL.iter().collect::<Vec<_>>())
}

/// Any finite f32, by its bits: every magnitude is equally likely.
fn finite() -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_filter("finite", |x| x.is_finite())
}

fn at(f: fn(&mut [f32], &[f32]), x: f32) -> f32 {
    let mut y = [0.0];
    f(&mut y, &[x]);
    y[0]
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(20_000) })]

    /// ρ keeps order (to the 4 ULP of its own error) and its range, h is a slope of at most 1/σ.
    #[test]
    fn rho_is_monotone_within_its_range(activation in activations(), x in finite(), y in finite()) {
        let (low, high) = if x <= y { (x, y) } else { (y, x) };
        let [below, above] = [low, high].map(|a| at(activation.loops.dense(Isa::widest()).rho, a));
        let slack = 8.0 * f32::EPSILON * below.abs().max(above.abs());
        prop_assert!(below <= above + slack, "{activation:?}: ρ({low}) = {below}, ρ({high}) = {above}");
        for z in [below, above] {
            let [from, to] = activation.range;
            prop_assert!((from..=to).contains(&f64::from(z)), "{activation:?}: {z}");
            let h = at(activation.loops.dense(Isa::widest()).rho_slope, z);
            let most = (1.0 / activation.sigma) as f32 * (1.0 + 4.0 * f32::EPSILON);
            prop_assert!((0.0..=most).contains(&h), "{activation:?}: h({z}) = {h}");
        }
    }

    /// ρ⁻¹ of any clamped number is finite, and ρ inverts it to 4 + (½ + 4) κ ULP.
    #[test]
    fn rho_inv_of_a_clamped_number_is_finite_and_returns(activation in activations(), z in finite()) {
        let [low, high] = activation.clamp;
        let z = z.clamp(low, high);
        let a = at(activation.loops.dense(Isa::widest()).rho_inv, z);
        prop_assert!(a.is_finite(), "{activation:?}: ρ⁻¹({z}) = {a}");
        let back = at(activation.loops.dense(Isa::widest()).rho, a);
        let slope = (activation.rho_slope)(f64::from(z));
        let kappa = if z == 0.0 { 0.0 } else { f64::from(a.abs()) * slope / f64::from(z.abs()) };
        let spacing = f64::from(z.abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
        let distance = (f64::from(back) - f64::from(z)).abs();
        // Below the least normal number results may be 0.
        let bound = (4.0 + 4.5 * kappa) * spacing + f64::from(f32::MIN_POSITIVE);
        prop_assert!(distance <= bound, "{activation:?}: ρ(ρ⁻¹({z:e})) = {back:e}");
    }
}

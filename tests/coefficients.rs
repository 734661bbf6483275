//! Where the numbers in `bregman::math::coefficients` come from.
//!
//! Every polynomial P there stands in f(x) / x = 1 + s P(s), with s = x or s = x². [`fit`] finds
//! the P with the least largest *relative error of f* (Remez' exchange), rounds the lowest
//! coefficient to `f32`, fits the others again around it, and so on up. All of it is `f64` in
//! `+ − × ÷ sqrt`, the functions being summed from their series: every machine finds the same.
//!
//! `cargo test --release --test coefficients -- --nocapture` prints the tables.

use bregman::math::coefficients as c;
use std::f64::consts;

struct Fit {
    name: &'static str,
    ours: &'static [f32],
    /// The range of s.
    from: f64,
    to: f64,
    /// (f(x) / x − 1) / s, as a function of s.
    target: fn(f64) -> f64,
}

fn fits() -> [Fit; 11] {
    let half_pi = consts::FRAC_PI_2;
    let fit = |name, ours, from, to, target| Fit {
        name,
        ours,
        from,
        to,
        target,
    };
    [
        fit("EXPM1", &c::EXPM1, -0.35, 0.35, |r| {
            series(r, 0.5, |k| 1.0 / (k + 3.0))
        }),
        fit(
            "LOG",
            &c::LOG,
            0.5f64.sqrt() - 1.0,
            2f64.sqrt() - 1.0,
            |f| series(-f, -0.5, |k| (k + 2.0) / (k + 3.0)),
        ),
        fit("TANH", &c::TANH, 0.0, 0.625 * 0.625, tanh),
        fit("ARTANH", &c::ARTANH, 0.0, 0.25, |s| {
            series(s, 1.0 / 3.0, |k| (2.0 * k + 3.0) / (2.0 * k + 5.0))
        }),
        fit("SIN", &c::SIN, 0.0, half_pi * half_pi, |s| -sinh(-s)),
        fit("ASIN", &c::ASIN, 0.0, 0.25, asin),
        fit("TAN", &c::TAN, 0.0, half_pi * half_pi / 4.0, |s| -tanh(-s)),
        fit("ATAN", &c::ATAN, 0.0, 1.0, atan),
        fit("SINH", &c::SINH, 0.0, 1.0, sinh),
        fit("ASINH", &c::ASINH, 0.0, 0.5625, |s| -asin(-s)),
        fit(
            "SIN_SQUARED",
            &c::SIN_SQUARED,
            0.0,
            half_pi * half_pi / 4.0,
            |s| {
                series(-s, -1.0 / 3.0, |k| {
                    4.0 / ((2.0 * k + 5.0) * (2.0 * k + 6.0))
                })
            },
        ),
    ]
}

/// first · (1 + ratio(0) s (1 + ratio(1) s (1 + …))), to its last digit.
fn series(s: f64, first: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut term, mut k) = (0.0, first, 0.0);
    while sum + term != sum {
        sum += term;
        term *= s * ratio(k);
        k += 1.0;
    }
    sum
}

/// (sinh x / x − 1) / s = 1/3! + s/5! + …; negated and at −s it is sin's.
fn sinh(s: f64) -> f64 {
    series(s, 1.0 / 6.0, |k| 1.0 / ((2.0 * k + 4.0) * (2.0 * k + 5.0)))
}

/// (tanh x / x − 1) / s = (sinh x / x − cosh x) / (s cosh x); negated and at −s it is tan's.
fn tanh(s: f64) -> f64 {
    let difference = series(s, -1.0 / 3.0, |k| 1.0 / ((2.0 * k + 2.0) * (2.0 * k + 5.0)));
    difference / series(s, 1.0, |k| 1.0 / ((2.0 * k + 1.0) * (2.0 * k + 2.0)))
}

/// (asin z / z − 1) / s; negated and at −s it is asinh's.
fn asin(s: f64) -> f64 {
    series(s, 1.0 / 6.0, |k| {
        (2.0 * k + 3.0) * (2.0 * k + 3.0) / ((2.0 * k + 4.0) * (2.0 * k + 5.0))
    })
}

/// (atan x / x − 1) / s, from Euler's series in y = s / (1 + s) ≤ ½.
fn atan(s: f64) -> f64 {
    let y = s / (1.0 + s);
    series(y, -1.0 / 3.0, |k| (2.0 * k + 2.0) / (2.0 * k + 5.0)) / (1.0 + s)
}

fn polynomial(coefficients: &[f64], s: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &c| sum * s + c)
}

/// A place where the error is looked at: how far the target lies from the coefficients that are
/// fixed, over s to their number, and by how much it counts there.
struct Sample {
    s: f64,
    rest: f64,
    weight: f64,
}

/// Samples of the range, denser towards its ends.
fn samples(fit: &Fit, fixed: &[f64]) -> Vec<Sample> {
    const COUNT: usize = 4001;
    (0..COUNT)
        .map(|i| {
            let u = (i as f64 + 0.5) / COUNT as f64;
            fit.from + (fit.to - fit.from) * u * u * (3.0 - 2.0 * u)
        })
        .filter(|s| s.abs() > 1e-9)
        .map(|s| {
            let target = (fit.target)(s);
            let power = fixed.iter().fold(1.0, |power, _| power * s);
            Sample {
                s,
                rest: (target - polynomial(fixed, s)) / power,
                weight: (power * s / (1.0 + s * target)).abs(),
            }
        })
        .collect()
}

/// The largest relative error of f with this polynomial.
fn largest_error(fit: &Fit, coefficients: &[f64]) -> f64 {
    let error = |p: &Sample| ((polynomial(coefficients, p.s) - p.rest) * p.weight).abs();
    samples(fit, &[]).iter().map(error).fold(0.0, f64::max)
}

/// The `count` coefficients that, after the fixed ones, make the largest weighted error least.
fn minimax(fit: &Fit, fixed: &[f64], count: usize) -> Vec<f64> {
    let samples = samples(fit, fixed);
    // At the solution the error reaches its largest size count + 1 times, with alternating sign.
    let last = samples.len() - 1;
    let mut extrema: Vec<usize> = (0..=count).map(|i| last * i / count).collect();
    let mut solution = vec![];
    for _ in 0..50 {
        solution = level(&samples, &extrema);
        let error = |i: usize| {
            let p = &samples[i];
            (polynomial(&solution, p.s) - p.rest) * p.weight
        };
        let found = alternating_extrema(samples.len(), error, count + 1);
        if found == extrema || found.len() < extrema.len() {
            break;
        }
        extrema = found;
    }
    solution
}

/// The polynomial whose weighted errors at these samples are equal in size and alternate in sign.
fn level(samples: &[Sample], at: &[usize]) -> Vec<f64> {
    let rows = at.iter().enumerate().map(|(row, &i)| {
        let p = &samples[i];
        let mut power = p.weight;
        let mut equation = vec![];
        for _ in 1..at.len() {
            equation.push(power);
            power *= p.s;
        }
        equation.push(if row % 2 == 0 { 1.0 } else { -1.0 });
        equation.push(p.rest * p.weight);
        equation
    });
    let mut solution = solve(rows.collect());
    solution.pop();
    solution
}

/// Gaussian elimination with partial pivoting; each row ends in its right-hand side.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for column in 0..n {
        let size = |row: &usize| rows[*row][column].abs();
        let pivot = (column..n)
            .max_by(|a, b| size(a).total_cmp(&size(b)))
            .expect("rows remain");
        rows.swap(column, pivot);
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot = &above[column];
        for row in below {
            let factor = row[column] / pivot[column];
            for (entry, p) in row.iter_mut().zip(pivot).skip(column) {
                *entry -= factor * p;
            }
        }
    }
    let mut x = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n)
            .map(|column| rows[row][column] * x[column])
            .sum();
        x[row] = (rows[row][n] - known) / rows[row][row];
    }
    x
}

/// The places of `wanted` extrema of alternating sign, the smallest ones dropped.
fn alternating_extrema(len: usize, error: impl Fn(usize) -> f64, wanted: usize) -> Vec<usize> {
    let mut extrema: Vec<usize> = vec![];
    let keep_larger = |extrema: &mut Vec<usize>, i: usize| match extrema.last_mut() {
        Some(last) if error(*last) * error(i) > 0.0 => {
            if error(i).abs() > error(*last).abs() {
                *last = i;
            }
        }
        _ => extrema.push(i),
    };
    for i in 0..len {
        keep_larger(&mut extrema, i);
    }
    while extrema.len() > wanted {
        let size = |k: &usize| error(extrema[*k]).abs();
        let last = extrema.len() - 1;
        let candidates = if last == wanted {
            vec![0, last]
        } else {
            (0..=last).collect()
        };
        let least = candidates
            .into_iter()
            .min_by(|a, b| size(a).total_cmp(&size(b)));
        extrema.remove(least.expect("there are extrema"));
        // Dropping one within leaves two neighbours of the same sign.
        let rest = std::mem::take(&mut extrema);
        for i in rest {
            keep_larger(&mut extrema, i);
        }
    }
    extrema
}

/// Minimax coefficients, rounded one after the other from the lowest.
fn rounded(fit: &Fit) -> Vec<f32> {
    let mut fixed: Vec<f64> = vec![];
    while fixed.len() < fit.ours.len() {
        let next = minimax(fit, &fixed, fit.ours.len() - fixed.len())[0];
        fixed.push(f64::from(next as f32));
    }
    fixed.iter().map(|&c| c as f32).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the tables are for a change of a fit")]
fn coefficients_are_derived() {
    for fit in fits() {
        let ours: Vec<f64> = fit.ours.iter().map(|&c| f64::from(c)).collect();
        let best = largest_error(&fit, &minimax(&fit, &[], ours.len()));
        let derived = rounded(&fit);
        println!(
            "{}: relative error 2^{:.1}, unrounded 2^{:.1}",
            fit.name,
            largest_error(&fit, &ours).log2(),
            best.log2()
        );
        println!("    {derived:?}");
        assert_eq!(derived, fit.ours, "{}", fit.name);
    }
}

#[test]
fn constants_in_two_parts() {
    let single = |x: f64| f64::from(x as f32);
    assert_eq!(
        c::FRAC_2_PI_EXCESS,
        (consts::FRAC_2_PI / single(consts::FRAC_2_PI) - 1.0) as f32
    );
    assert_eq!(
        c::FRAC_PI_2_EXCESS,
        (consts::FRAC_PI_2 / single(consts::FRAC_PI_2) - 1.0) as f32
    );
    assert_eq!(
        c::FRAC_PI_2_TAIL,
        (consts::FRAC_PI_2 - single(consts::FRAC_PI_2)) as f32
    );
    // What ln 2 in f64 lacks.
    let ln_2_tail = 2.3190468138462996e-17;
    assert_eq!(
        c::LN_2_TAIL,
        (consts::LN_2 - single(consts::LN_2) + ln_2_tail) as f32
    );
    assert_eq!(c::LN_2_HI.to_bits() & 0x3fff, 0);
    assert_eq!(c::LN_2_LO, (consts::LN_2 - f64::from(c::LN_2_HI)) as f32);
    let largest = |x: f32, fits: fn(f64) -> bool| {
        assert!(fits(f64::from(x)) && !fits(f64::from(x.next_up())), "{x:?}");
    };
    largest(c::BELOW_FRAC_PI_2, |x| x < consts::FRAC_PI_2);
    largest(c::EXP_END, |x| x.exp() <= f64::from(f32::MAX));
    largest(c::SINH_END, |x| x.sinh() <= f64::from(f32::MAX));
}

/// The shader writes the same numbers, digit for digit.
#[test]
fn shader_has_the_same_constants() {
    let shader = include_str!("../shaders/lib/math.wgsl");
    let code: String = shader
        .lines()
        .filter(|line| !line.starts_with("//"))
        .collect();
    let mut arrays = 0;
    let mut scalars = 0;
    for declaration in code.split(';').filter_map(|statement| {
        // Behind a function's end.
        let statement = statement.trim_start_matches([' ', '}']);
        statement.strip_prefix("const ")
    }) {
        let (declared, value) = declaration
            .split_once(" = ")
            .expect("a constant has a value");
        let numbers = |text: &str| -> Vec<String> {
            text.split(',')
                .map(|n| n.trim().to_string())
                .filter(|n| !n.is_empty())
                .collect()
        };
        if let Some(list) = value.strip_prefix("array<f32, ") {
            let (count, list) = list.split_once(">(").expect("an array has elements");
            let fit = fits()
                .into_iter()
                .find(|fit| fit.name == declared)
                .expect(declared);
            let ours: Vec<String> = fit.ours.iter().map(|c| format!("{c:?}")).collect();
            assert_eq!(numbers(list.trim_end_matches(')')), ours, "{declared}");
            assert_eq!(count, ours.len().to_string(), "{declared}");
            arrays += 1;
        } else if let Some(name) = declared.strip_suffix(": f32") {
            let ours = match name {
                "F32_MAX" => f32::MAX,
                "F32_MIN" => f32::MIN_POSITIVE,
                "FRAC_PI_4" => std::f32::consts::FRAC_PI_4,
                "FRAC_PI_2" => std::f32::consts::FRAC_PI_2,
                "FRAC_2_PI" => std::f32::consts::FRAC_2_PI,
                "LOG2_E" => std::f32::consts::LOG2_E,
                "LN_2" => std::f32::consts::LN_2,
                "FRAC_PI_2_EXCESS" => c::FRAC_PI_2_EXCESS,
                "FRAC_PI_2_TAIL" => c::FRAC_PI_2_TAIL,
                "BELOW_FRAC_PI_2" => c::BELOW_FRAC_PI_2,
                "FRAC_2_PI_EXCESS" => c::FRAC_2_PI_EXCESS,
                "LN_2_TAIL" => c::LN_2_TAIL,
                "LN_2_HI" => c::LN_2_HI,
                "LN_2_LO" => c::LN_2_LO,
                "EXP_END" => c::EXP_END,
                "SINH_END" => c::SINH_END,
                "TINY" => 0.5 * f32::EPSILON,
                "FIXED" => 1536.0,
                "SUBNORMAL_SCALE" => 8388608.0,
                _ => panic!("{name} is not compared"),
            };
            assert_eq!(value, format!("{ours:?}"), "{name}");
            scalars += 1;
        }
    }
    assert_eq!(arrays, fits().len());
    assert_eq!(scalars, 19);
}

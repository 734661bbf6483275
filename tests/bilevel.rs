//! The theory: each proposition on a small sample, and checks that must find planted faults.

use bregman::activation::Activation;
use bregman::bilevel::propositions::{self, Effort};
use bregman::bilevel::prox::{self, Potential};
use bregman::bilevel::sampler::Sampler;
use bregman::bilevel::{Definition, Geometry, Majorant, Minimization, Problem, Quadratic};
use nalgebra::{DMatrix, DVector};

fn scalar(x: f64) -> DVector<f64> {
    DVector::from_element(1, x)
}

/// Q of one variable with C = `c`.
fn quadratic(a: f64, c: f64, d: f64) -> Quadratic {
    Quadratic {
        a: DMatrix::from_element(1, 1, a),
        c: DMatrix::from_element(1, 1, c),
        d: scalar(d),
    }
}

/// Seeds other than that of `bregman theory`: the verdicts do not depend on its sample.
#[test]
fn every_verdict_is_the_expected_one() {
    for seed in [1, 2] {
        let effort = Effort {
            problems: 20,
            arguments: 500,
            seed,
        };
        let rows = propositions::check(effort);
        assert!(rows.iter().filter(|row| !row.expected).count() > 40);
        for row in rows {
            assert_eq!(row.holds, row.expected, "seed {seed}: {row:?}");
            assert!(row.worst.is_finite() && row.bound > 0.0, "{row:?}");
        }
    }
}

#[test]
fn samples_are_a_function_of_the_seed() {
    let effort = Effort {
        problems: 2,
        arguments: 20,
        seed: 7,
    };
    assert_eq!(propositions::check(effort), propositions::check(effort));
    let draw = |seed| Sampler::new(seed, 0).vector(4, -1.0, 1.0);
    assert_ne!(draw(7), draw(8));
}

/// The counterexample to Prop. 3.1 as printed: f = ½z², τ = 1.5.
#[test]
fn proposition_3_1_fails_between_one_and_two_over_mu() {
    let majorant = Majorant {
        quadratic: quadratic(1.0, 0.0, 0.0),
        geometry: Geometry::Euclidean,
        tau: 1.5,
    };
    let at_one = majorant.value(&scalar(1.0), &scalar(0.0));
    assert!((at_one - 1.0 / 3.0).abs() < 1e-15);
    assert_eq!(majorant.quadratic.tangent().value(&scalar(1.0)), 0.5);
    assert_eq!(majorant.largest_tau(), 1.0);
}

/// For each bullet of Definition 2.1 a function that violates it alone.
#[test]
fn the_definition_tells_its_bullets_apart() {
    let points: Vec<_> = (-4..=4).map(|i| scalar(0.25 * f64::from(i))).collect();
    let f = |z: &DVector<f64>| 0.5 * z.norm_squared();
    let square = |z: &DVector<f64>, v: &DVector<f64>| (z - v).norm_squared();
    let check = |g: &dyn Fn(&DVector<f64>, &DVector<f64>) -> f64| {
        let found = Definition::check(f, g, &points);
        assert_eq!(found.samples, 81);
        [found.touching, found.convexity, found.majorization].map(|v| v > 1e-12)
    };
    let tangent = |z: &DVector<f64>, v: &DVector<f64>| f(v) + v.dot(&(z - v));
    assert_eq!(
        check(&|z, v| tangent(z, v) + 0.5 * square(z, v)),
        [false; 3]
    );
    let lifted = |z: &DVector<f64>, v: &DVector<f64>| tangent(z, v) + 0.5 * square(z, v) + 0.1;
    assert_eq!(check(&lifted), [true, false, false]);
    assert_eq!(
        check(&|z, v| tangent(z, v) + 0.4 * square(z, v)),
        [false, false, true]
    );
    let bent = |z: &DVector<f64>, v: &DVector<f64>| {
        let distance = (z - v).norm();
        tangent(z, v) + 0.5 * square(z, v) + 0.1 * distance.sqrt()
    };
    assert_eq!(check(&bent), [false, true, false]);
}

/// The solver finds the closed forms of proximity operators that are not activations.
#[test]
fn the_solver_finds_what_algebra_does() {
    for v in (-40..=40).map(|i| 0.25 * f64::from(i)) {
        // The identity's potential is 0, so its prox is v itself.
        let potential = Potential::OfActivation(&bregman::activation::Activation::IDENTITY);
        assert_eq!(prox::prox(Geometry::Euclidean, potential, 3.0, v), v);
        let interval = Potential::Indicator([-1.0, 2.0]);
        let projected = prox::prox(Geometry::Euclidean, interval, 0.5, v);
        assert!((projected - v.clamp(-1.0, 2.0)).abs() <= 1e-15);
        // The indicator of half of the sigmoid's range cuts the activation off.
        let half = Potential::Indicator([0.0, 0.5]);
        let cut = prox::prox(Geometry::Bregman(&Activation::SIGMOID), half, 1.0, v);
        assert!(
            (cut - (Activation::SIGMOID.rho)(v).min(0.5)).abs() < 1e-15,
            "{v}: {cut}"
        );
    }
    // A zero far beyond the first bracket, and two beyond the ends of the interval.
    let cube = prox::solve_increasing(|u| u * u * u - 8e30, [f64::NEG_INFINITY, f64::INFINITY]);
    assert!((cube / 2e10 - 1.0).abs() < 1e-15);
    assert_eq!(prox::solve_increasing(|u| u + 3.0, [-1.0, 1.0]), -1.0);
    assert_eq!(prox::solve_increasing(|u| u - 3.0, [-1.0, 1.0]), 1.0);
}

/// Figure 1: each start converges to the critical point of its basin, and the certificates show it.
#[test]
fn figure_1_has_three_critical_points() {
    let quadratic = quadratic(1.0, -2.0, 0.5);
    let problem = Problem {
        smooth: quadratic.tangent(),
        potential: Potential::Indicator([0.0, 1.0]),
        scale: 1.0,
    };
    for (start, end) in [
        (0.01, 0.0),
        (0.49, 0.0),
        (0.5, 0.5),
        (0.51, 1.0),
        (0.99, 1.0),
    ] {
        for geometry in [Geometry::Euclidean, Geometry::Bregman(&Activation::SIGMOID)] {
            let majorant = Majorant {
                quadratic: quadratic.clone(),
                geometry,
                tau: 0.5,
            };
            let mut steps = Minimization::new(&problem, &majorant, scalar(start));
            let last = steps.by_ref().take(300).inspect(|step| {
                assert!(step.decrease >= -1e-16, "{step:?}");
            });
            let last = last.last().expect("300 steps");
            assert!((steps.point()[0] - end).abs() < 1e-12, "{start}: {last:?}");
            assert!(last.residual < 1e-12 && last.moved < 1e-12, "{last:?}");
        }
    }
    // A point that is not critical has a residual.
    assert!(problem.residual(&scalar(0.3)) > 0.1);
}

/// A step of a function that is no majorant raises the objective, and the certificate shows it.
#[test]
fn a_certificate_shows_a_rise() {
    let quadratic = quadratic(1.0, 0.0, 0.0);
    let problem = Problem {
        smooth: quadratic.tangent(),
        potential: Potential::Indicator(Activation::TANH.range),
        scale: 1.0,
    };
    let step = |tau| {
        let majorant = Majorant {
            quadratic: quadratic.clone(),
            geometry: Geometry::Bregman(&Activation::TANH),
            tau,
        };
        let start = scalar(0.3);
        Minimization::new(&problem, &majorant, start)
            .next()
            .expect("a step")
    };
    assert!(step(1.0).decrease > 0.0);
    assert!(step(2.6).decrease < 0.0);
}

/// With a potential that has no closed form in its geometry, the algorithm uses the solver and
/// descends.
#[test]
fn any_potential_can_be_minimised() {
    for activation in Activation::ALL {
        let geometry = Geometry::Bregman(activation);
        let quadratic = quadratic(1.0, 0.0, -0.2);
        let problem = Problem {
            smooth: quadratic.tangent(),
            potential: Potential::OfActivation(activation),
            scale: 1.0,
        };
        let majorant = Majorant {
            tau: activation.sigma,
            quadratic,
            geometry,
        };
        let start = scalar((activation.rho)(0.7));
        for step in Minimization::new(&problem, &majorant, start).take(200) {
            assert!(step.decrease >= -1e-14, "{}: {step:?}", activation.name);
            if step.step == 200 {
                assert!(step.residual < 1e-7, "{}: {step:?}", activation.name);
            }
        }
    }
}

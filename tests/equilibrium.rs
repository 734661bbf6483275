//! The equilibrium layer on processors: its matrix, its limit, and its gradients.

use bregman::activation::Activation;
use bregman::bilevel::equilibrium::experiment::{self, Training};
use bregman::bilevel::equilibrium::reference::{self, Weight};
use bregman::bilevel::equilibrium::{CpuLayer, DELTA, Equilibrium, Gradient, Solver};
use bregman::bilevel::sampler::Sampler;
use bregman::data::spirals::Spirals;
use bregman::data::{Dataset, Targets};
use bregman::kind::Loss;
use bregman::nn::Parameters;
use nalgebra::DVector;

const TIGHT: Solver = Solver {
    tolerance: 1e-13,
    max_iterations: 20_000,
    gradient_tolerance: 1e-6,
    max_gradient_iterations: 200,
};

/// Seven units on five inputs and four classes, with V times `scale`; a large V makes each row
/// normalised.
fn network(
    activation: &'static bregman::activation::Activation,
    scale: f64,
) -> (Equilibrium, Parameters<f64>) {
    let equilibrium = Equilibrium::new(activation, Loss::CrossEntropy, [5, 7, 4], TIGHT);
    let equilibrium = equilibrium.expect("a valid network");
    let mut parameters = equilibrium.initial(3).map(f64::from);
    parameters.layers[1]
        .weight
        .iter_mut()
        .for_each(|v| *v *= scale);
    (equilibrium, parameters)
}

fn batch(seed: u64) -> (Vec<f64>, Targets) {
    let mut sampler = Sampler::new(seed, 0);
    let x = sampler.vector(6 * 5, -1.5, 1.5).as_slice().to_vec();
    (x, Targets::Classes(vec![0, 3, 1, 2, 2, 0]))
}

/// −(2 − δ)σ ≤ λ(W) ≤ −δ for V of any size and shape, and both ends are nearly reached.
#[test]
fn the_spectrum_is_bounded_by_construction() {
    let mut widest: f64 = 0.0;
    for activation in Activation::ALL {
        for (draw, scale) in (0..).zip([0.0, 0.1, 1.0, 10.0, 1e6]) {
            let (equilibrium, parameters) = network(activation, 1.0);
            let mut sampler = Sampler::new(11, draw);
            let n = equilibrium.width();
            let shapes = [
                sampler.matrix(n),
                sampler.symmetric(n, -1.0, 1.0),
                nalgebra::DMatrix::from_element(n, n, 1.0),
                nalgebra::DMatrix::from_element(n, n, -1.0),
            ];
            for v in shapes {
                let weight = Weight::new(&equilibrium, (v * scale).as_slice()).weight;
                assert_eq!(weight, weight.transpose());
                let spectrum = weight.symmetric_eigenvalues();
                let (delta, sigma) = (f64::from(DELTA), activation.sigma);
                let [least, most] = [-(2.0 - delta) * sigma, -delta];
                assert!(spectrum.min() >= least - 1e-12 && spectrum.max() <= most + 1e-12);
                widest = widest.max((spectrum.max() - spectrum.min()) / (most - least));
            }
            assert_eq!(parameters.layers[1].weight.len(), n * n);
        }
    }
    assert!(
        widest > 0.5,
        "the parametrisation reaches only {widest} of what is allowed"
    );
}

/// The limit does not depend on the start, and no other point has a lower E: it solves a quadratic
/// program with box constraints.
#[test]
fn the_limit_is_the_unique_minimiser() {
    let (mut at_ends, mut units) = (0, 0);
    for activation in [&Activation::TANH, &Activation::SIGMOID] {
        let (equilibrium, mut parameters) = network(activation, 30.0);
        parameters.layers[0]
            .weight
            .iter_mut()
            .for_each(|u| *u *= 2.0 * activation.sigma);
        let weight = Weight::new(&equilibrium, &parameters.layers[1].weight).weight;
        let mut sampler = Sampler::new(5, 0);
        let (x, _) = batch(1);
        for x in x.chunks_exact(5) {
            let c = reference::injected(&equilibrium, &parameters, x);
            let starts = [DVector::zeros(7), sampler.vector(7, -8.0, 8.0)];
            let solve = |start| reference::solve(&equilibrium, &weight, &c, start, 1e-10, 200_000);
            let [one, two] = starts.each_ref().map(solve);
            assert!((&one.z - &two.z).amax() < 1e-8, "{one:?} {two:?}");
            let energy = |z: &DVector<f64>| -0.5 * z.dot(&(&weight * z)) - c.dot(z);
            for _ in 0..50 {
                let other = sampler.point(activation, 7, 3.0);
                assert!(energy(&one.z) <= energy(&other) + 1e-12);
            }
            at_ends += 7 - one.inside(activation.range).len();
            units += 7;
        }
    }
    assert!(
        at_ends > units / 20 && at_ends < units * 4 / 5,
        "{at_ends} of {units} units at ends"
    );
}

/// Each gradient against central differences of the loss at the limit. There is no gradient at a
/// kink, where a unit enters or leaves the range within the difference; none of these samples is
/// near one.
#[test]
fn the_hypergradient_is_the_difference_quotient() {
    let step = 1e-6;
    for (activation, scale) in [
        (&Activation::TANH, 1.0),
        (&Activation::TANH, 30.0),
        (&Activation::SIGMOID, 30.0),
    ] {
        let (equilibrium, parameters) = network(activation, scale);
        let (x, targets) = batch(2);
        let loss = |p: &Parameters<f64>| {
            reference::gradients(&equilibrium, p, &x, &targets, Gradient::Implicit)
        };
        let (_, gradient) = loss(&parameters);
        for tensor in [0, 1, 2, 4, 5] {
            let of = |p: &Parameters<f64>| p.tensors().nth(tensor).expect("a tensor").clone();
            for (i, expected) in of(&gradient).into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut p = parameters.clone();
                    p.tensors_mut().nth(tensor).expect("a tensor")[i] += by;
                    loss(&p).0
                };
                let quotient = (moved(step) - moved(-step)) / (2.0 * step);
                assert!(
                    (quotient - expected).abs() < 1e-7,
                    "{} × {scale}, tensor {tensor}[{i}]: {quotient} and {expected}",
                    activation.name
                );
            }
        }
    }
}

/// The gradient of Problem 2.2 tends to the hypergradient as L grows.
#[test]
fn long_unrolling_tends_to_the_hypergradient() {
    let (equilibrium, parameters) = network(&Activation::TANH, 30.0);
    let (x, targets) = batch(2);
    let gradients =
        |method| reference::gradients(&equilibrium, &parameters, &x, &targets, method).1;
    let limit = gradients(Gradient::Implicit);
    let distance = |layers| {
        let found = gradients(Gradient::Unrolled(layers));
        let pairs = found.tensors().flatten().zip(limit.tensors().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let distances = [1, 4, 16, 64, 256, 1024].map(distance);
    assert!(
        distances.windows(2).all(|d| d[1] < 0.8 * d[0]),
        "{distances:?}"
    );
    assert!(distances[5] < 1e-6, "{distances:?}");
}

/// The f32 layer has the reference's loss and gradients, by either method.
#[test]
fn processors_agree_with_the_reference() {
    for activation in [&Activation::TANH, &Activation::SIGMOID] {
        let (mut equilibrium, parameters) = network(activation, 30.0);
        let (x, targets) = batch(4);
        let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|&v| v as f32).collect() };
        for method in [
            Gradient::Implicit,
            Gradient::Unrolled(1),
            Gradient::Unrolled(30),
        ] {
            let (loss, expected) =
                reference::gradients(&equilibrium, &parameters, &x, &targets, method);
            equilibrium.solver.tolerance = 1e-6;
            let mut layer = CpuLayer::new(&equilibrium, parameters.map(|p| p as f32), method);
            let layer = layer.as_mut().expect("parameters that fit");
            let found = layer.forward(&narrow(&x), &targets);
            assert!(
                (found.loss - loss).abs() < 1e-5,
                "{method:?}: {} and {loss}",
                found.loss
            );
            let gradient = layer.backward(&narrow(&x));
            for (t, (found, expected)) in gradient.tensors().zip(expected.tensors()).enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    let distance = (f64::from(*found) - expected).abs();
                    assert!(
                        distance < 2e-5,
                        "{method:?}, tensor {t}: {found} and {expected}"
                    );
                }
            }
            let report = layer.take_report();
            if method == Gradient::Implicit {
                assert_eq!((report.samples, report.capped), (6, 0), "{report:?}");
                assert!(
                    report.residuals <= 6e-6 && report.gradients == 1,
                    "{report:?}"
                );
            }
            equilibrium.solver.tolerance = 1e-13;
        }
    }
}

/// Gradients are finite however sure the network is of a sample, down to gradients whose squares
/// are 0 in f32.
#[test]
fn gradients_of_sure_samples_are_finite() {
    let (mut equilibrium, parameters) = network(&Activation::TANH, 30.0);
    equilibrium.solver.tolerance = 1e-6;
    let (x, _) = batch(4);
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    for step in 0..800 {
        let margin = 20.0 + 0.1 * step as f32;
        let mut parameters = parameters.map(|p| p as f32);
        // Class 0 wins by about this margin for each x.
        parameters.head.weight.iter_mut().for_each(|w| *w *= 0.1);
        parameters.head.bias = vec![margin, 0.0, 0.0, 0.0];
        let mut layer = CpuLayer::new(&equilibrium, parameters, Gradient::Implicit);
        let layer = layer.as_mut().expect("parameters that fit");
        layer.forward(&x, &Targets::Classes(vec![0; 6]));
        let gradient = layer.backward(&x);
        let mut numbers = gradient.tensors().flatten();
        assert!(numbers.all(|g| g.is_finite()), "a margin of {margin}");
    }
}

/// The limit keeps its z and its mask for the backward pass, for any number of iterations; unrolled
/// layers keep each z.
#[test]
fn memory_of_the_limit_does_not_depend_on_the_iterations() {
    let kept = |method, max_iterations| {
        let (mut equilibrium, parameters) = network(&Activation::TANH, 1.0);
        equilibrium.solver.tolerance = 0.0;
        equilibrium.solver.max_iterations = max_iterations;
        let layer = CpuLayer::new(&equilibrium, parameters.map(|p| p as f32), method);
        let mut layer = layer.expect("parameters that fit");
        layer.forward(&[0.5; 6 * 5], &Targets::Classes(vec![0; 6]));
        assert_eq!(
            layer.take_report().most_iterations as usize % max_iterations,
            0
        );
        layer.kept_bytes()
    };
    let state = 6 * 7 * 4;
    for iterations in [10, 100] {
        assert_eq!(kept(Gradient::Implicit, iterations), 2 * state);
        assert_eq!(
            kept(Gradient::Unrolled(iterations), 1),
            (iterations + 1) * state
        );
    }
}

/// Problem 2.2 and its limit start at the same parameters and take the same samples in the same
/// order, so 1,000 layers learn the same as the limit; and the distance of h_L from h falls with L.
#[test]
fn many_layers_learn_what_the_limit_learns() {
    let solver = Solver {
        tolerance: 1e-6,
        max_iterations: 10_000,
        gradient_tolerance: 1e-6,
        max_gradient_iterations: 200,
    };
    let equilibrium = Equilibrium::new(&Activation::TANH, Loss::CrossEntropy, [2, 6, 2], solver);
    let equilibrium = equilibrium.expect("a valid network");
    let [train, test] = Spirals::draw(20, 1).map(|spirals| {
        let data = Dataset::classification(&spirals.points, &spirals.labels);
        data.expect("points and labels")
    });
    let training = Training {
        epochs: 3,
        batch_size: 7,
        learning_rate: 0.3,
        seed: 4,
    };
    let [deep, limit] = [Gradient::Unrolled(1_000), Gradient::Implicit].map(|method| {
        let trained = experiment::train(&equilibrium, solver, [&train, &test], training, method);
        trained.expect("parameters that fit")
    });
    let pairs = deep.1.tensors().flatten().zip(limit.1.tensors().flatten());
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let initial = equilibrium.initial(4);
    let pairs = initial.tensors().flatten().zip(limit.1.tensors().flatten());
    let moved = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(
        apart < 5e-3 && moved > 0.2,
        "{apart} apart, moved by {moved}"
    );
    assert!(
        (deep.0.loss - deep.0.loss_at_limit).abs() < 1e-5,
        "{deep:?}"
    );
    assert_eq!((deep.0.layers, limit.0.layers), (Some(1_000), None));
    let depths = [1, 4, 16, 64, 256, 1_024];
    let order: Vec<u32> = (0..train.len() as u32).collect();
    let x = train.values_of(&order, &[0.0; 256]);
    let distances = experiment::distances(&equilibrium, &limit.1, &x, &depths);
    let distances = distances.expect("parameters that fit");
    assert!(
        distances.windows(2).all(|d| d[1] < 0.7 * d[0]),
        "{distances:?}"
    );
    assert!(distances[0] > 0.01 && distances[5] < 1e-5, "{distances:?}");
}

/// The cap on iterations holds and is reported; tensors that do not fit are refused.
#[test]
fn caps_and_shapes() {
    let (mut equilibrium, parameters) = network(&Activation::TANH, 1.0);
    equilibrium.solver.max_iterations = 2;
    let mut layer = CpuLayer::new(
        &equilibrium,
        parameters.map(|p| p as f32),
        Gradient::Implicit,
    )
    .expect("parameters that fit");
    let (x, targets) = batch(1);
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    layer.forward(&x, &targets);
    let report = layer.take_report();
    assert_eq!((report.capped, report.iterations), (6, 12), "{report:?}");
    let mut short = parameters.map(|p| p as f32);
    short.layers[1].weight.pop();
    let error = CpuLayer::new(&equilibrium, short, Gradient::Implicit).err();
    assert!(error.is_some_and(|e| e.to_string().contains("expected shape")));
    let solver = Solver {
        tolerance: f32::NAN,
        ..Solver::DEFAULT
    };
    assert!(Equilibrium::new(&Activation::TANH, Loss::CrossEntropy, [5, 7, 4], solver).is_err());
}

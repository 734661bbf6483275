//! The equilibrium layer on an adapter against processors.

use std::sync::Arc;

use bregman::activation::Activation;
use bregman::bilevel::equilibrium::{
    CpuEquilibrium, Equilibrium, GpuEquilibrium, Gradient, Solver, SolverReport,
};
use bregman::data::{Split, Splits, Targets};
use bregman::executor::{BatchMetrics, Executor};
use bregman::kind::Loss;
use bregman::nn::Parameters;
use bregman::optim::Sgd;
use bregman::rng;
use bregman::selftest::networks::dataset;

use crate::Test;

pub fn tests() -> Vec<Test> {
    vec![
        ("equilibrium_agrees_with_processors", agrees_with_processors),
        ("equilibrium_stops_at_its_cap", stops_at_its_cap),
        ("equilibrium_is_sure_of_samples", is_sure_of_samples),
    ]
}

type Record = (
    Vec<BatchMetrics>,
    Vec<BatchMetrics>,
    Parameters,
    SolverReport,
);

fn run(
    executor: &mut impl Executor,
    samples: usize,
) -> (Vec<BatchMetrics>, Vec<BatchMetrics>, Parameters) {
    pollster::block_on(async {
        let mut batches = Vec::new();
        for epoch in 0..2 {
            let orders = [rng::sample_order(9, epoch, samples)];
            let epoch = executor
                .train_epoch(&orders, &mut |_| {})
                .await
                .expect("an epoch");
            batches.extend(epoch.into_iter().flatten());
        }
        let test = executor.evaluate(Split::Test).await.expect("an evaluation");
        let parameters = executor.parameters().await.expect("parameters");
        (batches, test.concat(), parameters[0].clone())
    })
}

fn both(
    solver: Solver,
    activation: &'static bregman::activation::Activation,
    sure_by: Option<f32>,
) -> [Record; 2] {
    // A short last batch, and widths that no tile divides.
    let (mut train, test) = (dataset(37, 5, 3), dataset(11, 5, 4));
    let features = train.features();
    let equilibrium = Equilibrium::new(activation, Loss::CrossEntropy, [features, 19, 5], solver);
    let equilibrium = equilibrium.expect("a valid network");
    let mut parameters = equilibrium.initial(5);
    // Rows of V beyond 1, so that D counts, and of U, so that units reach the range's ends.
    parameters.layers[1]
        .weight
        .iter_mut()
        .for_each(|v| *v *= 30.0);
    parameters.layers[0]
        .weight
        .iter_mut()
        .for_each(|u| *u *= 3.0);
    if let Some(margin) = sure_by {
        // Class 0 wins by so much, more or less, and is right.
        train.targets = Targets::Classes(vec![0; train.len()]);
        parameters.head.weight.iter_mut().for_each(|w| *w *= 0.1);
        parameters.head.bias = vec![margin, 0.0, 0.0, 0.0, 0.0];
    }
    let samples = train.len();
    let splits = Splits {
        train,
        validation: None,
        test,
    };
    let sgd = Sgd {
        batch_size: 8,
        learning_rate: 0.2,
    };
    let gpu = GpuEquilibrium::new(crate::gpu(), &equilibrium, &splits, &parameters, sgd);
    let mut gpu = pollster::block_on(gpu).unwrap_or_else(|e| panic!("{e}"));
    let (train, test, p) = run(&mut gpu, samples);
    let on_adapter = (train, test, p, gpu.take_report());
    let way = Gradient::Implicit;
    let cpu = CpuEquilibrium::new(&equilibrium, Arc::new(splits), parameters, sgd, way);
    let mut cpu = cpu.unwrap_or_else(|e| panic!("{e}"));
    let (train, test, p) = run(&mut cpu, samples);
    [on_adapter, (train, test, p, cpu.take_report())]
}

/// To the tolerance of the solver, which both go to by the same steps, times what ten steps of SGD
/// make of it.
fn agrees_with_processors() {
    let solver = Solver {
        tolerance: 1e-4,
        max_iterations: 1_000,
        gradient_tolerance: 1e-5,
        max_gradient_iterations: 100,
    };
    for activation in [&Activation::TANH, &Activation::SIGMOID] {
        let [gpu, cpu] = both(solver, activation, None);
        assert_eq!((gpu.0.len(), gpu.1.len()), (cpu.0.len(), cpu.1.len()));
        for (gpu, cpu) in gpu.0.iter().zip(&cpu.0).chain(gpu.1.iter().zip(&cpu.1)) {
            assert!((gpu.loss - cpu.loss).abs() < 2e-3, "{gpu:?} {cpu:?}");
            assert_eq!(gpu.samples, cpu.samples);
        }
        for (t, (gpu, cpu)) in gpu.2.tensors().zip(cpu.2.tensors()).enumerate() {
            for (gpu, cpu) in gpu.iter().zip(cpu) {
                assert!((gpu - cpu).abs() < 2e-3, "tensor {t}: {gpu} {cpu}");
            }
        }
        let (gpu, cpu) = (gpu.3, cpu.3);
        assert_eq!(
            (gpu.samples, gpu.capped),
            (cpu.samples, 0),
            "{gpu:?} {cpu:?}"
        );
        let ratio = gpu.iterations as f64 / cpu.iterations as f64;
        assert!((ratio - 1.0).abs() < 0.02, "{gpu:?} {cpu:?}");
        assert!(
            gpu.at_ends.abs_diff(cpu.at_ends) < 10 && gpu.at_ends > 100,
            "{gpu:?} {cpu:?}"
        );
    }
}

fn stops_at_its_cap() {
    let solver = Solver {
        tolerance: 0.0,
        max_iterations: 11,
        ..Solver::DEFAULT
    };
    let [gpu, cpu] = both(solver, &Activation::TANH, None);
    for report in [gpu.3, cpu.3] {
        assert_eq!(report.iterations, 11 * report.samples, "{report:?}");
        assert_eq!(report.capped, report.samples, "{report:?}");
    }
}

/// However sure the network is of its samples: conjugate gradients must not divide by squares that f32
/// cannot tell from 0.
fn is_sure_of_samples() {
    for step in 0..40 {
        let margin = 35.0 + 0.4 * step as f32;
        let records = both(Solver::DEFAULT, &Activation::TANH, Some(margin));
        for (record, device) in records.iter().zip(["adapter", "processors"]) {
            let mut numbers = record.2.tensors().flatten();
            assert!(
                numbers.all(|p| p.is_finite()),
                "{device}: a margin of {margin}"
            );
        }
    }
}

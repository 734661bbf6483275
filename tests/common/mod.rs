//! What the tests of the executors share.

use std::cell::Cell;

use bregman::activation::Activation;
use bregman::checkpoint::Run;
use bregman::data::{Dataset, Inputs, Split, Splits, Targets};
use bregman::error::Error;
use bregman::executor::Executor;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::{Model, Parameters};
use bregman::optim::{Recipe, Sgd};
use bregman::reference::Reference;
use bregman::rng;
use bregman::selftest::checks::Checks;
use bregman::selftest::networks::{
    Case, Expected, KINDS, REALIZATIONS, Record, SEED, SGD, TRAIN_SAMPLES, cases, dataset, initial,
    run, splits,
};
use bregman::train::{EpochMetrics, Position, Schedule, Silent, train_until};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};

/// The fault of a run of `model`, if there is one.
pub fn fault(expected: &Expected, model: &Model, found: &Record) -> Option<String> {
    let mut checks = Checks::new(false);
    checks.begin("a run");
    expected.compare(model, found, &mut checks);
    checks.into_rows().remove(0).failure
}

/// Fails with a description of the fault.
pub fn check(expected: &Expected, model: &Model, what: &str, found: &Record) {
    if let Some(fault) = fault(expected, model, found) {
        panic!("{what}: {fault}");
    }
}

/// One batch, seen again and again, must be learnt.
pub fn overfits(mut executor: impl Executor, samples: usize, what: &str) {
    let mut last = None;
    for epoch in 0..600 {
        let orders = vec![rng::sample_order(SEED, epoch, samples); 1];
        let batches = pollster::block_on(executor.train_epoch(&orders, &mut |_| {}));
        last = batches.expect("an epoch")[0].last().copied();
    }
    let last = last.expect("a step");
    assert_eq!(last.correct as usize, samples, "{what}: {last:?}");
    assert!(last.loss < 0.05, "{what}: {last:?}");
}

/// A small network and one batch of five classes for [`overfits`].
pub fn overfit_case(kind: LayerKind) -> (Model, Splits, Sgd) {
    let tanh = &Activation::TANH;
    let model = Model::new(kind, Form::Dual, tanh, Loss::CrossEntropy, &[13, 13, 13], 5);
    let train = dataset(SGD.batch_size, 5, 3);
    let splits = Splits {
        test: train.clone(),
        validation: None,
        train,
    };
    let sgd = Sgd {
        batch_size: SGD.batch_size,
        learning_rate: 0.3,
    };
    (model.expect("a valid network"), splits, sgd)
}

/// An infinite weight that saturates its neuron leaves the loss finite; it is found all the same, in
/// its own realization.
pub fn non_finite<E: Executor>(executor: impl Fn(&Model, &[Parameters]) -> E) {
    let model = &cases()[0].model;
    for bad in [f32::INFINITY, f32::NAN] {
        let mut parameters = initial(model, REALIZATIONS);
        parameters[1].layers[1].weight[5] = bad;
        let record = run(&mut executor(model, &parameters), SEED, REALIZATIONS);
        let record = record.expect("a run");
        let last = |r: usize| record.batches[0][r].last().map(|b| b.loss);
        assert!(last(0).is_some_and(f64::is_finite), "{bad}: {:?}", last(0));
        assert!(last(1).is_some_and(f64::is_nan), "{bad}: {:?}", last(1));
    }
}

/// The schedule of a run of three epochs on the self-test's data.
pub fn schedule() -> Schedule {
    Schedule {
        epochs: 3,
        seed: SEED,
        realizations: REALIZATIONS,
        samples: TRAIN_SAMPLES,
        batch_size: SGD.batch_size,
        validation: true,
    }
}

/// Trains until `stop`, or to the end.
pub fn train_on(executor: &mut impl Executor, position: &mut Position, stop: &dyn Fn() -> bool) {
    let schedule = schedule();
    let epochs = schedule.epochs;
    let mut observer = Silent;
    let run = train_until(executor, &schedule, position, &mut observer, epochs, stop);
    pollster::block_on(run).expect("training");
}

/// A run that continues in a new executor, from a file, wherever it was stopped, ends with the bits of
/// the whole run: parameters, losses and accuracies.
pub fn resumes<E: Executor>(
    model: &Model,
    recipe: &Recipe,
    executor: impl Fn(&[Parameters], Recipe) -> E,
) {
    let recipe = Recipe {
        first_step: 0,
        epochs: schedule().epochs,
        ..recipe.clone()
    };
    let whole = {
        let mut executor = executor(&initial(model, REALIZATIONS), recipe.clone());
        let mut position = Position::default();
        train_on(&mut executor, &mut position, &|| false);
        (timeless(position), parameters(&mut executor))
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("run");
    // Stops are asked for at least twice a stretch of steps; 40 are beyond the end of the run.
    for patience in (2..40u32).step_by(3) {
        let mut run = Run {
            model: model.clone(),
            dataset: String::new(),
            data_sha256: String::new(),
            device: String::new(),
            options: Default::default(),
            seed: SEED,
            position: Position::default(),
            parameters: initial(model, REALIZATIONS),
            moments: Vec::new(),
        };
        let left = Cell::new(patience);
        let stop = || left.replace(left.get().saturating_sub(1)) == 0;
        let mut first = executor(&run.parameters, recipe.clone());
        train_on(&mut first, &mut run.position, &stop);
        run.parameters = parameters(&mut first);
        run.moments = pollster::block_on(first.moments()).expect("moments");
        run.save(&path).expect("save");
        drop(first);

        let mut run = Run::load(&path).expect("load");
        let resumed = Recipe {
            first_step: run.position.number(schedule().steps() as u64),
            ..recipe.clone()
        };
        let mut second = executor(&run.parameters, resumed);
        second.set_moments(&run.moments).expect("the same moments");
        train_on(&mut second, &mut run.position, &|| false);
        let resumed = (timeless(run.position), parameters(&mut second));
        assert!(resumed == whole, "stopped after {patience} questions");
    }
}

fn parameters(executor: &mut impl Executor) -> Vec<Parameters> {
    pollster::block_on(executor.parameters()).expect("parameters")
}

/// Without what depends on the clock.
fn timeless(mut position: Position) -> Position {
    let epochs = position.epochs.iter().map(|epoch| EpochMetrics {
        seconds: 0.0,
        samples_per_second: 0.0,
        ..epoch
    });
    position.epochs = epochs.collect();
    position
}

/// Orders and counts that do not fit are refused.
pub fn refuses(executor: &mut impl Executor) {
    let whole: Vec<u32> = (0..TRAIN_SAMPLES as u32).collect();
    let mut beyond = whole.clone();
    beyond[3] = TRAIN_SAMPLES as u32;
    for orders in [
        vec![whole.clone()],
        vec![whole.clone(), whole[1..].to_vec()],
        vec![whole, beyond],
    ] {
        let result = pollster::block_on(executor.train_epoch(&orders, &mut |_| {}));
        assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
    }
}

/// Standard layers from W = I and Euclidean ones from W = 0, both with b = 0, are one network: ten
/// steps later W is still I apart, and every loss is the same.
pub fn standard_is_euclidean(mut run_of: impl FnMut(&Model, Vec<Parameters>) -> Record) {
    for activation in Activation::ALL {
        let [standard, euclidean] = [LayerKind::Standard, LayerKind::Euclidean].map(|kind| {
            let loss = Loss::CrossEntropy;
            let model = Model::new(kind, Form::Dual, activation, loss, &[13, 13, 13], 5);
            model.expect("a network")
        });
        let initial = |model: &Model| {
            let parameters = Init::Deterministic.parameters(model, SEED);
            vec![parameters; REALIZATIONS]
        };
        let expected =
            Expected::from(&standard, &initial(&standard), &SGD.into()).expect("a reference");
        let mut found = run_of(&euclidean, initial(&euclidean));
        for parameters in &mut found.parameters {
            for layer in &mut parameters.layers {
                layer.weight.iter_mut().step_by(14).for_each(|w| *w += 1.0);
            }
        }
        check(&expected, &standard, activation.name, &found);
    }
}

/// Networks of one to four hidden layers of any width, with M or without.
fn networks() -> impl Strategy<Value = Model> {
    let widths = proptest::collection::vec(1..24usize, 1..=4);
    let activations = select(Activation::ALL.iter().collect::<Vec<_>>());
    let losses = prop_oneof![Just(Loss::CrossEntropy), Just(Loss::MeanSquaredError)];
    (
        select(KINDS.to_vec()),
        activations,
        losses,
        widths,
        1..12usize,
    )
        .prop_map(|((kind, form), activation, loss, hidden, outputs)| {
            // One output is for squared errors alone.
            let outputs = match loss {
                Loss::CrossEntropy => outputs.max(2),
                Loss::MeanSquaredError | Loss::Huber => outputs,
            };
            let widths: Vec<usize> = [13].into_iter().chain(hidden).collect();
            Model::new(kind, form, activation, loss, &widths, outputs).expect("a network")
        })
}

/// Ten steps of networks of any shape: every loss, count and parameter is the reference's to
/// rounding.
pub fn any_network_agrees(cases: u32, run_of: impl Fn(&Model, Vec<Parameters>) -> Record) {
    let config = ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(SEED),
        ..ProptestConfig::with_cases(cases)
    };
    let agrees = |model: Model| {
        let expected = Expected::of(&model).expect("a reference");
        // Where training blows up, rounding errors do, too, and are no longer small.
        let losses = expected.record.metrics().map(|batch| batch.loss);
        if losses.fold(0.0, f64::max) > 100.0 {
            return Err(TestCaseError::reject("it diverges"));
        }
        let found = run_of(&model, initial(&model, REALIZATIONS));
        match fault(&expected, &model, &found) {
            Some(fault) => Err(TestCaseError::fail(fault)),
            None => Ok(()),
        }
    };
    if let Err(failure) = TestRunner::new(config).run(&networks(), agrees) {
        panic!("{failure}");
    }
}

/// `splits` with other inputs and targets for each data set.
fn changed(splits: &Splits, change: impl Fn(&mut Dataset)) -> Splits {
    let mut splits = splits.clone();
    let parts = [&mut splits.train, &mut splits.test];
    parts
        .into_iter()
        .chain(&mut splits.validation)
        .for_each(change);
    splits
}

/// Numbers that equal what a network makes of bytes train it to the same bits; so do values that equal
/// the targets of classes except the count of right classes, which values have none of.
pub fn numbers_and_values_are_bytes_and_classes<E: Executor>(
    cases: impl IntoIterator<Item = Case>,
    executor: impl Fn(&Model, &Splits) -> E,
) {
    let (mut by_class, mut as_values) = (0, 0);
    for Case { name, model } in cases {
        let run = |splits: &Splits| {
            let found = run(&mut executor(&model, splits), SEED, REALIZATIONS);
            found.unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let bytes = splits(&model);
        let table = model.pixel_values();
        let numbers = changed(&bytes, |data| {
            let all: Vec<u32> = (0..data.len() as u32).collect();
            data.inputs = Inputs::Numbers(data.values_of(&all, &table));
        });
        let expected = run(&bytes);
        assert!(run(&numbers) == expected, "{name}: numbers");
        by_class += expected.metrics().map(|batch| batch.correct).sum::<u32>();
        if model.loss != Loss::MeanSquaredError {
            continue;
        }
        let outputs = model.head.outputs;
        let values = changed(&numbers, |data| {
            let target = |&label: &u32| -> Vec<f32> {
                match outputs {
                    1 => vec![label as f32],
                    _ => (0..outputs).map(|j| f32::from(j as u32 == label)).collect(),
                }
            };
            let values = data.labels().iter().flat_map(target).collect();
            (data.targets, data.classes) = (Targets::Values(values), outputs);
        });
        let found = run(&values);
        assert_eq!(found.parameters, expected.parameters, "{name}: values");
        for (found, expected) in found.metrics().zip(expected.metrics()) {
            assert_eq!(found.loss, expected.loss, "{name}: values");
            assert_eq!(found.correct, 0, "{name}: values have no class");
        }
        as_values += 1;
    }
    assert!(
        by_class > 0 && as_values > 0,
        "{by_class} right, {as_values} cases"
    );
}

/// The logits of every split are those of the reference with the same parameters, by realization and
/// sample.
pub fn logits_are_the_reference_s<E: Executor>(
    cases: impl IntoIterator<Item = Case>,
    executor: impl Fn(&Model, Vec<Parameters>) -> E,
) {
    for Case { name, model } in cases {
        let parameters = initial(&model, REALIZATIONS);
        let mut found = executor(&model, parameters.clone());
        // The weights are in either of two buffers after an odd number of steps.
        let orders: Vec<_> = (0..REALIZATIONS as u64)
            .map(|r| rng::sample_order(SEED + r, 0, TRAIN_SAMPLES))
            .collect();
        pollster::block_on(found.train_steps(&orders, 0..1, &mut |_| {})).expect("a step");
        let trained = pollster::block_on(found.parameters()).expect("parameters");
        let mut expected =
            Reference::new(&model, &splits(&model), &trained, SGD).expect("a reference");
        for split in [Split::Train, Split::Validation, Split::Test] {
            let logits = pollster::block_on(found.logits(split)).expect("logits");
            let expected = pollster::block_on(expected.logits(split)).expect("logits");
            for (r, (logits, expected)) in logits.iter().zip(&expected).enumerate() {
                assert_eq!(logits.len(), expected.len(), "{name} {split:?} {r}");
                // Sums of a few dozen products of numbers below 1, through three layers at most.
                let largest = expected.iter().fold(1.0f32, |most, y| most.max(y.abs()));
                for (i, (y, expected)) in logits.iter().zip(expected).enumerate() {
                    let close = (y - expected).abs() <= 2e-5 * largest;
                    assert!(close, "{name} {split:?} {r} {i}: {y}, expected {expected}");
                }
            }
        }
    }
}

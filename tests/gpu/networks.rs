//! The GPU executor as a whole; that its numbers are right is the self-test's.

use bregman::checkpoint::Run;
use bregman::data::{Split, Splits};
use bregman::error::Error;
use bregman::executor::Executor;
use bregman::gpu::{Gpu, GpuExecutor, Plan, PlanOptions};
use bregman::kind::LayerKind;
use bregman::kind::Storage;
use bregman::nn::Parameters;
use bregman::optim::{Recipe, Sgd};
use bregman::prelude::*;
use bregman::reference::Reference;
use bregman::rng::sample_order;

use bregman::selftest::networks::{
    Case, REALIZATIONS, Record, SEED, SGD, cases, cnn_cases, dataset, initial, mixed_cases,
    optimizer_cases, run, splits,
};

use bregman::train::{Position, Silent, train_until};

use crate::common;
use crate::{Test, gpu, own_gpu};

pub fn tests() -> Vec<Test> {
    vec![
        ("networks::a_run_repeats_to_the_bit", repeats),
        ("networks::realizations_are_independent_runs", realizations),
        (
            "networks::standard_layers_with_the_identity_are_euclidean_layers",
            standard_is_euclidean,
        ),
        (
            "networks::networks_of_any_shape_agree_with_the_reference",
            any_network,
        ),
        (
            "networks::numbers_and_values_train_as_bytes_and_classes_do",
            numbers,
        ),
        ("networks::logits_agree_with_the_reference", logits),
        ("networks::a_trainer_trains_on_an_adapter", trainer),
        ("networks::half_precision_follows_single", half_precision),
        ("networks::one_batch_is_overfitted", overfits),
        ("networks::a_large_batch_is_updated_in_parts", large_batches),
        ("networks::non_finite_parameters_are_reported", non_finite),
        ("networks::an_epoch_of_many_submissions", submissions),
        ("networks::orders_that_do_not_fit_are_refused", refuses),
        ("networks::a_network_too_large_is_refused", too_large),
        ("networks::a_lost_device_is_a_typed_error", lost_device),
        ("networks::a_resumed_run_is_the_whole_run", resumes),
        ("networks::a_lost_device_leaves_the_checkpoint", lost_run),
    ]
}

fn after_an_epoch(mut executor: impl Executor, orders: &[Vec<u32>]) -> Vec<Parameters> {
    pollster::block_on(async {
        executor
            .train_epoch(orders, &mut |_| {})
            .await
            .expect("an epoch");
        executor.parameters().await.expect("parameters")
    })
}

/// The first layer's gradient is that of parts of the batch; the last step has a smaller batch, which ends
/// within the second part.
fn large_batches() {
    let train = dataset(1024 + 700, 5, 0);
    let splits = Splits {
        test: train.select(&[0, 1, 2]),
        validation: None,
        train,
    };
    let (kind, loss, tanh) = (LayerKind::Bregman, Loss::CrossEntropy, &Activation::TANH);
    let model = Model::new(kind, Form::Dual, tanh, loss, &[13, 13, 13], 5).expect("a network");
    let parameters = initial(&model, REALIZATIONS);
    let sgd = Sgd {
        batch_size: 1024,
        ..SGD
    };
    let options = options(REALIZATIONS, sgd, true);
    let plan = Plan::new(&model, &splits, options.clone()).expect("a plan");
    let kernels = plan.train_step.iter().map(|op| op.shader.kernel());
    let sums = kernels.filter(|&kernel| kernel == "optimizer_step").count();
    assert_eq!(sums, 2, "parts of a weight and of a bias");
    let orders: Vec<_> = (0..REALIZATIONS as u64)
        .map(|r| sample_order(SEED + r, 0, splits.train.len()))
        .collect();
    let reference = Reference::new(&model, &splits, &parameters, sgd).expect("a reference");
    let expected = after_an_epoch(reference, &orders);
    let found = after_an_epoch(executor(&model, &splits, &parameters, options), &orders);
    for (expected, found) in expected.iter().zip(&found) {
        for (expected, found) in expected.tensors().zip(found.tensors()) {
            for (expected, found) in expected.iter().zip(found) {
                // Two steps; the sums of 1,024 terms are below 1.
                let near = (expected - found).abs() <= 1e-5 * (1.0 + expected.abs());
                assert!(near, "found {found}, expected {expected}");
            }
        }
    }
}

fn options(realizations: usize, recipe: impl Into<Recipe>, fused: bool) -> PlanOptions {
    PlanOptions {
        realizations,
        recipe: recipe.into(),
        fused,
        storage: Storage::F32,
        small: false,
    }
}

fn executor(
    model: &Model,
    splits: &Splits,
    parameters: &[Parameters],
    options: PlanOptions,
) -> GpuExecutor {
    executor_on(gpu(), model, splits, parameters, options)
}

fn executor_on(
    gpu: Gpu,
    model: &Model,
    splits: &Splits,
    parameters: &[Parameters],
    options: PlanOptions,
) -> GpuExecutor {
    let executor = GpuExecutor::new(gpu, model, splits, parameters, options);
    pollster::block_on(executor).unwrap_or_else(|e| panic!("{e}"))
}

fn gpu_run(model: &Model, fused: bool) -> Record {
    let options = options(REALIZATIONS, SGD, fused);
    let parameters = initial(model, REALIZATIONS);
    run(
        &mut executor(model, &splits(model), &parameters, options),
        SEED,
        REALIZATIONS,
    )
    .expect("a run")
}

/// A few cases that between them have every kernel.
fn some_cases() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| {
        let of_values = case.model.loss != Loss::CrossEntropy;
        of_values || ["sin", "tanh"].contains(&case.model.activation_name())
    })
}

fn numbers() {
    for fused in [true, false] {
        // Every fifth, and the losses of values.
        let cases = some_cases().enumerate();
        let cases = cases.filter(|(i, case)| i % 5 == 0 || case.model.loss != Loss::CrossEntropy);
        let cases = cases.map(|(_, case)| case);
        common::numbers_and_values_are_bytes_and_classes(cases, |model, splits| {
            let options = options(REALIZATIONS, SGD, fused);
            executor(model, splits, &initial(model, REALIZATIONS), options)
        });
    }
}

fn logits() {
    for fused in [true, false] {
        let cases = some_cases().step_by(4);
        let cases = cases.chain(cnn_cases().into_iter().step_by(11));
        let cases = cases.chain(mixed_cases().into_iter().step_by(3));
        common::logits_are_the_reference_s(cases, |model, parameters| {
            executor(
                model,
                &splits(model),
                &parameters,
                options(REALIZATIONS, SGD, fused),
            )
        });
    }
}

/// The trainer on an adapter: what it trains is what it trains on the processor, up to rounding; stopped and
/// resumed, to the bit.
fn trainer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.safetensors");
    let features: Vec<[f32; 3]> = (0..40)
        .map(|i| [5, 7, 11].map(|prime| ((i * prime) % 23) as f32 / 16.0 - 0.7))
        .collect();
    let values: Vec<[f32; 1]> = features.iter().map(|[x, y, z]| [x * y - z]).collect();
    let data = Dataset::regression(&features, &values).expect("samples");
    let (train, test) = data.split(0.8, 0).expect("parts");
    let model = Model::input(3).standard(6).bregman(6).outputs(1).build();
    let model = model.expect("a network");
    let adapter = Device::gpu(None).expect("an adapter");
    let on = |device: &Device| {
        Trainer::new(&model)
            .optimizer(Optimizer::adam(0.03))
            .epochs(6)
            .batch_size(8)
            .realizations(2)
            .device(device.clone())
    };
    let whole = on(&adapter).fit(&train, &test).expect("training");
    let stop = |metrics: &EpochMetrics| match metrics.epoch {
        3 => Break(()),
        _ => Continue(()),
    };
    let stopped = on(&adapter).checkpoint(&path, 1).on_epoch(stop);
    assert!(stopped.fit(&train, &test).expect("training").is_stopped());
    let resumed = on(&adapter).resume(&path).fit(&train, &test);
    let resumed = resumed.expect("training");
    assert_eq!(resumed.parameters(), whole.parameters());
    let cpu = on(&Device::cpu()).fit(&train, &test).expect("training");
    let outputs = |trained: &Trained| trained.logits(&test).expect("values");
    for (found, expected) in outputs(&whole).into_iter().zip(outputs(&cpu)) {
        assert!(
            (found - expected).abs() < 1e-3,
            "{found}, {expected} on the processor"
        );
    }
}

fn repeats() {
    for Case { name, model } in some_cases() {
        for fused in [true, false] {
            assert_eq!(
                gpu_run(&model, fused),
                gpu_run(&model, fused),
                "{name}, fused {fused}"
            );
        }
    }
}

fn standard_is_euclidean() {
    for fused in [true, false] {
        common::standard_is_euclidean(|model, parameters| {
            let options = options(REALIZATIONS, SGD, fused);
            let mut executor = executor(model, &splits(model), &parameters, options);
            run(&mut executor, SEED, REALIZATIONS).expect("a run")
        });
    }
}

fn any_network() {
    for fused in [true, false] {
        common::any_network_agrees(6, |model, parameters| {
            let options = options(REALIZATIONS, SGD, fused);
            let mut executor = executor(model, &splits(model), &parameters, options);
            run(&mut executor, SEED, REALIZATIONS).expect("a run")
        });
    }
}

/// Ten steps on weights and activations of 11 bits keep the losses to two decimals.
fn half_precision() {
    for Case { name, model } in some_cases() {
        let mut options = options(REALIZATIONS, SGD, true);
        options.storage = Storage::F16;
        let (splits, parameters) = (splits(&model), initial(&model, REALIZATIONS));
        let half = GpuExecutor::new(gpu(), &model, &splits, &parameters, options);
        let half = pollster::block_on(half);
        if !gpu().has_f16() {
            let refused = matches!(half, Err(Error::InvalidValue { .. }));
            return assert!(refused, "an adapter without shader-f16");
        }
        let mut half = half.unwrap_or_else(|e| panic!("{e}"));
        let found = run(&mut half, SEED, REALIZATIONS).expect("a run");
        let single = gpu_run(&model, true);
        assert_ne!(found, single, "{name}: nothing was rounded");
        let losses = found.batches.iter().flatten().flatten();
        for (half, single) in losses.zip(single.batches.iter().flatten().flatten()) {
            let apart = (half.loss - single.loss).abs();
            assert!(
                apart < 0.01 * (1.0 + single.loss),
                "{name}: {half:?} {single:?}"
            );
        }
    }
}

/// Realization r under seed s is the only realization under seed s + r, to the bit.
fn realizations() {
    for Case { name, model } in some_cases() {
        let together = gpu_run(&model, true);
        for r in 0..REALIZATIONS {
            let parameters = initial(&model, REALIZATIONS).swap_remove(r);
            let mut alone = executor(
                &model,
                &splits(&model),
                &[parameters],
                options(1, SGD, true),
            );
            let alone = run(&mut alone, SEED + r as u64, 1).expect("a run");
            assert_eq!(alone.parameters[0], together.parameters[r], "{name} {r}");
            for (alone, together) in alone.batches.iter().zip(&together.batches) {
                assert_eq!(alone[0], together[r], "{name} {r}");
            }
            for (alone, together) in alone.evaluations.iter().zip(&together.evaluations) {
                assert_eq!(alone[0], together[r], "{name} {r}");
            }
        }
    }
}

fn overfits() {
    for &kind in LayerKind::ALL {
        let (model, splits, sgd) = common::overfit_case(kind);
        let executor = executor(&model, &splits, &initial(&model, 1), options(1, sgd, true));
        common::overfits(executor, splits.train.len(), kind.name());
    }
}

fn non_finite() {
    common::non_finite(|model, parameters| {
        let options = options(parameters.len(), SGD, true);
        executor(model, &splits(model), parameters, options)
    });
}

/// More steps than a submission takes, and more submissions than may be in flight.
fn submissions() {
    let model = &cases()[0].model;
    let splits = splits(model);
    let sgd = Sgd {
        batch_size: 1,
        learning_rate: 0.01,
    };
    let parameters = initial(model, 1);
    let samples = splits.train.len();
    let epochs: u32 = 300_usize.div_ceil(samples) as u32;
    let order: Vec<u32> = (0..epochs)
        .flat_map(|epoch| sample_order(SEED, epoch, samples))
        .collect();
    // The samples again and again, as one epoch.
    let mut long = splits.clone();
    let again: Vec<u32> = (0..samples as u32).collect();
    long.train = splits.train.select(&again.repeat(epochs as usize));
    let orders = [order];
    let mut expected = Reference::new(model, &long, &parameters, sgd).expect("a reference");
    let expected = pollster::block_on(expected.train_epoch(&orders, &mut |_| {})).expect("epoch");
    let mut found = executor(model, &long, &parameters, options(1, sgd, true));
    let mut seen = vec![0];
    let progress = &mut |steps| seen.push(steps);
    let found = pollster::block_on(found.train_epoch(&orders, progress)).expect("epoch");
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&orders[0].len()));
    assert!(seen.len() > 5, "{seen:?}");
    assert_eq!(found[0].len(), expected[0].len());
    for (step, (found, expected)) in found[0].iter().zip(&expected[0]).enumerate() {
        // The roundings of 300 steps of 13 + 8 operations: 300 · 21 · 2⁻²³.
        let bound = 8e-4 * (1.0 + expected.loss);
        let near = (found.loss - expected.loss).abs() <= bound;
        assert!(near, "step {step}: found {found:?}, expected {expected:?}");
    }

    // Stopped after the first submission, it continues to the same bits.
    let mut stopped = executor(model, &long, &parameters, options(1, sgd, true));
    let mut rest = |first, stop: bool| {
        let (stop, mut progress) = (|| stop, |_| {});
        let batches = stopped.train_rest(&orders, first, &stop, &mut progress);
        let batches = pollster::block_on(batches).expect("steps");
        batches.expect("an adapter looks by itself").remove(0)
    };
    let mut batches = rest(0, true);
    assert!((1..found[0].len()).contains(&batches.len()));
    batches.extend(rest(batches.len(), false));
    assert_eq!(batches, found[0]);
}

fn refuses() {
    let model = &cases()[0].model;
    let parameters = initial(model, 2);
    let executor = &mut executor(model, &splits(model), &parameters, options(2, SGD, true));
    common::refuses(executor);
}

/// Found from the description alone, in MiB, before anything is allocated.
fn too_large() {
    let tanh = &bregman::activation::Activation::TANH;
    let loss = bregman::kind::Loss::CrossEntropy;
    let form = bregman::kind::Form::Dual;
    let widths = [13, 40_000, 40_000];
    let model = Model::new(LayerKind::Standard, form, tanh, loss, &widths, 5).expect("a network");
    let plan = Plan::new(&model, &splits(&model), options(1, SGD, true)).expect("a plan");
    let mut limits = gpu().limits();
    limits.max_buffer_size = 1 << 30;
    limits.max_storage_buffer_binding_size = 1 << 31;
    match plan.check_limits(&limits) {
        Err(Error::TooLarge {
            name,
            mib,
            limit_mib,
            ..
        }) => {
            assert_eq!(name, "layers.1.weight");
            assert_eq!(mib, (4u64 * 40_000 * 40_000).div_ceil(1 << 20));
            assert_eq!(limit_mib, 1024);
        }
        other => panic!("{other:?}"),
    }
}

/// The device goes in the middle of a run: the next epoch, evaluation and read-back all say so.
fn lost_device() {
    let model = &cases()[0].model;
    let data = splits(model);
    let mut executor = executor_on(
        own_gpu(),
        model,
        &data,
        &initial(model, 1),
        options(1, SGD, true),
    );
    let samples = data.train.len();
    let orders = vec![(0..samples as u32).collect::<Vec<_>>()];
    let epoch = |executor: &mut GpuExecutor| {
        pollster::block_on(executor.train_epoch(&orders, &mut |_| {})).map(drop)
    };
    epoch(&mut executor).expect("an epoch on a live device");
    executor.gpu().destroy();
    let lost = |result: Result<(), Error>| match result {
        Err(Error::DeviceLost { .. }) => {}
        other => panic!("{other:?}"),
    };
    lost(epoch(&mut executor));
    lost(pollster::block_on(executor.evaluate(Split::Test)).map(drop));
    lost(pollster::block_on(executor.parameters()).map(drop));
}

fn resumes() {
    for (case, fused) in some_cases().zip([true, false, true]) {
        let data = splits(&case.model);
        common::resumes(&case.model, &SGD.into(), |p, recipe| {
            executor(&case.model, &data, p, options(REALIZATIONS, recipe, fused))
        });
    }
    // AdamW with its state in the kernel of the layer, then beside M in a dispatch of its own; momentum with a
    // limited norm, unfused.
    for (index, fused) in [(12, true), (13, true), (16, false)] {
        let (case, recipe) = optimizer_cases().swap_remove(index);
        let data = splits(&case.model);
        common::resumes(&case.model, &recipe, |p, recipe| {
            executor(&case.model, &data, p, options(REALIZATIONS, recipe, fused))
        });
    }
}

/// The device goes in the middle of a run: training says so, and the checkpoint continues elsewhere.
fn lost_run() {
    let model = &cases()[0].model;
    let data = splits(model);
    let new = |p: &[Parameters]| {
        executor_on(own_gpu(), model, &data, p, options(REALIZATIONS, SGD, true))
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("run");
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
    let schedule = common::schedule();
    let mut first = new(&run.parameters);
    let until = |executor: &mut GpuExecutor, position: &mut Position, epochs| {
        let mut observer = Silent;
        let run = train_until(
            executor,
            &schedule,
            position,
            &mut observer,
            epochs,
            &|| false,
        );
        pollster::block_on(run)
    };
    until(&mut first, &mut run.position, 1).expect("an epoch");
    run.parameters = pollster::block_on(first.parameters()).expect("parameters");
    run.save(&path).expect("save");
    let saved = std::fs::read(&path).expect("read");
    first.gpu().destroy();
    let lost = until(&mut first, &mut run.position, 3);
    assert!(matches!(lost, Err(Error::DeviceLost { .. })), "{lost:?}");
    assert_eq!(std::fs::read(&path).expect("read"), saved);
    let mut run = Run::load(&path).expect("load");
    let mut second = new(&run.parameters);
    until(&mut second, &mut run.position, 3).expect("the rest of the run");
    assert_eq!(run.position.epochs.len(), 3);
}

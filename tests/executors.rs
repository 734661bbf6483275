//! The CPU executor compared with the reference: ten steps of SGD, every loss and every parameter.

mod common;

use std::sync::Arc;

use bregman::activation::Activation;
use bregman::cpu::CpuExecutor;
use bregman::data::augment::Augmenter;
use bregman::data::{Augmentation, Dataset, Split, Splits, Targets};
use bregman::error::Error;
use bregman::executor::{BatchMetrics, Executor};
use bregman::kernels::Isa;
use bregman::kind::{Form, LayerKind, Loss};
use bregman::nn::{LayerSpec, Model, Parameters};
use bregman::optim::{Recipe, Sgd};
use bregman::reference::{Reference, augment};
use bregman::rng;
use bregman::selftest::networks::{
    Expected, KINDS, REALIZATIONS, Record, SEED, SGD, augmented_cases, cases, cnn_cases, dataset,
    initial, largest_difference, mixed_cases, neighbours, optimizer_cases, run, splits,
};
use bregman::selftest::training::{saturated, saturated_losses};

fn cpu(model: &Model, parameters: Vec<Parameters>) -> CpuExecutor {
    cpu_by(model, parameters, SGD)
}

fn cpu_by(model: &Model, parameters: Vec<Parameters>, recipe: impl Into<Recipe>) -> CpuExecutor {
    CpuExecutor::new(model, Arc::new(splits(model)), parameters, recipe).expect("an executor")
}

fn cpu_run(model: &Model) -> Record {
    run(
        &mut cpu(model, initial(model, REALIZATIONS)),
        SEED,
        REALIZATIONS,
    )
    .expect("a run")
}

#[test]
fn cpu_agrees_with_the_reference() {
    for case in cases().into_iter().chain(mixed_cases()) {
        let expected = Expected::of(&case.model).expect("a reference");
        for isa in Isa::all() {
            let mut cpu = cpu(&case.model, initial(&case.model, REALIZATIONS)).on(isa);
            let found = run(&mut cpu, SEED, REALIZATIONS).expect("a run");
            let name = format!("{}, {}", case.name, isa.name());
            common::check(&expected, &case.model, &name, &found);
        }
    }
}

/// Every way from one layer to the next, on the widest instruction set.
#[test]
fn cpu_agrees_with_the_reference_between_any_two_layers() {
    for case in neighbours() {
        let expected = Expected::of(&case.model).expect("a reference");
        common::check(&expected, &case.model, &case.name, &cpu_run(&case.model));
    }
}

#[test]
fn cpu_convolutions_agree_with_the_reference() {
    for case in cnn_cases() {
        let expected = Expected::of(&case.model).expect("a reference");
        common::check(&expected, &case.model, &case.name, &cpu_run(&case.model));
    }
}

#[test]
fn numbers_and_values_train_as_bytes_and_classes_do() {
    let convolutions = cnn_cases().into_iter().step_by(5);
    common::numbers_and_values_are_bytes_and_classes(
        cases().into_iter().chain(convolutions).chain(mixed_cases()),
        |model, splits| {
            let parameters = initial(model, REALIZATIONS);
            let splits = Arc::new(splits.clone());
            CpuExecutor::new(model, splits, parameters, SGD).expect("an executor")
        },
    );
    let squared = cases()
        .into_iter()
        .filter(|case| case.model.loss == Loss::MeanSquaredError);
    common::numbers_and_values_are_bytes_and_classes(squared, |model, splits| {
        let parameters = initial(model, REALIZATIONS);
        Reference::new(model, splits, &parameters, SGD).expect("a reference")
    });
}

/// The bytes of augmented images are the reference's, for images of any shape; what is drawn differs between
/// seeds, epochs and samples.
#[test]
fn augmented_images_are_the_reference_s() {
    let changes = [
        "crop:1",
        "flip",
        "rotate:180",
        "rotate:7.5",
        "scale:0.5",
        "shift:1",
        "noise:0.7",
        "noise:0.01",
        "cutout:2",
        "crop:1,flip,rotate:30,scale:0.3,shift:1,noise:0.1,cutout:1",
    ];
    for shape @ [channels, height, width] in [[1, 2, 2], [3, 7, 4], [1, 5, 11], [2, 9, 9]] {
        let features = channels * height * width;
        let bytes: Vec<u8> = (0..3 * features)
            .map(|i| (i * i * 31 % 256) as u8)
            .collect();
        let data = Dataset::images(bytes.clone(), shape, &[0u8; 3]).expect("images");
        for changes in changes {
            let augmentation: Augmentation = changes.parse().expect("changes");
            assert_eq!(
                augmentation
                    .to_string()
                    .parse::<Augmentation>()
                    .expect("the same"),
                augmentation
            );
            let augmenter = Augmenter::new(augmentation, &data).expect("tables");
            let mut seen = Vec::new();
            for (seed, epoch, sample) in
                [(0, 0, 0), (0, 0, 1), (0, 5, 1), (u64::MAX, 5, 1), (7, 3, 2)]
            {
                let image = &bytes[sample as usize * features..][..features];
                let mut found = vec![0; features];
                augmenter.apply(seed, epoch, sample, image, &mut found);
                let place = [seed, epoch.into(), sample.into()];
                let expected = augment(augmentation, place, shape, image);
                assert_eq!(
                    found, expected,
                    "{changes} {shape:?} {seed} {epoch} {sample}"
                );
                seen.push(found);
            }
            let differ = seen.iter().any(|image| image != &bytes[..features]);
            assert!(differ, "{changes} {shape:?} changes nothing");
        }
    }
    // The first image of many epochs: each is drawn anew, and its mean shifts are near 0.
    let data = Dataset::images(vec![1; 9 * 9], [1, 9, 9], &[0u8]).expect("an image");
    let augmenter = Augmenter::new("shift:4".parse().expect("changes"), &data).expect("tables");
    let mut rows = Vec::new();
    for epoch in 0..500 {
        let mut found = vec![0; 81];
        augmenter.apply(1, epoch, 0, data.pixels(), &mut found);
        let above = found.iter().take_while(|&&byte| byte == 0).count() / 9;
        let below = found.iter().rev().take_while(|&&byte| byte == 0).count() / 9;
        rows.push(above as f64 - below as f64);
    }
    assert!(rows.contains(&4.0) && rows.contains(&-4.0) && rows.contains(&0.0));
    // Nine shifts of variance 20 / 3: four standard errors of the mean of 500.
    let mean = rows.iter().sum::<f64>() / 500.0;
    assert!(mean.abs() < 4.0 * (20.0f64 / 3.0 / 500.0).sqrt(), "{mean}");
}

/// Noise has the mean and the deviation that it says.
#[test]
fn noise_is_normal() {
    let data = Dataset::images(vec![128; 64 * 64], [1, 64, 64], &[0u8]).expect("an image");
    let augmenter = Augmenter::new("noise:0.1".parse().expect("changes"), &data).expect("tables");
    let mut found = vec![0; 64 * 64];
    augmenter.apply(1, 0, 0, data.pixels(), &mut found);
    let differences: Vec<f64> = found.iter().map(|&byte| f64::from(byte) - 128.0).collect();
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let deviation = (differences.iter().map(|d| d * d).sum::<f64>() / count).sqrt();
    // Four standard errors.
    assert!(mean.abs() < 4.0 * 25.5 / count.sqrt(), "{mean}");
    assert!(
        (deviation - 25.5).abs() < 4.0 * 25.5 / (2.0 * count).sqrt(),
        "{deviation}"
    );
    let beyond = differences.iter().filter(|d| d.abs() > 2.0 * 25.5).count() as f64 / count;
    assert!((beyond - 0.0455).abs() < 0.013, "{beyond}");
}

#[test]
fn augmentation_that_does_not_fit_is_refused() {
    let reason = |text: &str, shape: [usize; 3]| {
        let data =
            Dataset::images(vec![0; shape.iter().product()], shape, &[0u8]).expect("an image");
        let parsed = text.parse::<Augmentation>();
        match parsed.and_then(|augmentation| augmentation.check(&data)) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        reason(
            "crop:3,shift:3,cutout:4,scale:0.5,noise:1,rotate:180",
            [1, 4, 6]
        ),
        ""
    );
    for (text, shape, part) in [
        ("shift:4", [1, 4, 6], "at most shift:3"),
        ("crop:4", [1, 4, 6], "at most crop:3"),
        ("cutout:5", [1, 4, 6], "at most cutout:4"),
        ("flip", [1, 1, 6], "rows of numbers"),
        ("flip", [1, 2, 4097], "larger than"),
        ("flip:1", [1, 4, 6], "there are crop"),
        ("", [1, 4, 6], "there are crop"),
        ("mirror", [1, 4, 6], "separated by commas"),
        ("shift", [1, 4, 6], "number of pixels"),
        ("shift:0", [1, 4, 6], "number of pixels"),
        ("shift:1.5", [1, 4, 6], "number of pixels"),
        ("rotate:181", [1, 4, 6], "at most 180"),
        ("rotate:NaN", [1, 4, 6], "at most 180"),
        ("scale:0.6", [1, 4, 6], "at most 0.5"),
        ("noise:-1", [1, 4, 6], "at most 1"),
        ("flip,flip", [1, 4, 6], "twice"),
    ] {
        let found = reason(text, shape);
        assert!(found.contains(part), "{text}: {found}");
    }
    let numbers = Dataset::classification(&[[0.5; 4]], &[0u8]).expect("a row");
    let flip: Augmentation = "flip".parse().expect("changes");
    assert!(flip.check(&numbers).is_err());
}

#[test]
fn logits_agree_with_the_reference() {
    let all = cases().into_iter().chain(cnn_cases()).chain(mixed_cases());
    common::logits_are_the_reference_s(all, cpu);
}

/// Values under cross-entropy, a wrong number of them, and numbers outside the range of a first Bregman
/// layer are refused; other first layers take any finite number.
#[test]
fn numbers_and_values_that_do_not_fit_are_refused() {
    let model = |kind, loss, outputs| {
        Model::new(kind, Form::Dual, &Activation::TANH, loss, &[2, 3], outputs).expect("a network")
    };
    let refused = |model: &Model, data: &Dataset| match model.check_dataset(data) {
        Ok(()) => None,
        Err(Error::InvalidValue { field, .. }) => Some(field.to_owned()),
        Err(error) => Some(error.to_string()),
    };
    let features = [[0.5, -0.5], [1.0, 0.0]];
    let data = Dataset::regression(&features, &[[0.5], [7.0]]).expect("data");
    let (bregman, squared) = (LayerKind::Bregman, Loss::MeanSquaredError);
    assert_eq!(refused(&model(bregman, squared, 1), &data), None);
    let entropy = model(bregman, Loss::CrossEntropy, 2);
    assert_eq!(refused(&entropy, &data).as_deref(), Some("loss"));
    let two = refused(&model(bregman, squared, 2), &data).expect("refused");
    assert!(two.contains("values of a sample"), "{two}");
    let beyond = Dataset::regression(&[[0.5, -0.5], [1.5, 0.0]], &[[0.5], [7.0]]).expect("data");
    let error = model(bregman, squared, 1).check_dataset(&beyond);
    let error = error.expect_err("outside").to_string();
    assert!(
        error.contains("sample 1") && error.contains("[-1, 1]"),
        "{error}"
    );
    assert_eq!(
        refused(&model(LayerKind::Standard, squared, 1), &beyond),
        None
    );
    let infinite = Dataset::classification(&[[f32::INFINITY]], &[0u8]);
    assert!(matches!(
        infinite,
        Err(Error::InvalidValue {
            field: "features",
            ..
        })
    ));
}

#[test]
fn cpu_optimizers_and_augmentation_agree_with_the_reference() {
    for (case, recipe) in optimizer_cases().into_iter().chain(augmented_cases()) {
        let expected = Expected::by(&case.model, &recipe).expect("a reference");
        for isa in Isa::all() {
            let parameters = initial(&case.model, REALIZATIONS);
            let mut cpu = cpu_by(&case.model, parameters, recipe.clone()).on(isa);
            let found = run(&mut cpu, SEED, REALIZATIONS).expect("a run");
            let name = format!("{}, {}", case.name, isa.name());
            common::check(&expected, &case.model, &name, &found);
        }
    }
}

/// A realization with settings of its own has the bits of the run that has them alone.
#[test]
fn realizations_with_their_own_settings_are_independent_runs() {
    for (case, recipe) in optimizer_cases().into_iter().chain(augmented_cases()) {
        let parameters = initial(&case.model, REALIZATIONS);
        let together = run(
            &mut cpu_by(&case.model, parameters.clone(), recipe.clone()),
            SEED,
            REALIZATIONS,
        );
        let together = together.expect("a run");
        for (r, own) in parameters.into_iter().enumerate() {
            let alone = Recipe {
                runs: vec![recipe.run(r)],
                ..recipe.clone()
            };
            let mut alone = cpu_by(&case.model, vec![own], alone);
            let alone = run(&mut alone, SEED + r as u64, 1).expect("a run");
            let same = alone.parameters[0] == together.parameters[r];
            assert!(same, "{} {r}", case.name);
        }
    }
}

#[test]
fn a_run_repeats_to_the_bit() {
    let cases = cases().into_iter().chain(cnn_cases()).chain(mixed_cases());
    for case in cases {
        assert_eq!(cpu_run(&case.model), cpu_run(&case.model), "{}", case.name);
    }
}

/// Realization r under seed s is the only realization under seed s + r.
#[test]
fn realizations_are_independent_runs() {
    for case in cases().into_iter().chain(mixed_cases()) {
        let together = cpu_run(&case.model);
        for r in 0..REALIZATIONS {
            let parameters = vec![initial(&case.model, REALIZATIONS).swap_remove(r)];
            let alone = run(&mut cpu(&case.model, parameters), SEED + r as u64, 1);
            let alone = alone.expect("a run");
            assert_eq!(
                alone.parameters[0], together.parameters[r],
                "{} {r}",
                case.name
            );
            for (alone, together) in alone.batches.iter().zip(&together.batches) {
                assert_eq!(alone[0], together[r], "{} {r}", case.name);
            }
            for (alone, together) in alone.evaluations.iter().zip(&together.evaluations) {
                assert_eq!(alone[0], together[r], "{} {r}", case.name);
            }
        }
    }
}

/// One network of each kind and form, with M and without.
#[test]
fn a_resumed_run_is_the_whole_run_to_the_bit() {
    for case in cases().iter().step_by(9).chain(&mixed_cases()) {
        let recipe = SGD.into();
        common::resumes(&case.model, &recipe, |p, recipe| {
            cpu_by(&case.model, p.to_vec(), recipe)
        });
    }
    for (case, recipe) in optimizer_cases().into_iter().chain(augmented_cases()) {
        common::resumes(&case.model, &recipe, |p, recipe| {
            cpu_by(&case.model, p.to_vec(), recipe)
        });
    }
}

/// A network with enough work for three threads, and data with a short last batch.
fn large(
    (kind, form): (LayerKind, Form),
    activation: &'static Activation,
    outputs: usize,
) -> (Model, Splits, Sgd) {
    let loss = Loss::MeanSquaredError;
    // The second layer carries a, the others begin with M; sums of 523 are cut in two.
    let widths = [13, 523, 523, 67];
    let model = Model::new(kind, form, activation, loss, &widths, outputs);
    let model = model.expect("a valid network");
    let classes = outputs.max(2);
    let splits = Splits {
        train: dataset(2 * 45 + 3, classes, 0),
        validation: None,
        test: dataset(1, classes, 2),
    };
    let sgd = Sgd {
        batch_size: 45,
        learning_rate: 0.05,
    };
    (model, splits, sgd)
}

/// [`large`] with layers that differ.
fn large_mixed() -> (Model, Splits, Sgd) {
    let layer = |kind, activation, width| LayerSpec::new(kind, Form::Dual, activation, width);
    let bregman = |activation, width| layer(LayerKind::Bregman, activation, width);
    let pass = |spec| LayerSpec {
        dual_passage: true,
        ..spec
    };
    let specs = [
        bregman(&Activation::ARCTAN, 523),
        pass(bregman(&Activation::SIN, 523)),
        bregman(&Activation::SIN, 523),
        bregman(&Activation::TANH, 523),
        pass(bregman(&Activation::SOFTPLUS, 131)),
        layer(LayerKind::Euclidean, &Activation::TANH, 67),
    ];
    let (_, splits, sgd) = large(KINDS[0], &Activation::TANH, 5);
    let model = Model::from_layers(13, &specs, Loss::MeanSquaredError, 5);
    (model.expect("a valid network"), splits, sgd)
}

/// An epoch and two evaluations of [`large`] on `threads` threads.
fn large_run(
    (model, splits, recipe): &(Model, Splits, impl Into<Recipe> + Clone + Sync),
    threads: usize,
    isa: Isa,
) -> (Vec<Vec<Vec<BatchMetrics>>>, Vec<Parameters>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(|| {
        let parameters = initial(model, 1);
        let executor =
            CpuExecutor::new(model, Arc::new(splits.clone()), parameters, recipe.clone());
        let mut executor = executor.expect("an executor").on(isa);
        assert_eq!(executor.threads(), threads);
        pollster::block_on(async {
            let orders = [rng::sample_order(SEED, 0, splits.train.len())];
            let mut batches = vec![
                executor
                    .train_epoch(&orders, &mut |_| {})
                    .await
                    .expect("ok"),
            ];
            for split in [Split::Train, Split::Test] {
                batches.push(executor.evaluate(split).await.expect("an evaluation"));
            }
            (batches, executor.parameters().await.expect("parameters"))
        })
    })
}

/// The same with each optimizer, whose gradients are computed in blocks of rows.
#[test]
fn threads_and_instructions_change_no_bit_of_an_optimizer() {
    let cases = optimizer_cases().into_iter().step_by(3);
    for ((case, recipe), outputs) in cases.zip([1, 2, 4, 5].into_iter().cycle()) {
        let (model, splits, sgd) = large(KINDS[2], &Activation::TANH, outputs);
        let recipe = Recipe {
            batch_size: sgd.batch_size,
            runs: vec![recipe.run(0)],
            ..recipe
        };
        let large = (model.clone(), splits.clone(), recipe);
        let expected = large_run(&large, 1, Isa::widest());
        let finite = |b: &BatchMetrics| b.loss.is_finite();
        assert!(expected.0.iter().flatten().flatten().all(finite));
        for threads in 2..=3 {
            for isa in Isa::all() {
                let found = large_run(&large, threads, isa);
                assert!(found == expected, "{} {threads} {}", case.name, isa.name());
            }
        }
    }
}

/// Neither the number of threads nor the instruction set changes a bit.
#[test]
fn threads_and_instructions_change_no_bit() {
    let mut cases = vec![("layers that differ".to_owned(), large_mixed())];
    for kind in KINDS {
        for activation in [&Activation::SIN, &Activation::SCALED_ARCTAN] {
            for outputs in [1, 5] {
                let name = format!("{kind:?} {} {outputs}", activation.name);
                cases.push((name, large(kind, activation, outputs)));
            }
        }
    }
    for (name, case) in cases {
        let expected = large_run(&case, 1, Isa::widest());
        let finite = |b: &BatchMetrics| b.loss.is_finite();
        assert!(expected.0.iter().flatten().flatten().all(finite));
        for threads in 1..=3 {
            for isa in Isa::all() {
                let found = large_run(&case, threads, isa);
                assert!(found == expected, "{name} {threads} {}", isa.name());
            }
        }
    }
}

/// The same network compared with the reference for one epoch, to the roundings of its three steps,
/// each of sums of up to 523 terms, times 8 for their growth through the two hidden layers.
#[test]
fn large_networks_agree_with_the_reference() {
    for kind in KINDS {
        let case = large(kind, &Activation::TANH, 5);
        let (batches, parameters) = large_run(&case, 2, Isa::widest());
        let (model, splits, sgd) = &case;
        let mut reference = Reference::new(model, splits, &initial(model, 1), *sgd).expect("ok");
        let orders = [rng::sample_order(SEED, 0, splits.train.len())];
        let expected = pollster::block_on(reference.train_epoch(&orders, &mut |_| {})).expect("ok");
        let tolerance = 8.0 * 3.0 * (523.0 + 8.0) * f64::from(f32::EPSILON) / 2.0;
        for (found, expected) in batches[0][0].iter().zip(&expected[0]) {
            let off = (found.loss - expected.loss).abs() / expected.loss;
            assert!(
                off <= tolerance,
                "{kind:?}: {found:?}, expected {expected:?}"
            );
        }
        let expected = pollster::block_on(reference.parameters()).expect("parameters");
        let tensors = parameters[0].tensors().zip(expected[0].tensors());
        for ((found, expected), shape) in tensors.zip(model.tensors()) {
            let scale = expected.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
            let off = largest_difference(found, expected) / f64::from(scale);
            assert!(
                off <= tolerance,
                "{kind:?}: {} is off by {off:e}",
                shape.name
            );
        }
    }
}

/// A panic of a member of the team reaches the caller; no member waits for ever.
#[test]
#[should_panic(expected = "progress")]
fn a_panic_ends_the_team() {
    let (model, splits, sgd) = large(KINDS[0], &Activation::TANH, 5);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
    pool.expect("threads").install(|| {
        let samples = splits.train.len();
        let executor = CpuExecutor::new(&model, Arc::new(splits), initial(&model, 1), sgd);
        let orders = [rng::sample_order(SEED, 0, samples)];
        let mut executor = executor.expect("an executor");
        let mut progress = |_| panic!("progress");
        let epoch = executor.train_epoch(&orders, &mut progress);
        pollster::block_on(epoch).expect("no end");
    });
}

#[test]
fn one_batch_is_overfitted() {
    for &kind in LayerKind::ALL {
        let (model, splits, sgd) = common::overfit_case(kind);
        let samples = splits.train.len();
        let executor = CpuExecutor::new(&model, Arc::new(splits), initial(&model, 1), sgd);
        common::overfits(executor.expect("an executor"), samples, kind.name());
    }
}

#[test]
fn non_finite_parameters_are_reported() {
    common::non_finite(|model, parameters| cpu(model, parameters.to_vec()));
}

#[test]
fn orders_that_do_not_fit_are_refused() {
    common::refuses(&mut cpu(&cases()[0].model, initial(&cases()[0].model, 2)));
}

#[test]
fn saturated_networks_stay_finite() {
    for activation in Activation::ALL {
        let (model, splits, parameters, sgd) = saturated(activation).expect("a network");
        let mut reference = Reference::new(&model, &splits, &parameters, sgd).expect("reference");
        let cpu = CpuExecutor::new(&model, Arc::new(splits), parameters, sgd);
        let found = saturated_losses(&mut cpu.expect("an executor")).expect("200 steps");
        let expected = saturated_losses(&mut reference).expect("200 steps");
        assert_eq!(found.len(), 200);
        for (step, losses) in found.into_iter().zip(expected).enumerate() {
            let finite = losses.0.is_finite() && losses.1.is_finite();
            assert!(finite, "{} step {step}: {losses:?}", activation.name);
        }
    }
}

/// With W = 0 and b = 0 a hundred layers in dual form give the same as one, ρ(ρ⁻¹(z)).
#[test]
fn a_hundred_layers_are_the_identity() {
    for activation in Activation::ALL {
        let loss = Loss::MeanSquaredError;
        let model = |layers: usize| {
            let widths = vec![13; layers + 1];
            Model::new(
                LayerKind::Bregman,
                Form::Dual,
                activation,
                loss,
                &widths,
                13,
            )
        };
        let [one, hundred] = [1, 100].map(|layers| {
            let model = model(layers).expect("a network");
            // The head is the identity: the losses depend on the last layer's output.
            let mut parameters = Parameters::zeros(&model);
            parameters
                .head
                .weight
                .iter_mut()
                .step_by(14)
                .for_each(|w| *w = 1.0);
            let mut data = splits(&model);
            data.test = dataset(23, 13, 2);
            let executor = CpuExecutor::new(&model, Arc::new(data), vec![parameters], SGD);
            let mut executor = executor.expect("an executor");
            pollster::block_on(executor.evaluate(Split::Test)).expect("an evaluation")
        });
        assert_eq!(one, hundred, "{}", activation.name);
    }
}

#[test]
fn standard_layers_with_the_identity_are_euclidean_layers() {
    common::standard_is_euclidean(|model, parameters| {
        let executor = Reference::new(model, &splits(model), &parameters, SGD);
        run(&mut executor.expect("an executor"), SEED, REALIZATIONS).expect("a run")
    });
    common::standard_is_euclidean(|model, parameters| {
        run(&mut cpu(model, parameters), SEED, REALIZATIONS).expect("a run")
    });
}

#[test]
fn networks_of_any_shape_agree_with_the_reference() {
    common::any_network_agrees(96, |model, parameters| {
        run(&mut cpu(model, parameters), SEED, REALIZATIONS).expect("a run")
    });
}

#[test]
fn counts_of_zero_are_refused() {
    let model = &cases()[0].model;
    let new = |parameters: Vec<Parameters>, batch_size| {
        let sgd = Sgd { batch_size, ..SGD };
        CpuExecutor::new(model, Arc::new(splits(model)), parameters, sgd).err()
    };
    for error in [new(vec![], 8), new(initial(model, 1), 0)] {
        assert!(
            matches!(error, Some(Error::InvalidValue { .. })),
            "{error:?}"
        );
    }
}

/// Evaluation visits each sample once, in batches, and the last one is short.
#[test]
fn evaluation_covers_the_split() {
    let case = &cases()[0];
    let mut executor = cpu(&case.model, initial(&case.model, 1));
    let batches = pollster::block_on(executor.evaluate(Split::Test)).expect("an evaluation");
    let samples: Vec<u32> = batches[0].iter().map(|b| b.samples).collect();
    assert_eq!(samples, [8, 8, 7]);
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let case = &cases()[0];
    let model = &case.model;
    let mut label = splits(model);
    let Targets::Classes(labels) = &mut label.test.targets else {
        panic!("classes");
    };
    labels[3] = 5;
    let mut width = splits(model);
    let pixels = width.train.pixels()[..12 * width.train.len()].to_vec();
    width.train = Dataset::images(pixels, [1, 1, 12], width.train.labels()).expect("samples");
    let new = |splits| CpuExecutor::new(model, Arc::new(splits), initial(model, 1), SGD).err();
    assert!(
        matches!(
            new(label),
            Some(Error::Label {
                sample: 3,
                label: 5,
                classes: 5,
                ..
            })
        ),
        "a label out of range"
    );
    assert!(
        matches!(new(width), Some(Error::Shape { .. })),
        "samples of another width"
    );
}

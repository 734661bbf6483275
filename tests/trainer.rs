//! The trainer: the same bits as the executors that it drives, stopping and resuming, several runs,
//! predictions, and what it refuses.

use std::sync::Arc;

use bregman::cpu::CpuExecutor;
use bregman::data::Splits;
use bregman::error::Error;
use bregman::executor::Executor;
use bregman::optim::{Recipe, Sgd};
use bregman::prelude::*;
use bregman::train::{self, Schedule};
use bregman::trainer::Trained as Networks;

/// Points of two classes, one within a circle and one around it.
fn circles(samples: usize, stream: u32) -> Dataset {
    let uniform = |i: usize, salt: u32| {
        let hash = (i as u32 * 2 + 1).wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503);
        (hash.wrapping_mul(2_246_822_519) >> 8) as f32 / (1 << 24) as f32
    };
    let point = |i: usize| [0, 1].map(|axis| 1.6 * uniform(i, 2 * stream + axis) - 0.8);
    let points: Vec<[f32; 2]> = (0..samples).map(point).collect();
    let label = |[x, y]: &[f32; 2]| u8::from(x * x + y * y > 0.3);
    let labels: Vec<u8> = points.iter().map(label).collect();
    Dataset::classification(&points, &labels).expect("samples")
}

fn model() -> Model {
    let model = Model::input(2).bregman(8).bregman(8).classes(2).build();
    model.expect("a network")
}

fn trainer(model: &Model) -> Trainer<'_> {
    Trainer::new(model)
        .optimizer(Optimizer::sgd(0.3))
        .batch_size(7)
        .epochs(4)
        .seed(5)
        .device(Device::cpu())
}

fn fitted(trainer: Trainer<'_>) -> Networks {
    let trained = trainer.fit(&circles(60, 0), &circles(40, 1));
    trained.unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_trainer_trains_what_an_executor_trains() {
    let model = model();
    let trained = fitted(trainer(&model).realizations(2));
    let sgd = Sgd {
        batch_size: 7,
        learning_rate: 0.3,
    };
    let mut recipe = Recipe::from(sgd);
    recipe.runs[0].seed = 5;
    let splits = Splits {
        train: circles(60, 0),
        validation: None,
        test: circles(40, 1),
    };
    let parameters = [5, 6].map(|seed| Init::Random.parameters(&model, seed));
    let executor = CpuExecutor::new(&model, Arc::new(splits), parameters.to_vec(), recipe);
    let mut executor = executor.expect("an executor");
    let schedule = Schedule {
        epochs: 4,
        seed: 5,
        realizations: 2,
        samples: 60,
        batch_size: 7,
        validation: false,
    };
    let mut silent = train::Silent;
    let epochs = train::train(&mut executor, &schedule, &mut silent);
    let epochs = pollster::block_on(epochs).expect("training");
    let expected = pollster::block_on(executor.parameters()).expect("parameters");
    let found: Vec<_> = trained.parameters().iter().flatten().cloned().collect();
    assert_eq!(found, expected);
    let accuracies = |epochs: &[EpochMetrics]| -> Vec<Vec<f64>> {
        epochs.iter().map(|e| e.test_accuracies.clone()).collect()
    };
    assert_eq!(accuracies(trained.history()), accuracies(&epochs));
}

/// The network learns, and says of itself what its history says.
#[test]
fn predictions_agree_with_the_history() {
    let model = model();
    let adam = Optimizer::adam(0.02);
    let trained = fitted(trainer(&model).optimizer(adam).epochs(60));
    let test = circles(40, 1);
    let last = trained.history().last().expect("an epoch");
    assert!(last.test_accuracy >= 0.9, "{last:?}");
    let evaluation = trained.evaluate(&test).expect("an evaluation");
    assert_eq!(evaluation.accuracy, Some(last.test_accuracy));
    assert!((evaluation.loss - last.test_loss).abs() < 1e-6 * last.test_loss);
    assert_eq!(evaluation.r2, None);

    let classes = trained.predict(&test).expect("classes");
    let right = classes
        .iter()
        .zip(test.labels())
        .filter(|(a, b)| a == b)
        .count();
    assert_eq!(right as f64 / 40.0, last.test_accuracy);
    let probabilities = trained.probabilities(&test).expect("probabilities");
    for (row, &class) in probabilities.iter().zip(&classes) {
        assert!((row[0] + row[1] - 1.0).abs() < 1e-6, "{row:?}");
        assert!(row[class as usize] >= 0.5, "{row:?} {class}");
    }
}

#[test]
fn a_saved_network_predicts_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Model::input(2)
        .standard(5)
        .activation(&Activation::SIGMOID)
        .bregman(5);
    let model = model.dual_passage().classes(2).build().expect("a network");
    let trained = fitted(trainer(&model).realizations(2));
    let paths = trained
        .save(folder.path().join("net.safetensors"))
        .expect("saved");
    assert_eq!(paths.len(), 2);
    let test = circles(40, 1);
    for (r, path) in paths.iter().enumerate() {
        let loaded = Networks::load(path).expect("a network");
        let own = trained.realization(r).expect("a realization");
        let logits = own.logits(&test).expect("logits");
        assert_eq!(loaded.logits(&test).expect("logits"), logits);
    }
}

#[test]
fn a_callback_stops_training_and_resuming_gives_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.safetensors");
    let model = model();
    let adam_w = || {
        let adam_w = Optimizer::adam_w(0.01);
        trainer(&model).optimizer(adam_w).clip_norm(1.0)
    };
    let cosine = || adam_w().schedule(RateSchedule::cosine().after_warm_up(0.5));
    for is_cosine in [false, true] {
        let begun = || if is_cosine { cosine() } else { adam_w() };
        let whole = fitted(begun());
        let mut seen = Vec::new();
        let stopped = fitted(begun().checkpoint(&path, 10).on_epoch(|metrics| {
            seen.push(metrics.epoch);
            if metrics.epoch == 2 {
                Break(())
            } else {
                Continue(())
            }
        }));
        assert_eq!(seen, [1, 2]);
        assert!(stopped.is_stopped() && !whole.is_stopped());
        assert_eq!(stopped.history().len(), 2);
        assert_ne!(stopped.parameters(), whole.parameters());
        let resumed = fitted(begun().resume(&path));
        assert_eq!(resumed.parameters(), whole.parameters());
        assert_eq!(resumed.history().len(), 4);
    }

    // The checkpoint is of the cosine.
    let refused = |trainer: Trainer<'_>, train: &Dataset| match trainer
        .resume(&path)
        .fit(train, &circles(40, 1))
    {
        Err(Error::OtherRun { field, .. }) => field,
        Err(Error::OtherData { .. }) => "data".to_owned(),
        other => panic!("{other:?}"),
    };
    let train = circles(60, 0);
    assert_eq!(refused(cosine().epochs(9), &train), "epochs");
    let begun = adam_w()
        .epochs(3)
        .checkpoint(folder.path().join("three"), 1);
    fitted(begun);
    let shorter = adam_w().epochs(2).resume(folder.path().join("three"));
    let shorter = shorter.fit(&train, &circles(40, 1));
    assert!(
        matches!(shorter, Err(Error::OtherRun { .. })),
        "{shorter:?}"
    );
    let longer = fitted(adam_w().resume(folder.path().join("three")));
    assert_eq!(longer.parameters(), fitted(adam_w()).parameters());
    assert_eq!(refused(adam_w(), &train), "schedule");
    assert_eq!(refused(cosine().batch_size(8), &train), "batch_size");
    assert_eq!(refused(cosine().seed(6), &train), "runs");
    assert_eq!(refused(cosine().clip_norm(2.0), &train), "clip_norm");
    assert_eq!(refused(cosine(), &circles(60, 3)), "data");
    let euclidean = Model::input(2).euclidean(8).euclidean(8).classes(2).build();
    let euclidean = euclidean.expect("a network");
    assert_eq!(refused(trainer(&euclidean), &train), "layer");
}

/// Each network has the bits that it has alone, whatever is trained beside it; one that diverges is
/// marked.
#[test]
fn runs_with_their_own_settings_are_independent() {
    let model = model();
    let run = |seed, learning_rate, momentum| RunSettings {
        seed,
        learning_rate,
        momentum,
        weight_decay: 0.0,
    };
    let runs = [run(3, 0.1, 0.0), run(3, 1e30, 0.0), run(9, 0.2, 0.9)];
    let together = fitted(trainer(&model).runs(runs));
    for (r, run) in runs.into_iter().enumerate() {
        if r == 1 {
            assert!(together.parameters()[r].is_none());
            assert!(together.outcomes()[r].diverged_at_step.is_some());
            assert!(together.realization(r).is_err());
            continue;
        }
        let alone = fitted(trainer(&model).runs([run]));
        assert_eq!(alone.parameters()[0], together.parameters()[r], "{run:?}");
        let own = together.realization(r).expect("a realization");
        assert_eq!(own.parameters(), alone.parameters());
        let accuracies = |trained: &Networks| -> Vec<f64> {
            let epochs = trained.history().iter();
            epochs
                .flat_map(|e| [e.test_accuracy, e.train_loss])
                .collect()
        };
        assert_eq!(accuracies(&own), accuracies(&alone));
    }
    assert_eq!(together.best(), None);
    let folder = tempfile::tempdir().expect("a folder");
    let paths = together
        .save(folder.path().join("x.safetensors"))
        .expect("saved");
    let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["x-0.safetensors", "x-2.safetensors"]);
    let alone = trainer(&model)
        .runs([runs[1]])
        .fit(&circles(60, 0), &circles(40, 1));
    assert!(matches!(alone, Err(Error::Diverged { .. })), "{alone:?}");
}

#[test]
fn the_best_epoch_is_kept_where_patience_ends() {
    let model = model();
    let validation = circles(30, 2);
    // Far too fast, so that the loss rises again.
    let fast = Optimizer::sgd(4.0).momentum(0.5);
    let patient = trainer(&model)
        .optimizer(fast)
        .epochs(50)
        .validation(&validation);
    let trained = fitted(patient.patience(3));
    let losses: Vec<f64> = trained
        .history()
        .iter()
        .filter_map(|e| e.val_loss)
        .collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let at = losses
        .iter()
        .position(|&loss| loss == best)
        .expect("a best epoch");
    assert!(losses.len() < 50, "{losses:?}");
    assert_eq!(losses.len(), at + 1 + 3, "{losses:?}");
    assert_eq!(trained.outcomes()[0].kept_epoch, Some(at as u32 + 1));
    let evaluation = trained.evaluate(&validation).expect("an evaluation");
    assert!(
        (evaluation.loss - best).abs() < 1e-6 * best,
        "{evaluation:?} {best}"
    );
}

/// Two numbers of each sample, learnt by each kind of layer on numbers.
#[test]
fn regressions_learn_numbers() {
    let features: Vec<[f32; 3]> = (0..90)
        .map(|i| [7, 11, 17].map(|prime| ((i * prime) % 31) as f32 / 20.0 - 0.75))
        .collect();
    let values: Vec<[f32; 2]> = features
        .iter()
        .map(|[x, y, z]| [2.0 * x - y * z, 5.0 + x * x + 0.5 * y])
        .collect();
    let data = Dataset::regression(&features, &values).expect("samples");
    let (train, test) = data.split(0.7, 1).expect("parts");
    for kind in [
        LayerKind::Standard,
        LayerKind::Euclidean,
        LayerKind::Bregman,
    ] {
        let model = Model::input(3)
            .layer(kind, 16)
            .layer(kind, 16)
            .outputs(2)
            .build();
        let model = model.expect("a network");
        let adam = Optimizer::adam(0.02);
        let trained = trainer(&model)
            .optimizer(adam)
            .epochs(150)
            .fit(&train, &test);
        let trained = trained.unwrap_or_else(|e| panic!("{e}"));
        let evaluation = trained.evaluate(&test).expect("an evaluation");
        let r2 = evaluation.r2.expect("values that differ");
        assert!(r2 > 0.9, "{kind:?}: {evaluation:?}");
        assert_eq!(evaluation.accuracy, None);

        // R² by its definition, from the predictions.
        let found = trained.logits(&test).expect("numbers");
        let Targets::Values(values) = &test.targets else {
            panic!("values");
        };
        let of_output = |j: usize| {
            let column = |all: &[f32]| -> Vec<f64> {
                all.iter()
                    .skip(j)
                    .step_by(2)
                    .map(|&v| f64::from(v))
                    .collect()
            };
            let (found, values) = (column(&found), column(values));
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let off: f64 = values
                .iter()
                .zip(&found)
                .map(|(v, y)| (v - y) * (v - y))
                .sum();
            1.0 - off / values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>()
        };
        let expected = (of_output(0) + of_output(1)) / 2.0;
        assert!((r2 - expected).abs() < 1e-9, "{r2} {expected}");
        let last = trained.history().last().expect("an epoch");
        assert!(
            last.test_accuracy.is_nan() && last.test_loss.is_finite(),
            "{last:?}"
        );
        assert_eq!(trained.outcomes()[0].test_accuracy, None);
        for refused in [
            trained.predict(&test).err(),
            trained.probabilities(&test).err(),
        ] {
            let refused = refused.map(|error| error.to_string()).unwrap_or_default();
            assert!(
                refused.contains("`values` are what it predicts"),
                "{refused}"
            );
        }
    }
}

/// More classes than a byte has values.
#[test]
fn classes_may_be_more_than_256() {
    let features: Vec<[f32; 2]> = (0..300)
        .map(|i| [(i % 20) as f32 / 12.0 - 0.8, (i / 20) as f32 / 10.0 - 0.7])
        .collect();
    let labels: Vec<u16> = (0..300).collect();
    let data = Dataset::classification(&features, &labels).expect("samples");
    assert_eq!(data.classes, 300);
    let model = Model::input(2).bregman(64).bregman(64).classes(300).build();
    let model = model.expect("a network");
    let trained = trainer(&model)
        .optimizer(Optimizer::adam(0.01))
        .batch_size(30)
        .epochs(250)
        .fit(&data, &data)
        .expect("training");
    let classes = trained.predict(&data).expect("classes");
    let right = classes.iter().zip(data.labels()).filter(|(a, b)| a == b);
    let beyond = right.clone().filter(|(class, _)| **class > 255).count();
    assert!(right.count() > 200 && beyond > 20, "{classes:?}");
}

#[test]
fn a_data_set_is_split_by_its_seed() {
    let data = circles(50, 0);
    let parts = |seed| data.split(0.8, seed).expect("parts");
    let (train, test) = parts(1);
    assert_eq!((train.len(), test.len()), (40, 10));
    assert_eq!(parts(1), parts(1));
    assert_ne!(parts(1), parts(2));
    let rows = |data: &Dataset| -> Vec<Vec<u32>> {
        let all: Vec<u32> = (0..data.len() as u32).collect();
        let numbers = data.values_of(&all, &[0.0; 256]);
        let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect();
        numbers.chunks_exact(2).map(bits).collect()
    };
    let mut both = [rows(&train), rows(&test)].concat();
    let mut all = rows(&data);
    both.sort();
    all.sort();
    assert_eq!(both, all, "each sample is in one part");
    for share in [0.0, 1.0, -0.5, 0.001, f64::NAN] {
        let refused = data.split(share, 1);
        assert!(
            matches!(refused, Err(Error::InvalidValue { field: "share", .. })),
            "{share}"
        );
    }
}

#[test]
fn data_that_cannot_be_are_refused() {
    let shape = |data: Result<Dataset, Error>| matches!(data, Err(Error::Shape { .. }));
    assert!(shape(Dataset::images(vec![0; 27], [3, 3, 3], &[0u8, 1])));
    assert!(shape(Dataset::images(vec![0; 5], [1, 2, 3], &[0u8])));
    assert!(shape(Dataset::images(Vec::new(), [1, 2, 3], &[] as &[u8])));
    assert!(shape(Dataset::classification(&[[0.0; 3]; 4], &[0u8; 3])));
    assert!(shape(Dataset::regression(&[[0.0; 3]; 4], &[[0.0; 2]; 3])));
    assert!(shape(Dataset::regression(&[[0.0; 3]; 0], &[[0.0; 2]; 0])));
    let nan = Dataset::regression(&[[0.0; 2]; 2], &[[1.0], [f32::NAN]]).expect_err("NaN");
    assert!(nan.to_string().contains("sample 1"), "{nan}");
    let data = circles(5, 0);
    assert_eq!(data.clone().with_classes(4).expect("more").classes, 4);
    assert!(data.with_classes(1).is_err());
    let values = Dataset::regression(&[[0.0; 2]; 2], &[[1.0], [2.0]]).expect("samples");
    assert!(values.with_classes(3).is_err());
}

#[test]
fn descriptions_that_cannot_be_are_refused() {
    let field = |model: Result<Model, Error>| match model {
        Err(Error::InvalidValue { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Model::input(2).bregman(3).build()), "outputs");
    assert_eq!(field(Model::input(2).classes(2).build()), "hidden_layers");
    assert_eq!(
        field(Model::input(2).bregman(0).classes(2).build()),
        "width"
    );
    assert_eq!(
        field(Model::input(2).bregman(2).classes(1).build()),
        "outputs"
    );
    let early = Model::input(2).dual_passage().bregman(2).classes(2);
    assert_eq!(field(early.build()), "dual_passage");
    let late = Model::input(2).bregman(2).activation(&Activation::SIGMOID);
    assert_eq!(field(late.classes(2).build()), "activation");
    let late = Model::input(2).bregman(2).form(Form::Primal).classes(2);
    assert_eq!(field(late.build()), "form");
    let range = Model::input(2).range(-2.0, 2.0).bregman(2).classes(2);
    assert_eq!(field(range.build()), "input_range");
    let cnn = Cnn::small(&Activation::RELU, [1, 28, 28]).expect("convolutions");
    let narrow = Model::input(100)
        .convolutions(cnn)
        .bregman(10)
        .classes(2)
        .build();
    assert!(matches!(narrow, Err(Error::Shape { .. })), "{narrow:?}");
    let one = Model::input(2)
        .bregman(2)
        .classes(1)
        .loss(Loss::MeanSquaredError)
        .build();
    assert!(one.is_ok(), "{one:?}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let model = model();
    let field = |trainer: Trainer<'_>| match trainer.fit(&circles(60, 0), &circles(40, 1)) {
        Err(Error::InvalidValue { field, .. }) => field,
        Err(Error::Shape { .. }) => "shape",
        other => panic!("{other:?}"),
    };
    let plain = || trainer(&model);
    assert_eq!(field(plain().batch_size(0)), "batch_size");
    assert_eq!(field(plain().epochs(0)), "epochs");
    assert_eq!(field(plain().realizations(0)), "realizations");
    assert_eq!(field(plain().runs([])), "realizations");
    assert_eq!(field(plain().patience(2)), "patience");
    assert_eq!(field(plain().keep(Keep::Best)), "keep");
    assert_eq!(
        field(plain().optimizer(Optimizer::sgd(-1.0))),
        "learning_rate"
    );
    assert_eq!(
        field(plain().optimizer(Optimizer::sgd(0.1).nesterov())),
        "momentum"
    );
    assert_eq!(field(plain().storage(Storage::F16)), "storage");
    assert_eq!(field(plain().initial([])), "shape");
    let both = plain().realizations(2).runs([Optimizer::sgd(0.1).run]);
    assert_eq!(field(both), "realizations");
    assert_eq!(
        field(plain().optimizer(Optimizer::sgd(0.1).betas(0.8, 0.9))),
        "betas"
    );
    assert_eq!(
        field(plain().optimizer(Optimizer::sgd(0.1).epsilon(1e-6))),
        "epsilon"
    );
    assert_eq!(
        field(plain().optimizer(Optimizer::adam(0.1).nesterov())),
        "nesterov"
    );
    assert_eq!(field(plain().checkpoint("unused", 0)), "checkpoint");
    let no_phase = RateSchedule::from(bregman::optim::Shape::Phases(Vec::new()));
    assert_eq!(field(plain().schedule(no_phase)), "schedule");
    let many = plain()
        .realizations(usize::MAX)
        .fit(&circles(60, 0), &circles(40, 1));
    assert!(matches!(many, Err(Error::OutOfMemory { .. })), "{many:?}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let nowhere = plain().checkpoint(file.path().join("x.safetensors"), 1);
    let nowhere = nowhere.fit(&circles(60, 0), &circles(40, 1));
    assert!(matches!(nowhere, Err(Error::Io { .. })), "{nowhere:?}");
    let wide = Model::input(3)
        .bregman(3)
        .classes(2)
        .build()
        .expect("a network");
    assert_eq!(field(trainer(&wide)), "shape");

    let trained = fitted(plain());
    let far = trained.predict(&[[0.0, 3.0]]);
    assert!(
        matches!(
            far,
            Err(Error::InvalidValue {
                field: "features",
                ..
            })
        ),
        "{far:?}"
    );
    let cut = trained.predict(vec![0.0f32; 3]);
    assert!(matches!(cut, Err(Error::Shape { .. })), "{cut:?}");
    assert!(trained.realization(1).is_err());
}

/// Images behind convolutions; the order of their axes is checked.
#[test]
fn images_are_learnt_behind_convolutions() {
    // A bright half, to the left or to the right.
    let label = |i: usize| i % 2;
    let pixel = |i: usize, x: usize| {
        if (x < 4) == (label(i) == 0) {
            200
        } else {
            (7 * i % 50) as u8
        }
    };
    let pixels = (0..40)
        .flat_map(|i| (0..48).map(move |p| pixel(i, p % 8)))
        .collect();
    let labels: Vec<usize> = (0..40).map(label).collect();
    let data = Dataset::images(pixels, [1, 6, 8], &labels)
        .expect("images")
        .named("halves");
    let block = bregman::nn::cnn::BlockSpec {
        filters: 3,
        kernel: [3, 3],
        stride: 1,
        padding: 1,
        pool: Some([2, 2]),
    };
    let cnn = Cnn::new(&Activation::RELU, [1, 6, 8], &[block]).expect("convolutions");
    let model = Model::input(48)
        .convolutions(cnn)
        .bregman(36)
        .classes(2)
        .build();
    let model = model.expect("a network");
    let trained = trainer(&model)
        .epochs(12)
        .fit(&data, &data)
        .expect("training");
    assert_eq!(trained.predict(&data).expect("classes"), data.labels());
    let turned = Dataset::images(vec![0; 48], [1, 8, 6], &[0u8]).expect("an image");
    let refused = trained
        .evaluate(&turned)
        .expect_err("another shape")
        .to_string();
    assert!(refused.contains("height and width"), "{refused}");
    let negative = Dataset::images(vec![0; 48], [1, 8, 6], &[-1i64]);
    assert!(matches!(
        negative,
        Err(Error::InvalidValue {
            field: "labels",
            ..
        })
    ));
}

/// A data set whose public fields disagree is refused before anything reads it.
#[test]
fn data_sets_made_by_hand_are_checked() {
    let model = model();
    let good = circles(10, 0);
    let cut = Dataset {
        inputs: Inputs::Numbers(vec![0.0; 19]),
        ..good.clone()
    };
    let huge = Dataset {
        image: [usize::MAX, 2],
        ..good.clone()
    };
    let nan = Dataset {
        inputs: Inputs::Numbers(vec![f32::NAN; 20]),
        ..good.clone()
    };
    let values = Dataset {
        targets: Targets::Values(vec![0.0; 7]),
        ..good.clone()
    };
    for bad in [cut, huge, nan, values] {
        let refused = trainer(&model).fit(&bad, &good);
        let typed = matches!(
            refused,
            Err(Error::Shape { .. } | Error::InvalidValue { .. })
        );
        assert!(typed, "{refused:?}");
    }
    let squared = Model::input(2)
        .bregman(3)
        .outputs(1)
        .build()
        .expect("a network");
    let values = Dataset::regression(&[[0.1, 0.2]; 3], &[[1.0], [2.0], [0.5]]).expect("values");
    let mixed = trainer(&squared).fit(&good, &values);
    assert!(
        matches!(
            mixed,
            Err(Error::InvalidValue {
                field: "targets",
                ..
            })
        ),
        "{mixed:?}"
    );
}

/// The hash by which a run knows its data changes with every part of them.
#[test]
fn the_hash_of_data_sees_every_change() {
    let images = |pixels: [u8; 4], labels: [u8; 2]| {
        Dataset::images(pixels.to_vec(), [1, 1, 2], &labels).expect("images")
    };
    let splits = |train: Dataset, validation: Option<Dataset>| Splits {
        test: train.clone(),
        train,
        validation,
    };
    let base = images([1, 2, 3, 4], [0, 1]);
    let numbers = Dataset::classification(&[[1.0, 2.0], [3.0, 4.0]], &[0u8, 1]).expect("rows");
    let other = Dataset::classification(&[[1.0, 2.0], [3.0, 5.0]], &[0u8, 1]).expect("rows");
    let values = Dataset::regression(&[[1.0, 2.0], [3.0, 4.0]], &[[0.0], [1.0]]).expect("rows");
    let far = Dataset::classification(&[[1.0, 2.0], [3.0, 4.0]], &[0u32, 257]).expect("rows");
    let all = [
        splits(base.clone(), None),
        splits(images([1, 2, 3, 5], [0, 1]), None),
        splits(images([1, 2, 3, 4], [1, 1]), None),
        splits(base.clone(), Some(base)),
        splits(numbers, None),
        splits(other, None),
        splits(values, None),
        splits(far, None),
    ];
    let hashes: std::collections::BTreeSet<String> = all.iter().map(Splits::sha256).collect();
    assert_eq!(hashes.len(), all.len());
    // Runs that were saved when data sets had bytes and classes alone are still of their data.
    let known = "671d92ebf0db8b1966ff744dddebdfed869d496507238467c95c957794b48257";
    assert_eq!(all[0].sha256(), known);
}

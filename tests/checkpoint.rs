//! Checkpoints: what is saved is what is loaded, to the bit, and nothing else is loaded.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bregman::activation::Activation;
use bregman::checkpoint::{self, Run};
use bregman::error::{CheckpointFault, Error};
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::cnn::{BlockSpec, Cnn, Dropout};
use bregman::nn::{Model, Parameters};
use bregman::selftest::networks::{Case, mixed_cases};
use bregman::train::{Divergence, EpochMetrics, Position};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// 5 → 3 → 3 → 2: the first skip changes width, the second does not.
fn model(kind: LayerKind, form: Form, activation: &str) -> Model {
    let activation = Activation::by_name(activation).expect("known");
    Model::new(kind, form, activation, Loss::CrossEntropy, &[5, 3, 3], 2).expect("valid")
}

fn bregman() -> (Model, Parameters) {
    let model = model(LayerKind::Bregman, Form::Dual, "tanh");
    let parameters = Init::Random.parameters(&model, 11);
    (model, parameters)
}

fn metadata(path: &Path) -> HashMap<String, String> {
    let bytes = fs::read(path).expect("read");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    header.metadata().clone().expect("metadata")
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("read folder").count()
}

#[test]
fn every_network_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    for activation in Activation::ALL {
        for &kind in LayerKind::ALL {
            for &form in Form::ALL {
                for &loss in Loss::ALL {
                    let model = Model::new(kind, form, activation, loss, &[5, 3, 3], 2)
                        .expect("valid")
                        .with_input_range(0.1, 1.0 / 3.0)
                        .expect("valid");
                    let parameters = Init::Random.parameters(&model, 3);
                    let saved = std::slice::from_ref(&parameters);
                    checkpoint::save(&path, &model, "fashion-mnist", saved).expect("save");
                    let loaded = checkpoint::load(&path).expect("load");
                    assert_eq!(loaded.parameters, parameters);
                    assert_eq!(format!("{:?}", loaded.model), format!("{model:?}"));
                    assert_eq!(loaded.dataset, "fashion-mnist");
                }
            }
        }
    }
    assert_eq!(entries(folder.path()), 1, "nothing is left beside the file");
}

#[test]
fn names_shapes_and_metadata_are_the_documented_ones() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let (model, parameters) = bregman();
    checkpoint::save(&path, &model, "mnist", std::slice::from_ref(&parameters)).expect("save");
    let bytes = fs::read(&path).expect("read");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensors = file.tensors();
    let mut found: Vec<_> = tensors
        .iter()
        .map(|(name, v)| (name.as_str(), v.dtype(), v.shape()))
        .collect();
    found.sort();
    let expected: [(&str, Dtype, &[usize]); 7] = [
        ("head.bias", Dtype::F32, &[2]),
        ("head.weight", Dtype::F32, &[2, 3]),
        ("layers.0.bias", Dtype::F32, &[3]),
        ("layers.0.mix", Dtype::F32, &[3, 5]),
        ("layers.0.weight", Dtype::F32, &[3, 5]),
        ("layers.1.bias", Dtype::F32, &[3]),
        ("layers.1.weight", Dtype::F32, &[3, 3]),
    ];
    assert_eq!(found, expected);
    // Output 1, input 4, row-major.
    let weight = file.tensor("layers.0.weight").expect("there");
    assert_eq!(
        weight.data()[4 * (5 + 4)..][..4],
        parameters.layers[0].weight[9].to_le_bytes()
    );

    let metadata = metadata(&path);
    let text = |key: &str| metadata[key].as_str();
    assert_eq!(text("layer"), "bregman");
    assert_eq!(text("form"), "dual");
    assert_eq!(text("activation"), "tanh");
    assert_eq!(text("loss"), "cross-entropy");
    assert_eq!(text("dataset"), "mnist");
    assert_eq!(text("bregman_version"), env!("CARGO_PKG_VERSION"));
}

/// The decimals give the very number to readers in float32 and in float64 (Python's `float`).
#[test]
fn numbers_of_the_metadata_are_exact() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    for activation in Activation::ALL {
        let model = model(LayerKind::Bregman, Form::Primal, activation.name);
        let parameters = Init::Deterministic.parameters(&model, 0);
        checkpoint::save(&path, &model, "mnist", &[parameters]).expect("save");
        let metadata = metadata(&path);
        let numbers = [
            ("clamp_low", model.layers[0].clamp[0]),
            ("clamp_high", model.layers[0].clamp[1]),
            ("input_low", model.input_range[0]),
            ("input_high", model.input_range[1]),
        ];
        for (key, number) in numbers {
            let text = &metadata[key];
            assert_eq!(text.parse::<f64>(), Ok(f64::from(number)), "{key} {text}");
            assert_eq!(text.parse::<f32>(), Ok(number), "{key} {text}");
        }
    }
}

/// Networks whose layers differ: to the bit, each layer with its own settings, in a network's file and in a
/// run's.
#[test]
fn networks_of_layers_that_differ_come_back_to_the_bit() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    for Case { name, model } in mixed_cases() {
        let parameters = Init::Random.parameters(&model, 3);
        let saved = std::slice::from_ref(&parameters);
        checkpoint::save(&path, &model, "mnist", saved).expect("save");
        let loaded = checkpoint::load(&path).expect("load");
        assert_eq!(loaded.parameters, parameters, "{name}");
        assert_eq!(format!("{:?}", loaded.model), format!("{model:?}"));
        let metadata = metadata(&path);
        assert_eq!(metadata["bregman_network"], "2", "{name}");
        assert!(!metadata.contains_key("activation"), "{name}");

        let run = Run {
            model,
            dataset: "mnist".to_owned(),
            data_sha256: "0".repeat(64),
            device: "cpu".to_owned(),
            options: [].into(),
            seed: 3,
            position: Position::default(),
            parameters: vec![parameters.clone()],
            moments: vec![vec![parameters]],
        };
        run.save(&path).expect("save");
        let loaded = Run::load(&path).expect("load");
        assert_eq!(format!("{loaded:?}"), format!("{run:?}"));
    }
}

/// A network of layers that are alike is written as version 1 was, without a version and an entry for each
/// layer.
#[test]
fn layers_that_are_alike_are_written_as_version_1() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let (model, parameters) = bregman();
    checkpoint::save(&path, &model, "mnist", &[parameters]).expect("save");
    let metadata = metadata(&path);
    let mut keys: Vec<&str> = metadata.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "activation",
        "bregman_version",
        "clamp_high",
        "clamp_low",
        "dataset",
        "form",
        "input_high",
        "input_low",
        "layer",
        "loss",
    ];
    assert_eq!(keys, expected);
}

/// The fault of the file of a network of layers that differ in which one entry of the metadata is another.
fn fault_with(key: &str, value: &str) -> CheckpointFault {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let model = mixed_cases().swap_remove(0).model;
    let parameters = Init::Random.parameters(&model, 3);
    checkpoint::save(&path, &model, "mnist", &[parameters]).expect("save");
    let mut metadata = metadata(&path);
    metadata.insert(key.to_owned(), value.to_owned());
    let bytes = fs::read(&path).expect("read");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let changed = safetensors::serialize(file.tensors(), Some(metadata)).expect("safetensors");
    fs::write(&path, changed).expect("write");
    match checkpoint::load(&path).expect_err("an error") {
        Error::Checkpoint { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn layers_that_cannot_be_read_are_refused() {
    let said = fault_with("bregman_network", "3").to_string();
    assert!(said.contains("versions 1 and 2"), "{said}");
    let layer = |activation: &str, passage: bool| {
        format!(
            r#"{{"layer":"bregman","form":"dual","activation":"{activation}","clamp":[0.1,0.9],"dual_passage":{passage}}}"#
        )
    };
    let layers = |all: [String; 3]| format!("[{}]", all.join(","));
    let tanh = || layer("tanh", false);
    for (layers, reason) in [
        ("no JSON".to_owned(), "expected"),
        (format!("[{}]", tanh()), "describes 1 layers"),
        (layers([tanh(), tanh(), layer("cosine", false)]), "cosine"),
        (layers([tanh(), tanh(), layer("sigmoid", false)]), "range"),
        (
            layers([layer("tanh", true), tanh(), tanh()]),
            "dual_passage",
        ),
    ] {
        let fault = fault_with("layers", &layers);
        assert!(matches!(
            fault,
            CheckpointFault::Metadata { key: "layers", .. }
        ));
        let said = fault.to_string();
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn one_network_gives_one_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let (model, parameters) = bregman();
    let save = || {
        let saved = std::slice::from_ref(&parameters);
        checkpoint::save(&path, &model, "mnist", saved).expect("save");
        fs::read(&path).expect("read")
    };
    let first = save();
    // The library underneath orders metadata by a hash that differs from map to map.
    assert!((0..20).all(|_| save() == first));
}

#[test]
fn realizations_go_to_numbered_files() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.b/x.y.safetensors");
    let (model, _) = bregman();
    let parameters = [4, 5].map(|seed| Init::Random.parameters(&model, seed));
    let saved = checkpoint::save(&path, &model, "mnist", &parameters).expect("save");
    let names: Vec<_> = saved
        .iter()
        .map(|p| p.file_name().expect("a file"))
        .collect();
    assert_eq!(names, ["x.y-0.safetensors", "x.y-1.safetensors"]);
    assert!(!path.exists());
    let loaded = checkpoint::load_all(&path, 2).expect("load");
    assert!(loaded.iter().map(|c| &c.parameters).eq(&parameters));
    assert!(
        matches!(checkpoint::load_all(&path, 3), Err(Error::Io { path, .. })
        if path.ends_with("x.y-2.safetensors"))
    );
    assert_eq!(
        checkpoint::paths(Path::new("x"), 2),
        ["x-0", "x-1"].map(Path::new)
    );
}

#[test]
fn realizations_of_different_networks_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let (first, parameters) = bregman();
    checkpoint::save(
        &folder.path().join("x-0.safetensors"),
        &first,
        "mnist",
        &[parameters],
    )
    .expect("save");
    let save_second = |model: &Model| {
        let parameters = Init::Random.parameters(model, 0);
        let path = folder.path().join("x-1.safetensors");
        checkpoint::save(&path, model, "mnist", &[parameters]).expect("save");
    };
    save_second(&model(LayerKind::Bregman, Form::Dual, "isru"));
    let error = checkpoint::load_all(&path, 2).expect_err("other activation");
    assert!(matches!(
        error,
        Error::Checkpoint {
            fault: CheckpointFault::Disagrees {
                key: "activation",
                ..
            },
            ..
        }
    ));
    let wider = Model::new(
        first.layers[0].kind,
        first.layers[0].form,
        first.layers[0].activation,
        first.loss,
        &[5, 4, 3],
        2,
    );
    save_second(&wider.expect("valid"));
    let error = checkpoint::load_all(&path, 2).expect_err("other width");
    assert!(matches!(
        error,
        Error::Checkpoint {
            fault: CheckpointFault::Shape { .. },
            ..
        }
    ));
}

#[test]
fn a_save_that_fails_touches_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let (model, parameters) = bregman();
    let good = [parameters.clone(), parameters.clone()];
    checkpoint::save(&path, &model, "mnist", &good).expect("save");
    let earlier = fs::read(folder.path().join("x-0.safetensors")).expect("read");

    // The first realization is fine, and must not be replaced when the second is not.
    let mut bad = [Init::Random.parameters(&model, 99), parameters];
    bad[1].head.bias[1] = f32::NAN;
    let error = checkpoint::save(&path, &model, "mnist", &bad).expect_err("not finite");
    assert!(matches!(
        error,
        Error::Checkpoint {
            fault: CheckpointFault::NonFinite { .. },
            ..
        }
    ));
    assert_eq!(
        fs::read(folder.path().join("x-0.safetensors")).expect("read"),
        earlier
    );
    assert_eq!(
        entries(folder.path()),
        2,
        "nothing is left beside the files"
    );
}

#[test]
fn targets_that_cannot_be_written_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (model, parameters) = bregman();
    let file = folder.path().join("file");
    fs::write(&file, "text").expect("write");
    for target in [
        folder.path().to_owned(),
        file.join("x.safetensors"),
        "".into(),
    ] {
        let saved = std::slice::from_ref(&parameters);
        for result in [
            checkpoint::check_writable(&target, 1),
            checkpoint::save(&target, &model, "mnist", saved).map(drop),
        ] {
            assert!(
                matches!(result, Err(Error::Io { .. })),
                "{}",
                target.display()
            );
        }
    }
    checkpoint::check_writable(&folder.path().join("new/x.safetensors"), 3).expect("writable");
    assert_eq!(
        entries(&folder.path().join("new")),
        0,
        "a check leaves nothing behind"
    );
    assert_eq!(fs::read(&file).expect("read"), b"text");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_devices_left_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (model, parameters) = bregman();
    let (target, link) = (folder.path().join("there"), folder.path().join("link"));
    fs::write(&target, "earlier").expect("write");
    std::os::unix::fs::symlink(&target, &link).expect("link");
    checkpoint::save(&link, &model, "mnist", &[parameters]).expect("save");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    checkpoint::load(&target).expect("the file behind the link was written");
    assert!(checkpoint::check_writable(Path::new("/dev/null"), 1).is_err());
    assert!(checkpoint::load(Path::new("/dev/null")).is_err());
}

/// 2 × 5 × 4 pixels → 3 × 2 × 2 → 12 features.
fn cnn_model() -> (Model, Parameters) {
    let block = BlockSpec::same(3, 3);
    let cnn = Cnn::new(&Activation::RELU, [2, 5, 4], &[block]).expect("it fits");
    let dropout = Dropout { probability: 0.25 };
    let cnn = cnn.with_dropout(dropout).expect("a probability");
    let tanh = &Activation::TANH;
    let loss = Loss::CrossEntropy;
    let model = Model::new(LayerKind::Bregman, Form::Dual, tanh, loss, &[12, 12], 2);
    let model = model.expect("valid").with_cnn(cnn).expect("12 features");
    let parameters = Init::Random.parameters(&model, 11);
    (model, parameters)
}

#[test]
fn convolutions_come_back_to_the_bit() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let (model, parameters) = cnn_model();
    checkpoint::save(&path, &model, "mnist", std::slice::from_ref(&parameters)).expect("save");
    let loaded = checkpoint::load(&path).expect("load");
    assert_eq!(loaded.parameters, parameters);
    assert_eq!(format!("{:?}", loaded.model), format!("{model:?}"));
    let bytes = fs::read(&path).expect("read");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let shape = |name| file.tensor(name).expect("there").shape().to_vec();
    assert_eq!(shape("conv.0.weight"), [3, 2, 3, 3]);
    assert_eq!(shape("conv.0.bias"), [3]);
}

/// A front-end that cannot be is refused before anything is allocated for it.
#[test]
fn front_ends_that_cannot_be_are_refused() {
    let good = cnn_model().0.cnn.expect("a front-end").to_json();
    assert!(Cnn::from_json(&good).is_ok());
    for (find, replace) in [
        ("relu", "step"),
        ("[2,5,4]", "[2,0,4]"),
        ("[2,5,4]", "[2,5,99999999999]"),
        ("\"filters\":3", "\"filters\":0"),
        ("\"kernel\":[3,3]", "\"kernel\":[9,3]"),
        ("\"stride\":1", "\"stride\":0"),
        ("\"padding\":1", "\"padding\":18446744073709551615"),
        ("\"pool\":[2,2]", "\"pool\":[6,2]"),
        ("0.25", "1.0"),
        ("0.25", "-0.5"),
        ("}]", "]"),
    ] {
        assert!(good.contains(find), "{find} is not in {good}");
        let bad = good.replace(find, replace);
        assert!(Cnn::from_json(&bad).is_err(), "{bad}");
    }
}

/// The metrics of an epoch of two realizations, of which the second may be absent.
fn epoch(number: u32, second: f64) -> EpochMetrics {
    let column = |first: f64| vec![first, second];
    EpochMetrics {
        epoch: number,
        train_loss: 1.0,
        train_accuracy: 0.5,
        test_loss: 1.5,
        test_accuracy: 0.25,
        train_losses: column(1.0),
        train_accuracies: column(0.5),
        test_losses: column(1.5),
        test_accuracies: column(0.25),
        val_loss: Some(2.0),
        val_accuracy: Some(0.75),
        val_losses: Some(column(2.0)),
        val_accuracies: Some(column(0.75)),
        seconds: 1.0,
        samples_per_second: 10.0,
    }
}

/// Where realizations diverged and which networks are kept comes back; metrics may be absent only of a
/// realization that diverged or is kept, and then to the end.
#[test]
fn marks_and_kept_networks_of_a_run_come_back() {
    let (model, _) = bregman();
    let networks = [1, 2].map(|seed| Init::Random.parameters(&model, seed));
    let nan = f64::NAN;
    let run = |seconds: &[f64], diverged: Option<Divergence>, kept: bool| Run {
        model: model.clone(),
        dataset: "mnist".to_owned(),
        data_sha256: "0".repeat(64),
        device: "cpu".to_owned(),
        options: Default::default(),
        seed: 0,
        position: Position {
            epochs: (1..)
                .zip(seconds)
                .map(|(n, &second)| epoch(n, second))
                .collect(),
            limits: vec![1e6; 2],
            diverged: vec![None, diverged],
            kept: vec![None, kept.then(|| networks[0].clone())],
            ..Position::default()
        },
        parameters: networks.to_vec(),
        moments: Vec::new(),
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("run");
    let again = |run: &Run| {
        run.save(&path).expect("save");
        Run::load(&path)
    };
    for loss in [7.5, f64::INFINITY, nan] {
        let saved = run(&[0.5, nan, nan], Some(Divergence { step: 9, loss }), false);
        let loaded = again(&saved).expect("a run");
        let found = loaded.position.diverged[1].expect("a mark");
        assert_eq!((found.step, found.loss.to_bits()), (9, loss.to_bits()));
        assert_eq!(loaded.position.diverged[0], None);
        assert_eq!(loaded.position.kept, [None, None]);
        assert_eq!(loaded.position.epochs.len(), 3);
    }
    let loaded = again(&run(&[0.5, 0.5, nan], None, true)).expect("a run");
    assert_eq!(loaded.position.kept[1].as_ref(), Some(&networks[0]));
    assert_eq!(loaded.position.kept[0], None);
    let whole = again(&run(&[0.5, 0.5], None, true)).expect("a run");
    assert_eq!(whole.position, run(&[0.5, 0.5], None, true).position);
    let mark = Some(Divergence { step: 3, loss: nan });
    for (bad, why) in [
        (run(&[0.5, nan, 0.5], mark, true), "absent in the middle"),
        (run(&[0.5, nan], None, false), "absent without a reason"),
        (run(&[f64::INFINITY, 0.5], mark, true), "infinite"),
    ] {
        assert!(again(&bad).is_err(), "{why}");
    }
}

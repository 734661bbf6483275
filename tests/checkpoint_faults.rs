//! Checkpoints that are not as they should be: each gives an error that names the fault.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bregman::activation::Activation;
use bregman::checkpoint::{self, Run};
use bregman::error::{CheckpointFault, Error};
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::Model;
use bregman::train::{Position, Sums};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// Saves a network 5 → 3 → 3 → 2; its first skip changes width, the second does not.
fn save(path: &Path) {
    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let model = Model::new(kind, form, &Activation::TANH, loss, &[5, 3, 3], 2).expect("valid");
    let parameters = Init::Random.parameters(&model, 11);
    checkpoint::save(path, &model, "mnist", &[parameters]).expect("save");
}

/// A file as the format's library sees it, to be spoiled.
struct Raw {
    metadata: HashMap<String, String>,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Raw {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("saved");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensors = file.tensors().into_iter();
        Self {
            metadata: header.metadata().clone().expect("metadata"),
            tensors: tensors
                .map(|(name, v)| (name, v.dtype(), v.shape().to_vec(), v.data().to_vec()))
                .collect(),
        }
    }

    fn write(&self, path: &Path) {
        let views = self.tensors.iter().map(|(name, dtype, shape, data)| {
            (
                name,
                TensorView::new(*dtype, shape.clone(), data).expect("shape"),
            )
        });
        let bytes = safetensors::serialize(views, Some(self.metadata.clone())).expect("serialize");
        fs::write(path, bytes).expect("write");
    }

    fn tensor(&mut self, name: &str) -> &mut (String, Dtype, Vec<usize>, Vec<u8>) {
        self.tensors
            .iter_mut()
            .find(|t| t.0 == name)
            .expect("there")
    }

    fn set(&mut self, tensor: &str, index: usize, value: f32) {
        self.tensor(tensor).3[4 * index..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

/// The fault of a good file after `spoil`.
fn fault_of(spoil: impl FnOnce(&mut Raw)) -> CheckpointFault {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    save(&path);
    let mut raw = Raw::read(&path);
    raw.write(&path);
    checkpoint::load(&path).expect("unspoiled, it loads");
    spoil(&mut raw);
    raw.write(&path);
    match checkpoint::load(&path) {
        Err(Error::Checkpoint { path: named, fault }) => {
            assert_eq!(named, path);
            fault
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a spoiled file was loaded"),
    }
}

#[test]
fn truncated_and_over_long_files_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    save(&path);
    let whole = fs::read(&path).expect("read");
    let refuse = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("write");
        let error = checkpoint::load(&path).expect_err("not whole");
        assert!(
            matches!(
                error,
                Error::Checkpoint {
                    fault: CheckpointFault::Malformed { .. },
                    ..
                }
            ),
            "{error}"
        );
    };
    for length in 0..whole.len() {
        refuse(&whole[..length]);
    }
    refuse(&[&whole[..], &[0]].concat());
    refuse(&[&u64::MAX.to_le_bytes()[..], &whole[8..]].concat());
    refuse(b"\x1f\x8b not a checkpoint at all");
}

/// Whatever byte of the header is wrong, the answer is an error or a network, never a panic.
#[test]
fn no_byte_of_the_header_can_cause_a_panic() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    save(&path);
    let whole = fs::read(&path).expect("read");
    let header = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
    for position in 0..header {
        for wrong in [b'0', b'9', b'"', b'-', b'e', 0xff] {
            let mut bytes = whole.clone();
            bytes[position] = wrong;
            fs::write(&path, bytes).expect("write");
            let _ = checkpoint::load(&path);
        }
    }
}

#[test]
fn missing_metadata_is_named() {
    let keys = [
        "layer",
        "form",
        "activation",
        "loss",
        "clamp_low",
        "clamp_high",
        "input_low",
        "input_high",
        "dataset",
        "bregman_version",
    ];
    for key in keys {
        let fault = fault_of(|raw| drop(raw.metadata.remove(key)));
        assert_eq!(fault, CheckpointFault::MissingMetadata { key });
    }
}

#[test]
fn metadata_that_cannot_be_used_is_named() {
    let cases = [
        ("layer", "convolution"),
        ("form", "triple"),
        ("activation", "relu"),
        ("loss", "hinge"),
        ("clamp_low", "low"),
        ("clamp_low", "-1"),
        ("clamp_low", "1"),
        ("clamp_high", "nan"),
        ("clamp_high", "inf"),
        ("input_low", "-1.5"),
        ("input_low", "1"),
        ("input_high", ""),
    ];
    for (bad, text) in cases {
        let fault = fault_of(|raw| drop(raw.metadata.insert(bad.to_owned(), text.to_owned())));
        match fault {
            CheckpointFault::Metadata { key, value, .. } => {
                assert_eq!(key, bad);
                assert!(
                    value == text || value.parse::<f64>() == text.parse::<f64>(),
                    "{value} {text}"
                );
            }
            other => panic!("{bad} = {text}: {other}"),
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_named_with_both_shapes() {
    let fault = fault_of(|raw| raw.tensor("layers.1.weight").2 = vec![9, 1]);
    // Nine neurons of one input each: the width follows the file, and the chain breaks.
    assert_eq!(
        fault.to_string(),
        "tensor `layers.1.weight` has shape [9, 1], where [9, 3] is needed"
    );
    let fault = fault_of(|raw| raw.tensor("layers.0.mix").2 = vec![5, 3]);
    assert!(
        fault
            .to_string()
            .contains("`layers.0.mix` has shape [5, 3], where [3, 5]"),
        "{fault}"
    );
    let fault = fault_of(|raw| raw.tensor("layers.0.weight").2 = vec![15]);
    assert!(
        matches!(fault, CheckpointFault::NotAMatrix { tensor, .. } if tensor == "layers.0.weight")
    );
    let fault = fault_of(|raw| {
        let head = raw.tensor("head.weight");
        (head.2, head.3) = (vec![0, 3], Vec::new());
    });
    assert!(matches!(fault, CheckpointFault::NotAMatrix { tensor, .. } if tensor == "head.weight"));
}

#[test]
fn missing_and_superfluous_tensors_are_named() {
    for name in [
        "layers.0.weight",
        "layers.0.bias",
        "layers.0.mix",
        "head.weight",
        "head.bias",
    ] {
        let fault = fault_of(|raw| raw.tensors.retain(|t| t.0 != name));
        assert!(
            matches!(&fault, CheckpointFault::MissingTensor { tensor, .. } if tensor == name),
            "{fault}"
        );
    }
    let fault = fault_of(|raw| raw.tensor("layers.1.bias").0 = "layers.7.bias".to_owned());
    assert!(
        fault
            .to_string()
            .contains("`layers.1.bias`, where shape [3]"),
        "{fault}"
    );
    let fault = fault_of(|raw| {
        raw.tensors
            .push(("layers.3.mix".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    });
    assert!(
        matches!(fault, CheckpointFault::UnexpectedTensor { tensor, .. } if tensor == "layers.3.mix")
    );
}

#[test]
fn numbers_that_cannot_be_parameters_are_named() {
    let fault = fault_of(|raw| {
        let bias = raw.tensor("head.bias");
        (bias.1, bias.3) = (Dtype::F16, vec![0; 4]);
    });
    assert_eq!(
        fault.to_string(),
        "tensor `head.bias` is of type F16, where F32 is needed"
    );
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let fault = fault_of(|raw| raw.set("layers.1.weight", 7, value));
        assert!(
            matches!(fault, CheckpointFault::NonFinite { index: 7, .. }),
            "{fault}"
        );
    }
    let fault = fault_of(|raw| {
        for index in 5..10 {
            raw.set(
                "layers.0.mix",
                index,
                if index == 5 { 1.0 + 1e-3 } else { 0.0 },
            );
        }
    });
    assert!(
        matches!(fault, CheckpointFault::OffSimplex { row: 1, .. }),
        "{fault}"
    );
    let fault = fault_of(|raw| {
        for (index, value) in [(10, -0.5), (11, 1.5), (12, 0.0), (13, 0.0), (14, 0.0)] {
            raw.set("layers.0.mix", index, value);
        }
    });
    assert!(
        matches!(fault, CheckpointFault::OffSimplex { row: 2, .. }),
        "{fault}"
    );
}

/// Two thin matrices in a small file must not make a fat one in memory: 2²⁰ × 2²⁰ numbers.
#[test]
fn shapes_are_checked_before_memory_is_taken() {
    let fault = fault_of(|raw| {
        for name in ["layers.0.weight", "layers.1.weight"] {
            let weight = raw.tensor(name);
            (weight.2, weight.3) = (vec![1 << 20, 1], vec![0; 4 << 20]);
        }
    });
    assert!(matches!(fault, CheckpointFault::Shape { .. }), "{fault}");
}

/// A run that has begun an epoch has sums over its steps, and limits of the loss.
#[test]
fn a_run_within_an_epoch_has_sums_and_limits() {
    let model = Model::new(
        LayerKind::Bregman,
        Form::Dual,
        &Activation::TANH,
        Loss::CrossEntropy,
        &[5, 3],
        2,
    );
    let model = model.expect("valid");
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("run");
    let load = |sums: usize, limits: usize| {
        let run = Run {
            parameters: vec![Init::Random.parameters(&model, 11)],
            model: model.clone(),
            dataset: "mnist".to_owned(),
            data_sha256: "0".repeat(64),
            device: "cpu".to_owned(),
            options: [].into(),
            seed: 11,
            position: Position {
                steps: 1,
                sums: vec![Sums::default(); sums],
                limits: vec![1e6; limits],
                ..Position::default()
            },
            moments: Vec::new(),
        };
        run.save(&path).expect("save");
        Run::load(&path)
    };
    load(1, 1).expect("it has both");
    for (sums, limits, lacking) in [(0, 1, "epoch.loss"), (1, 0, "limits"), (0, 0, "epoch.loss")] {
        let fault = match load(sums, limits) {
            Err(Error::Checkpoint { fault, .. }) => fault,
            other => panic!("{other:?}"),
        };
        let expected = CheckpointFault::Shape {
            tensor: lacking.to_owned(),
            expected: vec![1],
            found: vec![0],
        };
        assert_eq!(fault, expected);
    }
}

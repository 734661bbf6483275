//! What this crate writes, in the tools that it is written for: ONNX in onnx and onnxruntime,
//! networks in PyTorch, event files in TensorBoard.
//!
//! Where a tool is not installed its tests are ignored, and counted so. BREGMAN_PYTHON names the
//! interpreter that has them (`python3` if it is not set).

#[path = "../common/program.rs"]
mod program;
mod tables;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bregman::activation::Activation;
use bregman::checkpoint::{self, Checkpoint};
use bregman::data::{self, Dataset, Request};
use bregman::executor::Executor;
use bregman::kind::{Init, Loss};
use bregman::nn::cnn::BlockSpec;
use bregman::nn::{Cnn, Layer, LayerSpec, Model};
use bregman::optim::{RateSchedule, Recipe, Rule, Shape};
use bregman::reference::Reference;
use bregman::selftest::networks::{
    EPOCHS, KINDS, SEED, SGD, TRAIN_SAMPLES, initial, mixed_cases, optimizer_cases, splits,
};
use bregman::{onnx, predict, rng};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;

const TEST_SAMPLES: usize = 300;

fn python(script: &str, args: &[&Path]) -> std::io::Result<Output> {
    let program = std::env::var_os("BREGMAN_PYTHON").unwrap_or_else(|| "python3".into());
    Command::new(program)
        .args(["-c", script])
        .args(args)
        .output()
}

fn has(modules: &str) -> bool {
    python(&format!("import {modules}"), &[]).is_ok_and(|output| output.status.success())
}

fn runs(script: &str, args: &[&Path]) -> Result<String, Failed> {
    let output = python(script, args)?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(said.into_owned().into()),
    }
}

fn digits() -> Result<Dataset, Failed> {
    let request = Request {
        dataset: Some("digits".to_owned()),
        limit: Some((1, TEST_SAMPLES)),
        ..Request::default()
    };
    Ok(data::load(&request, &mut |_| {})?.test)
}

/// Every activation, kind of layer and form, with and without M, and layers that differ, as checkpoints in
/// `folder`.
fn networks(folder: &Path) -> Result<Vec<Checkpoint>, Failed> {
    let mut networks = Vec::new();
    for activation in Activation::ALL {
        for (kind, form) in KINDS {
            for widths in [&[784, 784][..], &[784, 24, 24, 17]] {
                let loss = Loss::CrossEntropy;
                let model = Model::new(kind, form, activation, loss, widths, 10)?;
                let mut parameters = Init::Random.parameters(&model, 3);
                // Layers that matter: untrained ones hardly tell the images apart.
                for tensor in &mut parameters.layers {
                    tensor.weight.iter_mut().for_each(|w| *w *= 4.0);
                }
                let path = folder.join(format!("{}.safetensors", networks.len()));
                checkpoint::save(&path, &model, "digits", &[parameters])?;
                networks.push(checkpoint::load(&path)?);
            }
        }
    }
    for (kind, form) in KINDS {
        for (activation, hidden) in [(&Activation::TANH, 20), (&Activation::SIN, 2 * 7 * 7)] {
            let loss = Loss::CrossEntropy;
            let same = BlockSpec::same(3, 3);
            let other = BlockSpec {
                filters: 2,
                kernel: [3, 5],
                stride: 1,
                padding: 2,
                pool: None,
            };
            let cnn = Cnn::new(&Activation::RELU, [1, 28, 28], &[same, same, other])?;
            let widths = [cnn.features(), hidden];
            let model = Model::new(kind, form, activation, loss, &widths, 10)?.with_cnn(cnn)?;
            let parameters = Init::Random.parameters(&model, 3);
            let path = folder.join(format!("{}.safetensors", networks.len()));
            checkpoint::save(&path, &model, "digits", &[parameters])?;
            networks.push(checkpoint::load(&path)?);
        }
    }
    for case in mixed_cases() {
        let specs: Vec<LayerSpec> = case.model.layers.iter().map(Layer::spec).collect();
        let same = BlockSpec::same(5, 3);
        let cnn = match &case.model.cnn {
            Some(cnn) => Some(Cnn::new(cnn.activation, [1, 28, 28], &[same, same, same])?),
            None => None,
        };
        let inputs = cnn.as_ref().map_or(784, Cnn::features);
        let mut model = Model::from_layers(inputs, &specs, Loss::CrossEntropy, 10)?;
        for (layer, known) in model.layers.iter_mut().zip(&case.model.layers) {
            layer.clamp = known.clamp;
        }
        if let Some(cnn) = cnn {
            model = model.with_cnn(cnn)?;
        }
        let parameters = Init::Random.parameters(&model, 3);
        let path = folder.join(format!("{}.safetensors", networks.len()));
        checkpoint::save(&path, &model, "digits", &[parameters])?;
        networks.push(checkpoint::load(&path)?);
    }
    Ok(networks)
}

/// Compares the outputs in `path` with ours: float32 on either side of a few hundred terms, through
/// up to three layers, and the same class wherever the outputs do not tie within that.
fn compare(network: &Checkpoint, data: &Dataset, path: &Path) -> Result<(), Failed> {
    let bytes = fs::read(path)?;
    let (numbers, _) = bytes.as_chunks();
    let found: Vec<f64> = numbers
        .iter()
        .map(|&b| f64::from(f32::from_le_bytes(b)))
        .collect();
    let expected = predict::outputs(&network.model, &network.parameters, &data.inputs);
    if found.len() != expected.len() {
        return Err(format!("{} outputs of {}", found.len(), expected.len()).into());
    }
    let largest = expected.iter().fold(1.0f64, |most, y| most.max(y.abs()));
    let tolerance = 2e-4 * largest;
    for (sample, (found, expected)) in found.chunks(10).zip(expected.chunks(10)).enumerate() {
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let off = off.fold(
            0.0f64,
            |most, d| if d > most || d.is_nan() { d } else { most },
        );
        let [a, b] = [found, expected].map(predict::ranked);
        let tie = b[0].1 - b[1].1 < 2.0 * tolerance;
        if off.is_nan() || off > tolerance || (a[0].0 != b[0].0 && !tie) {
            let model = &network.model;
            let name = format!(
                "{} {} {}",
                model.kind_name(),
                model.form_name(),
                model.activation_name()
            );
            return Err(format!(
                "{name} {:?}: sample {sample} is off by {off} of {tolerance}",
                model.layers
            )
            .into());
        }
    }
    Ok(())
}

const RUN_ONNX: &str = "
import sys, numpy as np, onnx, onnxruntime
x = np.fromfile(sys.argv[1], np.uint8).reshape(-1, 784).astype(np.float32) / np.float32(255)
for path in sys.argv[2:]:
    onnx.checker.check_model(path, full_check=True)
    assert all(node.domain == '' for node in onnx.load(path).graph.node)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    run = lambda x: session.run(['logits'], {'pixels': x})[0]
    # A batch of any size.
    y = np.concatenate([run(x[:1]), run(x[1:8]), run(x[8:])])
    y.astype('<f4').tofile(path + '.out')
";

fn onnx_agrees() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let data = digits()?;
    let pixels = folder.path().join("pixels");
    fs::write(&pixels, data.pixels())?;
    let networks = networks(folder.path())?;
    let paths: Vec<_> = networks
        .iter()
        .map(|n| n.path.with_extension("onnx"))
        .collect();
    for (network, path) in networks.iter().zip(&paths) {
        fs::write(path, onnx::export(network)?)?;
    }
    let args: Vec<&Path> = [&pixels]
        .into_iter()
        .chain(&paths)
        .map(AsRef::as_ref)
        .collect();
    runs(RUN_ONNX, &args)?;
    for (network, path) in networks.iter().zip(&paths) {
        compare(network, &data, &path.with_extension("onnx.out"))?;
    }
    Ok(())
}

const RUN_TORCH: &str = "
import sys, numpy as np, torch
sys.path.insert(0, sys.argv[1])
import pytorch
x = np.fromfile(sys.argv[2], np.uint8).reshape(-1, 784)
for path in sys.argv[3:]:
    network, _ = pytorch.load(path)
    with torch.no_grad():
        y = network(torch.from_numpy(x).float() / 255)
    y.numpy().astype('<f4').tofile(path + '.out')
";

fn pytorch_agrees() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let data = digits()?;
    let pixels = folder.path().join("pixels");
    fs::write(&pixels, data.pixels())?;
    let networks = networks(folder.path())?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/python/bregman");
    let paths = networks.iter().map(|network| &network.path);
    let args: Vec<&Path> = [&module, &pixels]
        .into_iter()
        .chain(paths)
        .map(AsRef::as_ref)
        .collect();
    runs(RUN_TORCH, &args)?;
    for network in &networks {
        compare(
            network,
            &data,
            &network.path.with_extension("safetensors.out"),
        )?;
    }
    Ok(())
}

const TRAIN_TORCH: &str = "
import sys, json, torch
sys.path.insert(0, sys.argv[1])
import pytorch

def project(rows):
    # Onto the probability simplex, by sorting (Held, Wolfe and Crowder, 1974).
    s, _ = rows.sort(dim=1, descending=True)
    k = torch.arange(1, rows.shape[1] + 1, dtype=rows.dtype)
    theta = (s.cumsum(1) - 1) / k
    last = (s > theta).sum(1, keepdim=True) - 1
    return (rows - theta.gather(1, last)).clamp(min=0)

for case in json.load(open(sys.argv[2])):
    network, _ = pytorch.load(case['path'])
    network.double().train()
    parameters = list(network.parameters())
    mixes = [p for name, p in network.named_parameters() if name.endswith('.mix')]
    kind, kwargs = case['optimizer']
    optimizer = getattr(torch.optim, kind)(parameters, **kwargs)
    factors = case['factors']
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: factors[min(t, len(factors) - 1)])
    x = torch.tensor(case['pixels'], dtype=torch.float64) / 255
    y = torch.tensor(case['labels'])
    for order in case['orders']:
        for batch in torch.tensor(order).split(case['batch_size']):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            if case['clip_norm'] is not None:
                torch.nn.utils.clip_grad_norm_(parameters, case['clip_norm'])
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for mix in mixes:
                    mix.copy_(project(mix))
    state = {name: p.detach().flatten().tolist() for name, p in network.named_parameters()}
    json.dump(state, open(case['path'] + '.json', 'w'))
";

/// Ten steps of every optimizer in `torch.optim`, and of plain SGD on layers that differ, in float64, and in
/// our reference.
fn optimizers_agree() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut cases = Vec::new();
    let mut spec = Vec::new();
    let mixed = mixed_cases().into_iter().map(|case| (case, SGD.into()));
    for (case, recipe) in optimizer_cases().into_iter().chain(mixed) {
        if case.model.cnn.is_some() {
            continue;
        }
        // PyTorch's optimizers count their own steps, from the first.
        let run = recipe.run(0);
        let recipe = Recipe {
            first_step: 0,
            runs: vec![run],
            ..recipe
        };
        let model = case.model;
        let data = splits(&model);
        let path = folder.path().join(format!("{}.safetensors", cases.len()));
        let parameters = initial(&model, 1);
        checkpoint::save(&path, &model, "noise", &parameters)?;
        let orders = (0..EPOCHS).map(|epoch| rng::sample_order(SEED, epoch, TRAIN_SAMPLES));
        let orders: Vec<_> = orders.collect();
        let steps = recipe.steps(TRAIN_SAMPLES);
        let factors = (0..u64::from(EPOCHS) * steps).map(|t| recipe.factor(t, steps));
        let (lr, weight_decay) = (run.learning_rate, run.weight_decay);
        let optimizer = match recipe.rule {
            Rule::Sgd { nesterov } => json!(["SGD", {
                "lr": lr, "momentum": run.momentum, "nesterov": nesterov, "weight_decay": weight_decay,
            }]),
            Rule::Adam {
                betas,
                epsilon,
                decoupled,
            } => {
                let name = if decoupled { "AdamW" } else { "Adam" };
                json!([name, {
                    "lr": lr, "betas": betas, "eps": epsilon, "weight_decay": weight_decay,
                }])
            }
        };
        let width = data.train.features();
        spec.push(json!({
            "path": path,
            "optimizer": optimizer,
            "clip_norm": recipe.clip_norm,
            "factors": factors.collect::<Vec<_>>(),
            "pixels": data.train.pixels().chunks(width).collect::<Vec<_>>(),
            "labels": data.train.labels(),
            "orders": orders,
            "batch_size": recipe.batch_size,
        }));
        let mut reference = Reference::new(&model, &data, &parameters, recipe)?;
        let found = pollster::block_on(async {
            for order in &orders {
                let order = std::slice::from_ref(order);
                reference.train_epoch(order, &mut |_| {}).await?;
            }
            reference.parameters().await
        })?;
        cases.push((case.name, model, path, found));
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/python/bregman");
    let listed = folder.path().join("cases.json");
    fs::write(&listed, serde_json::to_vec(&spec)?)?;
    runs(TRAIN_TORCH, &[&module, &listed])?;
    for (name, model, path, found) in cases {
        let read = fs::read_to_string(path.with_extension("safetensors.json"))?;
        let theirs: HashMap<String, Vec<f64>> = serde_json::from_str(&read)?;
        for (shape, found) in model.tensors().into_iter().zip(found[0].tensors()) {
            let theirs = &theirs[&shape.name];
            for (i, (a, b)) in found.iter().zip(theirs).enumerate() {
                // Pixels, rates and our result are rounded to float32, the rest is float64.
                let off = (f64::from(*a) - b).abs();
                if off.is_nan() || off > 4.0 * f64::from(f32::EPSILON) {
                    let place = format!("{} number {i}", shape.name);
                    return Err(format!("{name}: {place} is {a}, PyTorch's {b}").into());
                }
            }
        }
    }
    Ok(())
}

const TORCH_RATES: &str = "
import sys, json, torch
from torch.optim import lr_scheduler as schedulers
for name, kwargs, by_step, steps, epochs, ours in json.load(open(sys.argv[1])):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = getattr(schedulers, name)(optimizer, **kwargs)
    theirs = []
    for epoch in range(epochs):
        for step in range(steps):
            theirs.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            if by_step:
                schedule.step()
        if not by_step:
            schedule.step()
    assert len(ours) == len(theirs), name
    for t, (a, b) in enumerate(zip(ours, theirs)):
        assert abs(a - b) < 1e-12, f'{name} {kwargs}, step {t}: {a}, not {b}'
";

/// Each schedule has the rates of its namesake in `torch.optim.lr_scheduler`.
fn schedules_agree() -> Result<(), Failed> {
    let (steps, epochs) = (5, 7);
    let cases = [
        (
            Shape::Step {
                epochs: 2,
                factor: 0.3,
            },
            "StepLR",
            json!({"step_size": 2, "gamma": 0.3}),
            false,
        ),
        (
            Shape::MultiStep {
                milestones: vec![1, 4],
                factor: 0.3,
            },
            "MultiStepLR",
            json!({"milestones": [1, 4], "gamma": 0.3}),
            false,
        ),
        (
            Shape::Exponential { factor: 0.7 },
            "ExponentialLR",
            json!({"gamma": 0.7}),
            false,
        ),
        (
            Shape::Linear { last: 0.2 },
            "LinearLR",
            json!({"start_factor": 1.0, "end_factor": 0.2, "total_iters": 35}),
            true,
        ),
        (
            Shape::Cosine { last: 0.1 },
            "CosineAnnealingLR",
            json!({"T_max": 35, "eta_min": 0.1}),
            true,
        ),
    ];
    let cases: Vec<_> = cases
        .into_iter()
        .map(|(shape, name, kwargs, by_step)| {
            let schedule = RateSchedule {
                shape,
                warm_up: 0.0,
            };
            let factors = (0..steps * u64::from(epochs)).map(|t| schedule.factor(t, steps, epochs));
            json!([
                name,
                kwargs,
                by_step,
                steps,
                epochs,
                factors.collect::<Vec<_>>()
            ])
        })
        .collect();
    let folder = tempfile::tempdir()?;
    let listed = folder.path().join("schedules.json");
    fs::write(&listed, serde_json::to_vec(&cases)?)?;
    runs(TORCH_RATES, &[&listed]).map(drop)
}

const READ_EVENTS: &str = "
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
tags = events.Tags()['scalars']
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags}))
";

/// A run that was killed in effect: its last epoch was not saved, and comes twice.
fn tensorboard_loads() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let out = folder.path();
    let train = |args: &[&str]| -> Result<(), Failed> {
        let run = "--dataset digits --limit-train 200 --limit-test 50 --device cpu --width 13 \
                   --validation 20 --checkpoint-every 2";
        let output = program::command("train_mnist", run)
            .args(args)
            .arg("--out-dir")
            .arg(out)
            .output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    };
    train(&["--epochs", "3"])?;
    let last = out.join("checkpoint.safetensors");
    let mut run = checkpoint::Run::load(&last)?;
    // The checkpoint after epoch 2, as kill -9 within epoch 4 would leave it.
    run.position.epochs = run.position.epochs.iter().take(2).collect();
    run.save(&last)?;
    train(&["--epochs", "4", "--resume", "last"])?;

    let read = runs(READ_EVENTS, &[out])?;
    let scalars: serde_json::Value = serde_json::from_str(&read)?;
    let metrics = fs::read_to_string(out.join("metrics.jsonl"))?;
    let metrics: Vec<serde_json::Value> = metrics
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    for (tag, key) in [
        ("loss/train", "train_loss"),
        ("accuracy/train", "train_accuracy"),
        ("loss/test", "test_loss"),
        ("loss/validation", "val_loss"),
        ("accuracy/test", "test_accuracy"),
        ("accuracy/validation", "val_accuracy"),
    ] {
        let points = scalars[tag]
            .as_array()
            .ok_or(format!("no {tag} in {read}"))?;
        if points.len() != 4 {
            return Err(format!("{tag} has {} points, not one an epoch", points.len()).into());
        }
        for ((point, metrics), epoch) in points.iter().zip(&metrics).zip(1..) {
            let off = point[1]
                .as_f64()
                .zip(metrics[key].as_f64())
                .map(|(a, b)| (a - b).abs());
            // Scalars are float32.
            if point[0] != epoch || off.is_none_or(|off| off > 1e-6) {
                return Err(format!("{tag} of epoch {epoch}: {point} and {}", metrics[key]).into());
            }
        }
    }
    for tag in [
        "learning rate",
        "samples per second",
        "weight norm/layers.0.weight",
        "update norm/layers.0.weight",
        "update norm/head.bias",
    ] {
        if scalars[tag].as_array().map(Vec::len) != Some(4) {
            return Err(format!("{tag}: {}", scalars[tag]).into());
        }
    }
    Ok(())
}

fn main() {
    let trial = |name: &str, test: fn() -> Result<(), Failed>, modules: &str| {
        Trial::test(name, test).with_ignored_flag(!has(modules))
    };
    let trials = vec![
        trial("onnx_agrees", onnx_agrees, "onnx, onnxruntime, numpy"),
        trial(
            "pytorch_agrees",
            pytorch_agrees,
            "torch, safetensors, numpy",
        ),
        trial(
            "onnx_takes_raw_rows",
            tables::onnx_takes_raw_rows,
            "onnx, onnxruntime, numpy, torch, safetensors",
        ),
        trial(
            "pytorch_takes_raw_rows",
            tables::pytorch_takes_raw_rows,
            "torch, safetensors, numpy",
        ),
        trial(
            "the_page_is_served",
            tables::the_page_is_served,
            "onnxruntime, numpy",
        ),
        trial("optimizers_agree", optimizers_agree, "torch, safetensors"),
        trial("schedules_agree", schedules_agree, "torch"),
        trial(
            "tensorboard_loads",
            tensorboard_loads,
            "tensorboard.backend.event_processing.event_accumulator",
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

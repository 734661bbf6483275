//! Networks on the adapter: ten steps of SGD, gradients, and deep or saturated layers.

use super::activations::RoundTrip;
use super::checks::{Check, Checks};
use super::dispatch::Run;
use super::networks::{
    self, Case, Expected, Path, REALIZATIONS, SEED, SGD, augmented_cases, cases, cnn_cases,
    dataset, initial, mixed_cases, optimizer_cases, perturb, run, small_cases, splits,
};
use crate::activation::Activation;
use crate::data::Splits;
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::ops::layer::layer_forward::{Epilogue, Input, Operands, layer_forward};
use crate::gpu::tile::Tile;
use crate::gpu::{Gpu, GpuExecutor};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::{LayerShape, Model, Parameters};
use crate::optim::{Recipe, Sgd};
use crate::reference;

/// The checks, by name.
pub const ALL: [(&str, Check); 12] = [
    ("ten steps, fused", |gpu, checks| {
        ten_steps(
            gpu,
            checks,
            by_sgd([cases(), mixed_cases()].concat()),
            Path::Fused,
        )
    }),
    ("ten steps, unfused", |gpu, checks| {
        ten_steps(
            gpu,
            checks,
            by_sgd([cases(), mixed_cases()].concat()),
            Path::Unfused,
        )
    }),
    ("convolutions, ten steps, fused", |gpu, checks| {
        ten_steps(gpu, checks, by_sgd(cnn_cases()), Path::Fused)
    }),
    ("convolutions, ten steps, unfused", |gpu, checks| {
        ten_steps(gpu, checks, by_sgd(cnn_cases()), Path::Unfused)
    }),
    ("optimizers, ten steps, fused", |gpu, checks| {
        ten_steps(gpu, checks, optimizer_cases(), Path::Fused)
    }),
    ("optimizers, ten steps, unfused", |gpu, checks| {
        ten_steps(gpu, checks, optimizer_cases(), Path::Unfused)
    }),
    ("augmented images, ten steps, fused", |gpu, checks| {
        ten_steps(gpu, checks, augmented_cases(), Path::Fused)
    }),
    ("augmented images, ten steps, unfused", |gpu, checks| {
        ten_steps(gpu, checks, augmented_cases(), Path::Unfused)
    }),
    ("small networks, ten steps", |gpu, checks| {
        ten_steps(gpu, checks, small_cases(), Path::Small)
    }),
    ("gradient", gradient),
    ("identity of 100 layers", identity),
    ("saturation, 200 steps", saturation),
];

/// An executor on the adapter.
fn executor(
    gpu: &Gpu,
    model: &Model,
    splits: &Splits,
    parameters: &[Parameters],
    recipe: impl Into<Recipe>,
    path: Path,
) -> Result<GpuExecutor> {
    let options = path.options(parameters.len(), recipe);
    let executor = GpuExecutor::new(gpu.clone(), model, splits, parameters, options);
    pollster::block_on(executor)
}

/// The cases with plain SGD.
fn by_sgd(cases: Vec<Case>) -> Vec<(Case, Recipe)> {
    cases.into_iter().map(|case| (case, SGD.into())).collect()
}

/// Compares each loss, count and parameter of each network of `cases`.
fn ten_steps(
    gpu: &mut Gpu,
    checks: &mut Checks,
    cases: Vec<(Case, Recipe)>,
    path: Path,
) -> Result<()> {
    for (case, recipe) in cases {
        let model = &case.model;
        let parameters = initial(model, REALIZATIONS);
        let data = splits(model);
        let mut executor = executor(gpu, model, &data, &parameters, recipe.clone(), path)?;
        let found = run(&mut executor, SEED, REALIZATIONS)?;
        Expected::by(model, &recipe)?.compare(model, &found, checks);
    }
    Ok(())
}

/// Compares the gradient, by which one step moves the parameters, with central differences of the
/// reference's loss.
fn gradient(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for (kind, form) in networks::KINDS {
        for activation in [&Activation::TANH, &Activation::SOFTPLUS] {
            let loss = Loss::CrossEntropy;
            let model = Model::new(kind, form, activation, loss, &[13, 7, 7], 5)?;
            gradient_of(gpu, checks, &model)?;
        }
    }
    Ok(())
}

fn gradient_of(gpu: &mut Gpu, checks: &mut Checks, model: &Model) -> Result<()> {
    let sgd = Sgd {
        batch_size: 8,
        learning_rate: 1.0,
    };
    // One batch, so that one epoch is one step.
    let train = dataset(sgd.batch_size, 5, 4);
    let splits = Splits {
        test: train.clone(),
        validation: None,
        train,
    };
    let before = initial(model, 1);
    let mut executor = executor(gpu, model, &splits, &before, sgd, Path::Fused)?;
    let order: Vec<u32> = (0..sgd.batch_size as u32).collect();
    let after = pollster::block_on(async {
        executor.train_epoch(&[order], &mut |_| {}).await?;
        executor.parameters().await
    })?;

    let values = model.pixel_values();
    let indices: Vec<u32> = (0..splits.train.len() as u32).collect();
    let x = splits.train.values_of(&indices, &values);
    let x: Vec<f64> = x.into_iter().map(f64::from).collect();
    let at = |p: &Parameters<f64>| reference::gradients(model, p, &x, &splits.train.targets);
    let exact = before[0].map(f64::from);
    let (loss, gradient) = at(&exact);
    let drawn: Vec<_> = (0..3)
        .map(|draw| at(&perturb(&before[0], draw).map(f64::from)).1)
        .collect();
    let roundings = (13 + 8) as f64 / f64::from(1 << 23);

    for (t, shape) in model.tensors().iter().enumerate() {
        // M is projected after the step; the ten steps check it.
        if shape.name.ends_with(".mix") {
            continue;
        }
        let tensor = |p: &Parameters<f64>| p.tensors().nth(t).cloned().unwrap_or_default();
        let single = |p: &Parameters| p.tensors().nth(t).cloned().unwrap_or_default();
        let (p0, p1) = (single(&before[0]), single(&after[0]));
        let g = tensor(&gradient);
        let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let sensitivity = drawn.iter().map(tensor).fold(0.0, |m: f64, drawn| {
            let changes: Vec<f64> = drawn.iter().zip(&g).map(|(a, b)| a - b).collect();
            m.max(largest(&changes))
        });
        let parameter = p0.iter().fold(0.0, |m: f64, p| m.max(f64::from(p.abs())));
        // The roundings of the gradient, of the update, and of the central difference.
        let bound = roundings * (sensitivity / f64::from(networks::ETA) + largest(&g))
            + (parameter + largest(&g)) / f64::from(1 << 23)
            + 20.0 * f64::EPSILON.powf(2.0 / 3.0) * loss.loss.max(largest(&g));
        for i in 0..p0.len() {
            let step = f64::EPSILON.cbrt();
            let moved = |by: f64| {
                let mut p = exact.clone();
                if let Some(tensor) = p.tensors_mut().nth(t) {
                    tensor[i] += by;
                }
                at(&p).0.loss
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let found = f64::from(p0[i]) - f64::from(p1[i]);
            checks.within((found - difference).abs(), bound, || {
                format!(
                    "{} {} {}[{i}]: {found:?}, expected {difference:?} ± {bound:.1e}",
                    model.kind_name(),
                    model.activation_name(),
                    shape.name
                )
            });
        }
    }
    Ok(())
}

/// With W = 0 and b = 0, a hundred Bregman layers in dual form are one round trip.
fn identity(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for activation in Activation::ALL {
        identity_of(gpu, checks, activation)?;
    }
    Ok(())
}

fn identity_of(gpu: &mut Gpu, checks: &mut Checks, activation: &'static Activation) -> Result<()> {
    const LAYERS: usize = 100;
    const WIDTH: usize = 11;
    let trip = RoundTrip::of(activation);
    let mut z = trip.domain();
    z.truncate(z.len() / WIDTH * WIDTH);
    let [weight, bias] = [WIDTH * WIDTH, WIDTH].map(|len| vec![0.0; len]);
    let states = tied_states(gpu, activation, &weight, &bias, &z, LAYERS)?;
    for (&z, &back) in z.iter().zip(&states[2 * LAYERS - 2]) {
        trip.check(checks, z, back);
    }
    Ok(())
}

/// z₁, a₁, z₂, a₂, … of a Bregman network in dual form whose layers share the parameters W
/// (width, width) and b, from `z` (batch, width).
///
/// # Errors
/// Errors of the adapter.
pub fn tied_states(
    gpu: &mut Gpu,
    activation: &Activation,
    weight: &[f32],
    bias: &[f32],
    z: &[f32],
    layers: usize,
) -> Result<Vec<Vec<f32>>> {
    let width = bias.len();
    let layer = LayerShape {
        inputs: width,
        outputs: width,
        mix: false,
    };
    let mut run = Run::default();
    let [weight, bias, input] = [weight, bias, z].map(|values| run.input(values));
    let mut states = Vec::new();
    for l in 0..layers {
        let [output, dual] = [0; 2].map(|_| run.output(z.len()));
        let (before, epilogue) = match l {
            0 => (input, Epilogue::BregmanLift { u: input, dual }),
            _ => {
                let a = states[2 * l - 1];
                (states[2 * l - 2], Epilogue::BregmanDual { a, dual })
            }
        };
        let operands = Operands {
            z: Input::Buffer(before),
            weight,
            bias,
            output,
        };
        run.op(layer_forward(
            epilogue,
            activation,
            activation.clamp,
            Tile::Small,
            [1, z.len() / width],
            &layer,
            operands,
        ));
        states.extend([output, dual]);
    }
    run.read(gpu, &states)
}

/// Saturated networks in dual form keep their losses and parameters finite.
fn saturation(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    for activation in Activation::ALL {
        let (model, splits, parameters, sgd) = saturated(activation)?;
        let mut executor = executor(gpu, &model, &splits, &parameters, sgd, Path::Fused)?;
        for (step, loss) in saturated_losses(&mut executor)?.into_iter().enumerate() {
            checks.require(loss.is_finite(), || {
                format!("{}: loss {loss} in step {step}", activation.name)
            });
        }
    }
    Ok(())
}

/// A Bregman network in dual form whose weights, a thousand times the usual, saturate each unit;
/// with its data, parameters and training.
///
/// # Errors
/// None are expected.
pub fn saturated(activation: &'static Activation) -> Result<(Model, Splits, Vec<Parameters>, Sgd)> {
    let loss = Loss::CrossEntropy;
    let kind = LayerKind::Bregman;
    let model = Model::new(kind, Form::Dual, activation, loss, &[13, 13, 13, 13], 5)?;
    let mut parameters = initial(&model, 1);
    for layer in &mut parameters[0].layers {
        layer.weight.iter_mut().for_each(|w| *w *= 1000.0);
    }
    // An unbounded range does not saturate, so gradients grow with the weights.
    let bounded = activation.range.iter().all(|end| end.is_finite());
    let sgd = Sgd {
        learning_rate: if bounded { 0.1 } else { 1e-12 },
        ..SGD
    };
    Ok((model.clone(), splits(&model), parameters, sgd))
}

/// The losses of 200 steps; NaN where a parameter is not finite.
///
/// # Errors
/// Errors of the executor.
pub fn saturated_losses(executor: &mut impl Executor) -> Result<Vec<f64>> {
    let orders = [(0..networks::TRAIN_SAMPLES as u32).collect()];
    let mut losses = Vec::new();
    for _ in 0..40 {
        let batches = pollster::block_on(executor.train_epoch(&orders, &mut |_| {}))?;
        losses.extend(batches[0].iter().map(|batch| batch.loss));
    }
    Ok(losses)
}

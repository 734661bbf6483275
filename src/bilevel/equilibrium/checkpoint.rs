//! Saved equilibrium layers: safetensors with `layers.0.input` (U), `layers.0.bias` (b), `layers.0.v`
//! (V), `layers.0.weight` (W, for programs that only run the network), `head.weight` and
//! `head.bias`.

use std::path::Path;

use super::{CpuLayer, Equilibrium, Gradient, Solver};
use crate::activation::Activation;
use crate::checkpoint::EQUILIBRIUM;
use crate::error::{CheckpointFault, Error, Result};
use crate::files::safetensors::State;
use crate::kind::Loss;
use crate::nn::Parameters;

/// The names of the parameters, in their order.
const NAMES: [&str; 5] = [
    "layers.0.input",
    "layers.0.bias",
    "layers.0.v",
    "head.weight",
    "head.bias",
];

/// A saved network, and the data set that it was trained on.
pub type Saved = (Equilibrium, Parameters, String);

/// Writes a network.
///
/// # Errors
/// [`Error::Io`]; [`Error::Shape`] for parameters that do not fit.
pub fn save(
    path: &Path,
    equilibrium: &Equilibrium,
    dataset: &str,
    parameters: &Parameters,
) -> Result<()> {
    let layer = CpuLayer::new(equilibrium, parameters.clone(), Gradient::Implicit)?;
    let model = &equilibrium.model;
    let (n, features, outputs) = (equilibrium.width(), model.inputs(), model.head.outputs);
    let shapes = [
        vec![n, features],
        vec![n],
        vec![n, n],
        vec![outputs, n],
        vec![outputs],
    ];
    let tensors = parameters.tensors().filter(|tensor| !tensor.is_empty());
    let mut state = State::default();
    for ((name, shape), numbers) in NAMES.into_iter().zip(shapes).zip(tensors) {
        state.insert(name, &shape, &numbers[..]);
    }
    state.insert("layers.0.weight", &[n, n], layer.weight());
    let [low, high] = model.input_range;
    state.metadata = [
        ("layer", EQUILIBRIUM.to_owned()),
        ("activation", model.layers[0].activation.name.to_owned()),
        ("loss", model.loss.name().to_owned()),
        ("input_low", low.to_string()),
        ("input_high", high.to_string()),
        ("delta", equilibrium.delta.to_string()),
        ("dataset", dataset.to_owned()),
        ("bregman_version", env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    state.save(path).map(drop)
}

/// Reads a network, whose layer is to be solved by `solver`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] if the file has no equilibrium layer.
pub fn load(path: &Path, solver: Solver) -> Result<Saved> {
    read(State::load(path)?, solver).map_err(|fault| Error::Checkpoint {
        path: path.to_owned(),
        fault,
    })
}

fn read(mut state: State<'_>, solver: Solver) -> Result<Saved, CheckpointFault> {
    let refused = |key: &'static str, value: String, reason: String| CheckpointFault::Metadata {
        key,
        value,
        reason,
    };
    let layer = state.text("layer")?;
    if layer != EQUILIBRIUM {
        let found = layer.to_owned();
        return Err(CheckpointFault::NotEquilibrium { found });
    }
    let activation = state.parse_by("activation", Activation::by_name)?;
    let loss = state.parse_by("loss", Loss::by_name)?;
    let delta = state.finite("delta")?;
    if !(delta > 0.0 && f64::from(delta) < activation.sigma) {
        let reason = format!("must be above 0 and below σ = {}", activation.sigma);
        return Err(refused("delta", state.text("delta")?.to_owned(), reason));
    }
    let [n, features] = state.matrix("layers.0.input", 0)?;
    let [outputs, _] = state.matrix("head.weight", 0)?;
    let mut equilibrium = Equilibrium::new(activation, loss, [features, n, outputs], solver)
        .map_err(|e| CheckpointFault::Malformed {
            reason: e.to_string(),
        })?;
    let (low, high) = (state.finite("input_low")?, state.finite("input_high")?);
    let model = equilibrium.model.clone().with_input_range(low, high);
    equilibrium.model = model.map_err(|e| refused("input_low", low.to_string(), e.to_string()))?;
    equilibrium.delta = delta;
    let shapes = [
        vec![n, features],
        vec![n],
        vec![n, n],
        vec![outputs, n],
        vec![outputs],
    ];
    // All shapes first: the memory allocated then is no more than the file has.
    let tensors = NAMES
        .into_iter()
        .zip(shapes)
        .map(|(name, shape)| state.take(name, &shape))
        .collect::<Result<Vec<Vec<f32>>, _>>()?;
    for (name, numbers) in NAMES.into_iter().zip(&tensors) {
        if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(CheckpointFault::NonFinite {
                tensor: name.to_owned(),
                index,
                value: numbers[index],
            });
        }
    }
    let mut parameters = equilibrium.initial(0);
    let places = parameters.tensors_mut().filter(|tensor| !tensor.is_empty());
    for (tensor, numbers) in places.zip(tensors) {
        *tensor = numbers;
    }
    Ok((equilibrium, parameters, state.text("dataset")?.to_owned()))
}

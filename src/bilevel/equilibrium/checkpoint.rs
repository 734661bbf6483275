//! Saved equilibrium layers: safetensors with `layers.0.input` (U), `layers.0.bias` (b), `layers.0.v`
//! (V), `layers.0.weight` (W, for programs that only run the network), `head.weight` and
//! `head.bias`.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{CpuLayer, Equilibrium, Gradient, Solver};
use crate::activation;
use crate::atomic_file;
use crate::checkpoint::CheckpointFault;
use crate::error::{Error, Result};
use crate::nn::{Loss, Parameters};

/// What the metadata's `layer` says.
const LAYER: &str = "equilibrium";

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
    let bytes =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let tensors = parameters.tensors().filter(|tensor| !tensor.is_empty());
    let mut data: Vec<(&str, Vec<usize>, Vec<u8>)> = NAMES
        .into_iter()
        .zip(shapes)
        .zip(tensors)
        .map(|((name, shape), values)| (name, shape, bytes(values)))
        .collect();
    data.push(("layers.0.weight", vec![n, n], bytes(layer.weight())));
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (*name, view.expect("as many bytes as the shape says"))
    });
    let [low, high] = model.input_range;
    let metadata: HashMap<String, String> = [
        ("layer", LAYER.to_owned()),
        ("activation", model.activation.name.to_owned()),
        ("loss", model.loss.name().to_owned()),
        ("input_low", low.to_string()),
        ("input_high", high.to_string()),
        ("delta", equilibrium.delta.to_string()),
        ("dataset", dataset.to_owned()),
        ("bregman_version", env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let file = safetensors::serialize(views, Some(metadata)).expect("shapes and names are right");
    atomic_file::write(path, &file)?;
    Ok(())
}

/// Reads a network; it is solved as `solver` says.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] for what is no equilibrium layer.
pub fn load(path: &Path, solver: Solver) -> Result<Saved> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    read(&bytes, solver).map_err(|fault| Error::Checkpoint {
        path: path.to_owned(),
        fault,
    })
}

fn read(bytes: &[u8], solver: Solver) -> std::result::Result<Saved, CheckpointFault> {
    let malformed = |reason: String| CheckpointFault::Malformed { reason };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| malformed(e.to_string()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| malformed(e.to_string()))?;
    let text = |key: &'static str| {
        let value = header
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(key));
        value.ok_or(CheckpointFault::MissingMetadata { key })
    };
    let refused = |key: &'static str, value: &str, reason: String| CheckpointFault::Metadata {
        key,
        value: value.to_owned(),
        reason,
    };
    let number = |key: &'static str| {
        let value = text(key)?;
        let number = value
            .parse::<f32>()
            .ok()
            .filter(|number| number.is_finite());
        number.ok_or_else(|| refused(key, value, "a finite number is needed".to_owned()))
    };
    let layer = text("layer")?;
    if layer != LAYER {
        let reason = format!("only `{LAYER}` layers can be loaded with --equilibrium");
        return Err(refused("layer", layer, reason));
    }
    let name = text("activation")?;
    let activation =
        activation::by_name(name).map_err(|e| refused("activation", name, e.to_string()))?;
    let name = text("loss")?;
    let loss = Loss::by_name(name).map_err(|e| refused("loss", name, e.to_string()))?;
    let delta = number("delta")?;
    if !(delta > 0.0 && f64::from(delta) < activation.sigma) {
        let reason = format!("must be above 0 and below σ = {}", activation.sigma);
        return Err(refused("delta", text("delta")?, reason));
    }
    let matrix = |tensor: &str| {
        let view = file
            .tensor(tensor)
            .map_err(|_| CheckpointFault::MissingTensor {
                tensor: tensor.to_owned(),
                expected: "a tensor of an equilibrium layer".to_owned(),
            })?;
        if view.dtype() != Dtype::F32 {
            return Err(CheckpointFault::NumberType {
                tensor: tensor.to_owned(),
                found: view.dtype().to_string(),
            });
        }
        Ok(view)
    };
    let sizes = |tensor: &str| match *matrix(tensor)?.shape() {
        [rows, cols] if rows > 0 && cols > 0 => Ok([rows, cols]),
        ref shape => Err(CheckpointFault::NotAMatrix {
            tensor: tensor.to_owned(),
            found: shape.to_vec(),
        }),
    };
    let [n, features] = sizes("layers.0.input")?;
    let [outputs, _] = sizes("head.weight")?;
    let mut equilibrium = Equilibrium::new(activation, loss, [features, n, outputs], solver)
        .map_err(|e| malformed(e.to_string()))?;
    let (low, high) = (number("input_low")?, number("input_high")?);
    let model = equilibrium.model.clone().with_input_range(low, high);
    equilibrium.model = model.map_err(|e| refused("input_low", &low.to_string(), e.to_string()))?;
    equilibrium.delta = delta;
    let shapes = [
        vec![n, features],
        vec![n],
        vec![n, n],
        vec![outputs, n],
        vec![outputs],
    ];
    // All shapes first: what is allocated then is no more than what the file holds.
    for (name, expected) in NAMES.into_iter().zip(shapes) {
        let found = matrix(name)?.shape().to_vec();
        if found != expected {
            let tensor = name.to_owned();
            return Err(CheckpointFault::Shape {
                tensor,
                expected,
                found,
            });
        }
    }
    let mut parameters = equilibrium.initial(0);
    let tensors = parameters.tensors_mut().filter(|tensor| !tensor.is_empty());
    for (name, values) in NAMES.into_iter().zip(tensors) {
        let view = matrix(name)?;
        let (numbers, _) = view.data().as_chunks();
        for (index, (value, &bytes)) in values.iter_mut().zip(numbers).enumerate() {
            *value = f32::from_le_bytes(bytes);
            if !value.is_finite() {
                return Err(CheckpointFault::NonFinite {
                    tensor: name.to_owned(),
                    index,
                    value: *value,
                });
            }
        }
    }
    Ok((equilibrium, parameters, text("dataset")?.clone()))
}

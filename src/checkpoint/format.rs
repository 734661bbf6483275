//! The common parts of the files of networks and of runs: description, tensors, checks.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::data::prepare::Preparation;
use crate::error::{CheckpointFault, Error};
use crate::files::safetensors::State;
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::{Cnn, Layer, LayerSpec, Model, Parameters, Shape};

/// The entry of the metadata with the version of a network's description. Version 1 has no such entry: it
/// describes layers that are alike. Version 2 describes each layer by itself, and is written for networks
/// that version 1 cannot describe.
const NETWORK_VERSION_KEY: &str = "bregman_network";
const NETWORK_VERSION: &str = "2";

/// The entry of the metadata that distinguishes a run's file from a network's.
pub(super) const VERSION_KEY: &str = "bregman_run";

/// The value of `layer` in the metadata of a layer at its limit of infinite depth, which is none of the
/// kinds of layers here.
pub const EQUILIBRIUM: &str = "equilibrium";

type FaultResult<T> = std::result::Result<T, CheckpointFault>;

/// Decimal digits that give back the very number, as a float32 here and as Python's `float()`:
/// the shortest that identify it among the float64.
fn exact(value: f32) -> String {
    format!("{:?}", f64::from(value))
}

/// The error for a fault in the file `path`; made for `map_err`.
pub(super) fn at(path: &Path) -> impl FnOnce(CheckpointFault) -> Error {
    let path = path.to_owned();
    move |fault| Error::Checkpoint { path, fault }
}

/// A layer's description in version 2, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerEntry {
    layer: String,
    form: String,
    activation: String,
    /// The very float32, as float64.
    clamp: [f64; 2],
    dual_passage: bool,
}

impl LayerEntry {
    fn of(layer: &Layer) -> Self {
        Self {
            layer: layer.kind.name().to_owned(),
            form: layer.form.name().to_owned(),
            activation: layer.activation.name.to_owned(),
            clamp: layer.clamp.map(f64::from),
            dual_passage: layer.dual_passage,
        }
    }

    /// The description of the layer, without its width, and its clamp.
    fn settings(&self) -> Result<Settings, Error> {
        let spec = LayerSpec {
            width: 0,
            kind: LayerKind::by_name(&self.layer)?,
            form: Form::by_name(&self.form)?,
            activation: Activation::by_name(&self.activation)?,
            dual_passage: self.dual_passage,
        };
        Ok((spec, self.clamp.map(|end| end as f32)))
    }
}

/// A layer's description, and its clamp.
type Settings = (LayerSpec, [f32; 2]);

/// The entries that describe a network. Those that its version does not have are empty, as is the one of the
/// convolutions if there are none.
pub(crate) fn description(model: &Model) -> [(&'static str, String); 12] {
    let alike = model.uniform();
    let one = |text: fn(&Layer) -> String| alike.map_or_else(String::new, text);
    let [version, layers] = match alike {
        Some(_) => [String::new(), String::new()],
        None => {
            let entries: Vec<_> = model.layers.iter().map(LayerEntry::of).collect();
            let layers = serde_json::to_string(&entries).expect("numbers and strings serialize");
            [NETWORK_VERSION.to_owned(), layers]
        }
    };
    let cnn = model.cnn.as_ref();
    let preparation = model.preparation.as_ref();
    [
        (NETWORK_VERSION_KEY, version),
        ("layer", one(|layer| layer.kind.name().to_owned())),
        ("form", one(|layer| layer.form.name().to_owned())),
        ("activation", one(|layer| layer.activation.name.to_owned())),
        ("layers", layers),
        ("loss", model.loss.name().to_owned()),
        ("clamp_low", one(|layer| exact(layer.clamp[0]))),
        ("clamp_high", one(|layer| exact(layer.clamp[1]))),
        ("input_low", exact(model.input_range[0])),
        ("input_high", exact(model.input_range[1])),
        ("cnn", cnn.map_or_else(String::new, Cnn::to_json)),
        (
            "preparation",
            preparation.map_or_else(String::new, Preparation::to_json),
        ),
    ]
}

/// The metadata that every file has: description without empty entries, data set and version.
pub(super) fn metadata(model: &Model, dataset: &str) -> BTreeMap<String, String> {
    let described = description(model).into_iter();
    described
        .filter(|(_, value)| !value.is_empty())
        .chain([
            ("dataset", dataset.to_owned()),
            ("bregman_version", env!("CARGO_PKG_VERSION").to_owned()),
        ])
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The network that the metadata and the shapes of the tensors describe, and the name of its data
/// set. The shapes have `leading` dimensions before the network's own.
pub(super) fn read_model(state: &State<'_>, leading: usize) -> FaultResult<(Model, String)> {
    let mut settings = read_layers(state)?;
    let loss = state.parse_by("loss", Loss::by_name)?;
    let input_range = [state.finite("input_low")?, state.finite("input_high")?];
    let dataset = state.text("dataset")?.to_owned();
    state.text("bregman_version")?;

    let (widths, outputs) = widths(state, leading)?;
    let hidden = widths.len() - 1;
    let alike = !state.metadata.contains_key(NETWORK_VERSION_KEY);
    if alike {
        settings.resize(hidden, settings[0]);
    }
    if settings.len() != hidden {
        return Err(CheckpointFault::Metadata {
            key: "layers",
            value: described(state),
            reason: format!(
                "it describes {} layers, the tensors {hidden}",
                settings.len()
            ),
        });
    }
    let specs = settings.iter().zip(&widths[1..]);
    let specs: Vec<LayerSpec> = specs
        .map(|(&(spec, _), &width)| LayerSpec { width, ..spec })
        .collect();
    let refused = |key, value: String| {
        move |e: Error| CheckpointFault::Metadata {
            key,
            value,
            reason: e.to_string(),
        }
    };
    let [low, high] = input_range;
    let mut model = Model::from_layers(widths[0], &specs, loss, outputs)
        .map_err(|error| match error {
            Error::LayerRanges { .. }
            | Error::InvalidValue {
                field: "dual_passage",
                ..
            } => refused("layers", described(state))(error),
            _ => refused("loss", loss.name().to_owned())(error),
        })?
        .with_input_range(low, high)
        .map_err(refused("input_low", exact(low)))?;
    for (layer, (_, clamp)) in model.layers.iter_mut().zip(settings) {
        let activation = layer.activation;
        let [lowest, highest] = activation.clamp;
        let [low, high] = clamp;
        if !(lowest <= low && low < high && high <= highest) {
            let reason = format!(
                "a layer's lower end of the clamp must be below the upper end, both within [{}, {}] for {}",
                exact(lowest),
                exact(highest),
                activation.name
            );
            return Err(CheckpointFault::Metadata {
                key: if alike { "clamp_low" } else { "layers" },
                value: exact(low),
                reason,
            });
        }
        layer.clamp = clamp;
    }
    // Only networks with convolutions have this entry.
    if let Ok(json) = state.text("cnn") {
        let cnn = Cnn::from_json(json).and_then(|cnn| model.with_cnn(cnn));
        model = cnn.map_err(refused("cnn", json.to_owned()))?;
    }
    // Only networks for samples that were prepared have this one.
    if let Ok(json) = state.text("preparation") {
        let metadata = |reason| CheckpointFault::Metadata {
            key: "preparation",
            // It may be long.
            value: json.chars().take(80).collect(),
            reason,
        };
        let preparation = Preparation::from_json(json).map_err(metadata)?;
        let prepared = model.with_preparation(preparation);
        model = prepared.map_err(|error| metadata(error.to_string()))?;
    }
    Ok((model, dataset))
}

/// The text of the entry "layers", if there is one.
fn described(state: &State<'_>) -> String {
    state.text("layers").unwrap_or_default().to_owned()
}

/// The settings of the hidden layers, without their widths: those of each in version 2, and of one in
/// version 1, where they are alike.
fn read_layers(state: &State<'_>) -> FaultResult<Vec<Settings>> {
    match state.metadata.get(NETWORK_VERSION_KEY).map(String::as_str) {
        None | Some("1") if state.text("layer")? == EQUILIBRIUM => {
            Err(CheckpointFault::Equilibrium)
        }
        None | Some("1") => {
            let kind = state.parse_by("layer", LayerKind::by_name)?;
            let form = state.parse_by("form", Form::by_name)?;
            let activation = state.parse_by("activation", Activation::by_name)?;
            let clamp = [state.finite("clamp_low")?, state.finite("clamp_high")?];
            Ok(vec![(LayerSpec::new(kind, form, activation, 0), clamp)])
        }
        Some(NETWORK_VERSION) => {
            let read = |json: &str| -> Result<Vec<Settings>, String> {
                let entries: Vec<LayerEntry> =
                    serde_json::from_str(json).map_err(|error| error.to_string())?;
                let settings = entries.iter().map(LayerEntry::settings);
                settings
                    .collect::<Result<_, _>>()
                    .map_err(|error| error.to_string())
            };
            state.parse_by("layers", read)
        }
        Some(other) => Err(CheckpointFault::Metadata {
            key: NETWORK_VERSION_KEY,
            value: other.to_owned(),
            reason:
                "this program reads networks of versions 1 and 2; a newer one may have saved it"
                    .to_owned(),
        }),
    }
}

/// The input width, the hidden layers' widths, and the number of outputs, from the weights' shapes.
fn widths(state: &State<'_>, leading: usize) -> FaultResult<(Vec<usize>, usize)> {
    let [first, inputs] = state.matrix("layers.0.weight", leading)?;
    let mut widths = vec![inputs, first];
    loop {
        let tensor = format!("layers.{}.weight", widths.len() - 1);
        if !state.arrays.contains_key(&tensor) {
            break;
        }
        widths.push(state.matrix(&tensor, leading)?[0]);
    }
    Ok((widths, state.matrix("head.weight", leading)?[0]))
}

/// Removes the parameters of `model` from `state` and returns those of each realization. Every tensor
/// has the dimensions `leading` before its own: none, or the number of realizations.
pub(super) fn take_parameters(
    state: &mut State<'_>,
    model: &Model,
    leading: &[usize],
) -> FaultResult<Vec<Parameters>> {
    let all = take_tensors(state, model, leading, &str::to_owned)?;
    all.iter()
        .try_for_each(|parameters| check_numbers(model, parameters))?;
    Ok(all)
}

/// Removes tensors with the shapes of the parameters of `model`, whose names `name` makes from the
/// parameters' own.
pub(super) fn take_tensors(
    state: &mut State<'_>,
    model: &Model,
    leading: &[usize],
    name: &dyn Fn(&str) -> String,
) -> FaultResult<Vec<Parameters>> {
    // All shapes first: the memory allocated then is no more than the file has.
    let shapes = model.tensors().into_iter();
    let tensors = shapes
        .map(|shape| state.take(&name(&shape.name), &[leading, &shape.dims].concat()))
        .collect::<FaultResult<Vec<Vec<f32>>>>()?;
    let mut all = vec![Parameters::zeros(model); leading.iter().product()];
    for (r, parameters) in all.iter_mut().enumerate() {
        for (tensor, numbers) in parameters.tensors_mut().zip(&tensors) {
            let len = tensor.len();
            tensor.copy_from_slice(&numbers[r * len..][..len]);
        }
        check_finite(model, parameters, name)?;
    }
    Ok(all)
}

/// Fails unless all numbers are finite; `name` makes a tensor's name from that of the parameter.
pub(super) fn check_finite(
    model: &Model,
    parameters: &Parameters,
    name: &dyn Fn(&str) -> String,
) -> FaultResult<()> {
    for (shape, numbers) in model.tensors().into_iter().zip(parameters.tensors()) {
        if let Some(index) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(CheckpointFault::NonFinite {
                tensor: name(&shape.name),
                index,
                value: numbers[index],
            });
        }
    }
    Ok(())
}

/// Fails if an array is left in `state`: the network has no place for it.
pub(super) fn check_rest(state: &State<'_>) -> FaultResult<()> {
    match state.arrays.first_key_value() {
        None => Ok(()),
        Some((tensor, array)) => Err(CheckpointFault::UnexpectedTensor {
            tensor: tensor.clone(),
            found: array.dims.clone(),
        }),
    }
}

/// Fails unless all parameters are finite and M's rows are on the simplex.
pub(super) fn check_numbers(model: &Model, parameters: &Parameters) -> FaultResult<()> {
    check_finite(model, parameters, &str::to_owned)?;
    for (Shape { name, dims }, values) in model.tensors().into_iter().zip(parameters.tensors()) {
        if name.ends_with(".mix") {
            let off = values
                .chunks_exact(dims[1])
                .position(|row| !on_simplex(row));
            if let Some(row) = off {
                let numbers = &values[row * dims[1]..][..dims[1]];
                return Err(CheckpointFault::OffSimplex {
                    tensor: name,
                    row,
                    smallest: numbers.iter().copied().fold(f32::INFINITY, f32::min),
                    sum: sum(numbers),
                });
            }
        }
    }
    Ok(())
}

/// Whether a row is a projection onto the simplex, up to the rounding of float32 arithmetic.
///
/// Every projection ends in max(p − θ, 0), so no entry is below 0. The sum is off by the rounding
/// of each of n differences, at most ε/2 since none exceeds 1 by more than that, and by n times the
/// error of a θ summed in float32, pairwise or in a tree, a few ε/2 more: 8nε covers them. In half
/// precision each entry is off by up to 2⁻¹¹ of itself, and so is the sum, which is 1.
fn on_simplex(row: &[f32]) -> bool {
    let half = 1.0 / 2048.0;
    let tolerance = 8.0 * row.len() as f64 * f64::from(f32::EPSILON) + half;
    row.iter().all(|&p| p >= 0.0) && (sum(row) - 1.0).abs() <= tolerance
}

fn sum(row: &[f32]) -> f64 {
    row.iter().map(|&p| f64::from(p)).sum()
}

//! The bytes of a checkpoint.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::activation;
use crate::error::{CheckpointFault, Error, Result};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::{Cnn, Model, Parameters, Shape};

/// The entry that tells a run's file from a network's.
pub(super) const VERSION_KEY: &str = "bregman_run";

/// Decimal digits that give back the very number, as a float32 here and as Python's `float()`:
/// the shortest that name it among the float64.
fn exact(value: f32) -> String {
    format!("{:?}", f64::from(value))
}

/// The description of a network, as the metadata has it.
pub(super) fn description(model: &Model) -> Vec<(&'static str, String)> {
    let mut entries = vec![
        ("layer", model.kind.name().to_owned()),
        ("form", model.form.name().to_owned()),
        ("activation", model.activation.name.to_owned()),
        ("loss", model.loss.name().to_owned()),
        ("clamp_low", exact(model.clamp[0])),
        ("clamp_high", exact(model.clamp[1])),
        ("input_low", exact(model.input_range[0])),
        ("input_high", exact(model.input_range[1])),
    ];
    entries.extend(model.cnn.iter().map(|cnn| ("cnn", cnn.to_json())));
    entries
}

fn metadata(model: &Model, dataset: &str) -> HashMap<String, String> {
    description(model)
        .into_iter()
        .chain([
            ("dataset", dataset.to_owned()),
            ("bregman_version", env!("CARGO_PKG_VERSION").to_owned()),
        ])
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The bytes of a file.
pub(super) fn serialize(model: &Model, dataset: &str, parameters: &Parameters) -> Vec<u8> {
    let tensors: Vec<(Shape, Vec<u8>)> = model
        .tensors()
        .into_iter()
        .zip(parameters.tensors())
        .map(|(shape, values)| (shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = tensors.iter().map(|(shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.dims.clone(), bytes);
        (
            shape.name.as_str(),
            view.expect("parameters have the shapes of their model"),
        )
    });
    let file = safetensors::serialize(views, Some(metadata(model, dataset)))
        .expect("a header of strings and shapes serializes");
    sort_header(&file)
}

/// The same file with its header's entries in order: the library's order of the metadata differs
/// from run to run, and one seed must give one file.
fn sort_header(file: &[u8]) -> Vec<u8> {
    const LENGTH: usize = size_of::<u64>();
    let (length, rest) = file.split_at(LENGTH);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    let (header, data) = rest.split_at(length as usize);
    let sorted: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(header).expect("a header just written parses");
    let mut header = serde_json::to_vec(&sorted).expect("strings and numbers serialize");
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let mut sorted = Vec::with_capacity(LENGTH + header.len() + data.len());
    sorted.extend((header.len() as u64).to_le_bytes());
    sorted.extend(header);
    sorted.extend(data);
    sorted
}

type FaultResult<T> = std::result::Result<T, CheckpointFault>;

/// What a file holds: network, parameters, and the name of the data set.
pub(super) type Contents = (Model, Parameters, String);

/// Reads the bytes of a file.
pub(super) fn deserialize(bytes: &[u8]) -> FaultResult<Contents> {
    let malformed = |e: safetensors::SafeTensorError| CheckpointFault::Malformed {
        reason: e.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let metadata = header.metadata().as_ref();
    let text = |key: &str| metadata.and_then(|entries| entries.get(key).map(String::as_str));
    if text(VERSION_KEY).is_some() {
        return Err(CheckpointFault::Run);
    }
    let shape = |name: &str| file.tensor(name).ok().map(|view| view.shape().to_vec());
    let (model, dataset) = read_model(&text, &shape)?;
    let parameters = read_tensors(&file, &model)?;
    check_numbers(&model, &parameters)?;
    Ok((model, parameters, dataset))
}

/// The network that metadata and the shapes of the tensors describe, and the name of its data set.
pub(super) fn read_model<'t>(
    text: &dyn Fn(&str) -> Option<&'t str>,
    shape: &dyn Fn(&str) -> Option<Vec<usize>>,
) -> FaultResult<(Model, String)> {
    let entries = Entries(text);
    let kind = entries.parse("layer", LayerKind::by_name)?;
    let form = entries.parse("form", Form::by_name)?;
    let activation = entries.parse("activation", activation::by_name)?;
    let loss = entries.parse("loss", Loss::by_name)?;
    let clamp = [entries.number("clamp_low")?, entries.number("clamp_high")?];
    let input_range = [entries.number("input_low")?, entries.number("input_high")?];
    let dataset = entries.text("dataset")?.to_owned();
    entries.text("bregman_version")?;

    let (widths, outputs) = widths(shape)?;
    let refused = |key, value: String| {
        move |e: Error| CheckpointFault::Metadata {
            key,
            value,
            reason: e.to_string(),
        }
    };
    let [low, high] = input_range;
    let mut model = Model::new(kind, form, activation, loss, &widths, outputs)
        .map_err(refused("loss", loss.name().to_owned()))?
        .with_input_range(low, high)
        .map_err(refused("input_low", exact(low)))?;
    let [lowest, highest] = activation.clamp;
    let [low, high] = clamp;
    if !(lowest <= low && low < high && high <= highest) {
        let reason = format!(
            "clamp_low < clamp_high must be within [{}, {}] for {}",
            exact(lowest),
            exact(highest),
            activation.name
        );
        return Err(CheckpointFault::Metadata {
            key: "clamp_low",
            value: exact(low),
            reason,
        });
    }
    model.clamp = clamp;
    // There is such an entry only where there are convolutions.
    if let Ok(json) = entries.text("cnn") {
        let cnn = Cnn::from_json(json).and_then(|cnn| model.with_cnn(cnn));
        model = cnn.map_err(refused("cnn", json.to_owned()))?;
    }
    Ok((model, dataset))
}

/// The metadata's strings.
struct Entries<'a, 't>(&'a dyn Fn(&str) -> Option<&'t str>);

impl<'t> Entries<'_, 't> {
    fn text(&self, key: &'static str) -> FaultResult<&'t str> {
        (self.0)(key).ok_or(CheckpointFault::MissingMetadata { key })
    }

    fn parse<T>(&self, key: &'static str, parse: impl FnOnce(&str) -> Result<T>) -> FaultResult<T> {
        let value = self.text(key)?;
        parse(value).map_err(|e| CheckpointFault::Metadata {
            key,
            value: value.to_owned(),
            reason: e.to_string(),
        })
    }

    fn number(&self, key: &'static str) -> FaultResult<f32> {
        let value = self.text(key)?;
        match value.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(CheckpointFault::Metadata {
                key,
                value: value.to_owned(),
                reason: "a finite number is needed".to_owned(),
            }),
        }
    }
}

/// The input width, the hidden layers' widths, and the number of outputs, from the weights' shapes.
fn widths(shape: &dyn Fn(&str) -> Option<Vec<usize>>) -> FaultResult<(Vec<usize>, usize)> {
    let matrix = |tensor: String| match shape(&tensor) {
        None => Err(CheckpointFault::MissingTensor {
            tensor,
            expected: "a matrix (out, in)".to_owned(),
        }),
        Some(dims) => match dims[..] {
            [outputs, inputs] if outputs > 0 && inputs > 0 => Ok([outputs, inputs]),
            _ => Err(CheckpointFault::NotAMatrix {
                tensor,
                found: dims,
            }),
        },
    };
    let [first, inputs] = matrix("layers.0.weight".to_owned())?;
    let mut widths = vec![inputs, first];
    loop {
        let tensor = format!("layers.{}.weight", widths.len() - 1);
        if shape(&tensor).is_none() {
            break;
        }
        widths.push(matrix(tensor)?[0]);
    }
    Ok((widths, matrix("head.weight".to_owned())?[0]))
}

fn read_tensors(file: &SafeTensors<'_>, model: &Model) -> FaultResult<Parameters> {
    let needed = model.tensors();
    // All shapes first: what is allocated then is no more than what the file holds.
    for Shape { name, dims } in &needed {
        let tensor = || name.clone();
        let view = file
            .tensor(name)
            .map_err(|_| CheckpointFault::MissingTensor {
                tensor: tensor(),
                expected: format!("shape {dims:?}"),
            })?;
        if view.shape() != dims {
            return Err(CheckpointFault::Shape {
                tensor: tensor(),
                expected: dims.clone(),
                found: view.shape().to_vec(),
            });
        }
        if view.dtype() != Dtype::F32 {
            let found = view.dtype().to_string();
            return Err(CheckpointFault::NumberType {
                tensor: tensor(),
                found,
            });
        }
    }
    let known = |name: &String| needed.iter().any(|shape| shape.name == *name);
    if let Some((tensor, view)) = file.tensors().into_iter().find(|(name, _)| !known(name)) {
        let found = view.shape().to_vec();
        return Err(CheckpointFault::UnexpectedTensor { tensor, found });
    }
    let mut parameters = Parameters::zeros(model);
    for (shape, values) in needed.iter().zip(parameters.tensors_mut()) {
        let view = file
            .tensor(&shape.name)
            .expect("its shape was checked above");
        let (numbers, _) = view.data().as_chunks();
        for (value, &bytes) in values.iter_mut().zip(numbers) {
            *value = f32::from_le_bytes(bytes);
        }
    }
    Ok(parameters)
}

/// Whether all parameters are finite, and M's rows on the simplex.
pub(super) fn check_numbers(model: &Model, parameters: &Parameters) -> FaultResult<()> {
    for (Shape { name, dims }, values) in model.tensors().into_iter().zip(parameters.tensors()) {
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            let value = values[index];
            return Err(CheckpointFault::NonFinite {
                tensor: name,
                index,
                value,
            });
        }
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

/// Whether a row is a projection onto the simplex, up to what float32 arithmetic makes of it.
///
/// Every projection ends in max(p − θ, 0), so no entry is below 0. The sum is off by the rounding
/// of each of n differences, at most ε/2 since none exceeds 1 by more than that, and by n times the
/// error of a θ summed in float32, pairwise or in a tree, a few ε/2 more: 8nε covers them.
fn on_simplex(row: &[f32]) -> bool {
    let tolerance = 8.0 * row.len() as f64 * f64::from(f32::EPSILON);
    row.iter().all(|&p| p >= 0.0) && (sum(row) - 1.0).abs() <= tolerance
}

fn sum(row: &[f32]) -> f64 {
    row.iter().map(|&p| f64::from(p)).sum()
}

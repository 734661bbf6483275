//! The network that the options and a checkpoint describe.

use super::load::Data;
use super::options::Options;

use crate::checkpoint::{self, Checkpoint, Run};
use crate::cli::args::{invalid, network_text};
use crate::cli::say::thousands;
use crate::data::Dataset;
use crate::data::prepare::InputRule;
use crate::error::{CheckpointFault, Result};
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::memory;
use crate::nn::cnn::{Block, Dropout};
use crate::nn::{Cnn, Layer, LayerShape, LayerSpec, Model, Parameters};
use crate::train::Keep;

/// A network, and where its initial parameters come from.
pub struct Network {
    pub model: Model,
    pub initial: Initial,
}

/// Where initial parameters come from.
pub enum Initial {
    /// Each realization draws its own.
    Random { init: Init, seeds: Vec<u64> },
    /// Those of a checkpoint.
    Loaded(Vec<Parameters>),
}

impl Initial {
    /// The parameters of each realization.
    pub fn parameters(self, model: &Model) -> Vec<Parameters> {
        match self {
            Self::Random { init, seeds } => seeds
                .into_iter()
                .map(|seed| init.parameters(model, seed))
                .collect(),
            Self::Loaded(parameters) => parameters,
        }
    }
}

impl Network {
    /// The number of realizations.
    pub fn realizations(&self) -> usize {
        match &self.initial {
            Initial::Random { seeds, .. } => seeds.len(),
            Initial::Loaded(parameters) => parameters.len(),
        }
    }

    /// The network of a resumed run.
    pub fn resumed(run: &Run) -> Self {
        Self {
            model: run.model.clone(),
            initial: Initial::Loaded(run.parameters.clone()),
        }
    }
}

/// Loads the checkpoints that `options` ask for, and checks that they agree with the other options.
///
/// # Errors
/// [`Checkpoint`](crate::error::Error::Checkpoint).
pub fn load(options: &Options) -> Result<Option<Vec<Checkpoint>>> {
    let (Some(path), None) = (&options.load, &options.run) else {
        return Ok(None);
    };
    let checkpoints = checkpoint::load_all(path, options.realizations)?;
    let checkpoint = &checkpoints[0];
    let saved = &checkpoint.model;
    let range = |[low, high]: [f32; 2]| format!("{low},{high}");
    let names = |kind: &str, form: &str, activation: &str, loss: Loss| {
        [kind, form, activation, loss.name()].map(str::to_owned)
    };
    let found = names(
        saved.kind_name(),
        saved.form_name(),
        saved.activation_name(),
        saved.loss,
    );
    let (kind, form) = (options.layer.first().name(), options.form.name());
    let given = names(kind, form, options.activation.name, options.loss);
    let fields = ["layer", "form", "activation", "loss"];
    let mut pairs: Vec<_> = fields
        .into_iter()
        .zip(found.into_iter().zip(given))
        .collect();
    let bregman = |layer: &Layer| layer.kind == LayerKind::Bregman;
    if !saved.layers.iter().any(bregman) {
        pairs.retain(|(field, _)| *field != "form");
    }
    if let Some(layers) = &options.network {
        // It says all of that for each layer.
        pairs.retain(|(field, _)| *field == "loss");
        let specs = layers.specs(options.activation, options.form);
        let inputs = saved.layers[0].shape.inputs;
        let given = Model::from_layers(inputs, &specs, saved.loss, saved.head.outputs)?;
        pairs.push(("network", (network_text(saved), network_text(&given))));
    }
    if let Some(given) = options.input_range {
        pairs.push(("input_range", (range(saved.input_range), range(given))));
    }
    for (field, (found, given)) in pairs {
        if options.given(field) && found != given {
            return Err(checkpoint.error(CheckpointFault::OtherValue {
                field,
                found,
                given,
            }));
        }
    }
    Ok(Some(checkpoints))
}

/// The network for samples like those that `data` train on.
///
/// # Errors
/// [`InvalidValue`](crate::error::Error::InvalidValue) for an input range outside the range of ρ, [`OutOfMemory`](crate::error::Error::OutOfMemory) for a
/// network beyond this machine, [`Checkpoint`](crate::error::Error::Checkpoint) for one that does not fit the options or the
/// data.
pub fn build(
    options: &Options,
    checkpoints: Option<Vec<Checkpoint>>,
    data: &Data,
) -> Result<Network> {
    let mut network = unprepared(options, checkpoints, &data.splits.train)?;
    if let Some(preparation) = &data.preparation {
        network.model = network.model.with_preparation(preparation.clone())?;
    }
    Ok(network)
}

/// [`build`], without the preprocessing of the samples.
fn unprepared(
    options: &Options,
    checkpoints: Option<Vec<Checkpoint>>,
    data: &Dataset,
) -> Result<Network> {
    let (features, classes) = (data.features(), data.classes);
    let loss = match data.is_regression() && !options.given("loss") {
        true => Loss::MeanSquaredError,
        false => options.loss,
    };
    if data.is_regression() && checkpoints.is_none() && loss == Loss::CrossEntropy {
        let reason = "the target is numbers, which mse and huber take; `classes` takes each different number as \
                      a class";
        return Err(invalid("loss", loss.name(), reason));
    }
    let Some(checkpoints) = checkpoints else {
        let cnn = front_end(options, data)?;
        let features = cnn.as_ref().map_or(features, Cnn::features);
        // Hidden layers as wide as the convolutions' features need no M.
        let width = match &cnn {
            Some(_) if !options.given("width") => features,
            _ => options.width,
        };
        let (form, activation) = (options.form, options.activation);
        let uniform = LayerSpec::new(options.layer.first(), form, activation, width);
        let specs = match &options.network {
            Some(layers) => {
                let specs = layers.specs(activation, form);
                let each: Vec<_> = specs.iter().map(|&spec| (spec, 1)).collect();
                check_memory(options, features, &each, classes)?;
                specs
            }
            None => {
                check_memory(
                    options,
                    features,
                    &[(uniform, options.hidden_layers)],
                    classes,
                )?;
                vec![uniform; options.hidden_layers]
            }
        };
        let mut model = Model::from_layers(features, &specs, loss, classes)?;
        if let Some([low, high]) = options.input_range {
            model = model.with_input_range(low, high)?;
        }
        if let Some(cnn) = cnn {
            model = model.with_cnn(cnn)?;
        }
        let first = options.seed.first();
        let seeds = (0..options.realizations).map(|r| first.wrapping_add(r as u64));
        let initial = Initial::Random {
            init: options.init,
            seeds: seeds.collect(),
        };
        return Ok(Network { model, initial });
    };
    let model = checkpoints[0].model.clone();
    // The number of features that the layers take.
    let features = model.cnn.as_ref().map_or(features, Cnn::features);
    let mut specs: Vec<LayerSpec> = model.layers.iter().map(Layer::spec).collect();
    if options.given("hidden_layers") {
        let first = LayerSpec {
            width: options.width,
            ..specs[0]
        };
        check_memory(
            options,
            features,
            &[(first, options.hidden_layers)],
            classes,
        )?;
        specs.resize(options.hidden_layers, specs[0]);
    }
    if options.given("width") {
        for spec in &mut specs {
            spec.width = options.width;
        }
    }
    let outputs = match (model.loss, model.head.outputs, classes) {
        (Loss::MeanSquaredError | Loss::Huber, 1, 2) => 1,
        _ => classes,
    };
    let needed = Model::from_layers(features, &specs, model.loss, outputs)?;
    let needed = match &model.cnn {
        Some(cnn) => needed.with_cnn(cnn.clone())?,
        None => needed,
    };
    checkpoints[0].check_tensors(&needed)?;
    let parameters = checkpoints
        .into_iter()
        .map(|checkpoint| checkpoint.parameters)
        .collect();
    let initial = Initial::Loaded(parameters);
    Ok(Network { model, initial })
}

/// The convolutions that `options` ask for.
fn front_end(options: &Options, data: &Dataset) -> Result<Option<Cnn>> {
    if !options.cnn {
        return Ok(None);
    }
    let [height, width] = data.image;
    let mut cnn = Cnn::small(options.conv_activation, [data.channels, height, width])?;
    if let Some(probability) = options.dropout {
        cnn.dropout = None;
        if probability != 0.0 {
            cnn = cnn.with_dropout(Dropout { probability })?;
        }
    }
    Ok(Some(cnn))
}

/// A table of a network, one line for each layer: the shape of its output, its number of parameters
/// and its FLOPs for the forward pass of one sample (products only: one for each multiplication and
/// each addition).
pub fn table(model: &Model) -> String {
    let mut rows = Vec::new();
    let mut row = |layer: String, output: String, parameters: usize, flops: usize| {
        rows.push([layer, output, thousands(parameters), thousands(flops)]);
    };
    if let Some(cnn) = &model.cnn {
        let first = &cnn.blocks[0].conv;
        let image = format!("{} × {} × {}", first.channels, first.height, first.width);
        row("images".to_owned(), image, 0, 0);
        for Block { conv, pool } in &cnn.blocks {
            let [height, width] = conv.output();
            row(
                format!(
                    "convolution {} × {}, stride {}, padding {}, {}",
                    conv.kernel[0], conv.kernel[1], conv.stride, conv.padding, cnn.activation.name
                ),
                format!("{} × {height} × {width}", conv.filters),
                conv.filters * (conv.window() + 1),
                2 * conv.outputs() * conv.window(),
            );
            if let Some(pool) = pool {
                let [height, width] = pool.output();
                row(
                    format!(
                        "max-pooling {} × {}, stride {}",
                        pool.kernel, pool.kernel, pool.stride
                    ),
                    format!("{} × {height} × {width}", pool.channels),
                    0,
                    0,
                );
            }
        }
        if let Some(dropout) = &cnn.dropout {
            let name = format!("dropout {}", dropout.probability);
            row(name, cnn.features().to_string(), 0, 0);
        }
        let name = format!("z = {}(features)", model.layers[0].activation.name);
        row(name, cnn.features().to_string(), 0, 0);
    } else {
        let pixels = model
            .preparation
            .as_ref()
            .is_none_or(|own| own.inputs.is_pixels());
        let name = if pixels { "pixels" } else { "features" };
        row(name.to_owned(), model.inputs().to_string(), 0, 0);
    }
    for layer in &model.layers {
        let LayerShape {
            inputs,
            outputs,
            mix,
        } = layer.shape;
        let weights = if mix { 2 } else { 1 } * inputs * outputs;
        row(
            format!("{}, {}", layer.kind.name(), layer.activation.name),
            outputs.to_string(),
            weights + outputs,
            2 * weights,
        );
    }
    let head = &model.head;
    let weights = head.inputs * head.outputs;
    row(
        "linear".to_owned(),
        head.outputs.to_string(),
        weights + head.outputs,
        2 * weights,
    );
    let cnn = model.cnn.as_ref().map_or(0, Cnn::forward_flops) as usize;
    let matrices =
        |layer: &LayerShape| 2 * layer.inputs * layer.outputs * if layer.mix { 2 } else { 1 };
    let flops = cnn + model.shapes().map(matrices).sum::<usize>();
    row(
        "all".to_owned(),
        String::new(),
        model.parameter_count(),
        flops,
    );
    aligned(rows)
}

/// A row of the table of a network: layer, output, parameters, FLOPs.
pub type Cells = [String; 4];

/// The table with these rows.
pub fn aligned(mut rows: Vec<Cells>) -> String {
    rows.insert(
        0,
        ["layer", "output", "parameters", "FLOPs"].map(str::to_owned),
    );
    let width = |column: usize| {
        rows.iter()
            .map(|r| r[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let line = |[layer, output, parameters, flops]: &Cells| {
        let [a, b, c, d] = widths;
        format!("{layer:a$}  {output:>b$}  {parameters:>c$}  {flops:>d$}\n")
    };
    rows.iter().map(line).collect()
}

/// One line on a network.
pub fn describe(model: &Model) -> String {
    let mut widths: Vec<String> = vec![model.layers[0].shape.inputs.to_string()];
    widths.extend(
        model
            .layers
            .iter()
            .map(|layer| layer.shape.outputs.to_string()),
    );
    // Many layers of the same width are summed up.
    let hidden = match model.layers.len() {
        layers @ 5.. if widths[1..].iter().all(|w| *w == widths[1]) => {
            format!("{} → {} × {layers}", widths[0], widths[1])
        }
        _ => widths.join(" → "),
    };
    let form = |layer: &Layer| match (layer.kind, layer.form, layer.dual_passage) {
        (LayerKind::Bregman, Form::Dual, false) => ", dual form",
        (LayerKind::Bregman, Form::Primal, false) => ", primal form",
        (LayerKind::Bregman, Form::Dual, true) => ", dual form, dual passage",
        (LayerKind::Bregman, Form::Primal, true) => ", primal form, dual passage",
        _ => "",
    };
    let of = |layer: &Layer, comma: &str| {
        let (kind, activation) = (layer.kind.name(), layer.activation.name);
        format!("{kind}{}{comma} {activation}", form(layer))
    };
    let settings = match model.uniform() {
        Some(layer) => of(layer, ","),
        None => {
            let layers = model.layers.iter();
            let each: Vec<String> = layers.map(|layer| of(layer, "").replace(',', "")).collect();
            each.join(" → ")
        }
    };
    let front = model.cnn.as_ref().map_or(String::new(), |cnn| {
        format!("{} convolutions → ", cnn.blocks.len())
    });
    let [low, high] = match model.preparation.as_ref().map(|own| &own.inputs) {
        Some(InputRule::Columns { scale, .. }) => scale.bounds(),
        _ => model.input_range,
    };
    format!(
        "{front}{hidden} → {}, {settings}, inputs in [{low}, {high}], {} parameters",
        model.head.outputs,
        model.parameter_count(),
    )
}

/// Refuses, before anything is allocated, a network of these layers, each of them as often as its number
/// says, that cannot fit into this machine's memory: its
/// parameters and the optimizer's moments, the copies made of them, and the values of a batch that the CPU
/// executor keeps.
fn check_memory(
    options: &Options,
    features: usize,
    layers: &[(LayerSpec, usize)],
    outputs: usize,
) -> Result<()> {
    let [features, outputs] = [features, outputs].map(|n| n as u128);
    let (mut matrices, mut activations) = (0u128, features + 2 * outputs);
    let mut inputs = features;
    for (spec, count) in layers {
        let [width, count] = [spec.width, *count].map(|n| n as u128);
        // A skip goes through M if the layer changes the width. Each layer keeps z, a and δ.
        let mixes = spec.kind != LayerKind::Standard && inputs != width;
        let [first, mixed] = match mixes {
            true => [2, 2 * width + inputs],
            false => [1, 0],
        };
        let first = inputs.saturating_mul(width).saturating_mul(first);
        // The variables of a dual passage.
        let mixed = mixed + if spec.dual_passage { 2 * inputs } else { 0 };
        matrices = matrices
            .saturating_add(first)
            .saturating_add((count - 1).saturating_mul(width * width));
        activations = activations.saturating_add(count.saturating_mul(3 * width) + mixed);
        inputs = width;
    }
    matrices = matrices.saturating_add(inputs * outputs);
    let batch = options.batch_size.min(MAX_SAMPLES) as u128;
    let mut recipe = options.recipe();
    // One momentum of a list gives all of its runs moments.
    let momenta = options.momentum.all().iter().copied();
    recipe.runs[0].momentum = momenta.fold(0.0, f32::max);
    // The networks of earlier epochs that may be the results.
    let kept = options.kept() == Keep::Best || options.patience.is_some();
    let copies = 2 + 2 * recipe.moments() as u128 + u128::from(kept);
    let numbers = matrices
        .saturating_mul(copies.saturating_mul(options.realizations as u128))
        .saturating_add(matrices * u128::from(recipe.clip_norm.is_some()))
        .saturating_add(activations.saturating_mul(batch));
    memory::check(numbers.saturating_mul(4))
}

/// The number of samples of the largest data set, and so of the largest batch.
pub const MAX_SAMPLES: usize = 60_000;

//! The network that the options and a checkpoint describe.

use std::fs;

use bregman::checkpoint::{self, Checkpoint, CheckpointFault, Run};
use bregman::data::Dataset;
use bregman::error::{Error, Result};
use bregman::nn::cnn::{Block, Dropout};
use bregman::nn::{Cnn, Form, Init, Layer, LayerKind, Loss, Model, Parameters};

use crate::options::Options;
use bregman::cli::say::thousands;

/// A network, and where its initial parameters come from.
pub struct Network {
    pub model: Model,
    initial: Initial,
}

enum Initial {
    Random { init: Init, seeds: Vec<u64> },
    Loaded(Vec<Parameters>),
}

impl Network {
    /// The number of realizations.
    pub fn realizations(&self) -> usize {
        match &self.initial {
            Initial::Random { seeds, .. } => seeds.len(),
            Initial::Loaded(parameters) => parameters.len(),
        }
    }

    /// The network and its initial parameters, one set a realization. Until now they took no memory.
    pub fn initialize(self) -> (Model, Vec<Parameters>) {
        let Self { model, initial } = self;
        let parameters = match initial {
            Initial::Random { init, seeds } => seeds
                .into_iter()
                .map(|seed| init.parameters(&model, seed))
                .collect(),
            Initial::Loaded(parameters) => parameters,
        };
        (model, parameters)
    }
}

/// Loads the checkpoints that `options` ask for, and checks that they agree with what else was
/// given.
///
/// # Errors
/// [`Error::Checkpoint`].
pub fn load(options: &Options) -> Result<Option<Vec<Checkpoint>>> {
    let (Some(path), None) = (&options.load, &options.run) else {
        return Ok(None);
    };
    let checkpoints = checkpoint::load_all(path, options.realizations)?;
    let checkpoint = &checkpoints[0];
    let saved = &checkpoint.model;
    let range = |[low, high]: [f32; 2]| format!("{low},{high}");
    let mut agree = vec![
        (
            "layer",
            "--layer",
            saved.kind.name().to_owned(),
            options.layer.name().to_owned(),
        ),
        (
            "activation",
            "--activation",
            saved.activation.name.to_owned(),
            options.activation.name.to_owned(),
        ),
        (
            "loss",
            "--loss",
            saved.loss.name().to_owned(),
            options.loss.name().to_owned(),
        ),
    ];
    if saved.kind == LayerKind::Bregman {
        agree.push((
            "form",
            "--form",
            saved.form.name().to_owned(),
            options.form.name().to_owned(),
        ));
    }
    if let Some(given) = options.input_range {
        agree.push((
            "input_range",
            "--input-range",
            range(saved.input_range),
            range(given),
        ));
    }
    for (name, option, found, given) in agree {
        if options.given(name) && found != given {
            return Err(checkpoint.error(CheckpointFault::Option {
                option,
                found,
                given,
            }));
        }
    }
    Ok(Some(checkpoints))
}

/// The network for samples like those of `data`.
///
/// # Errors
/// [`Error::InvalidOption`] for an input range outside the range of ρ, [`Error::OutOfMemory`] for a
/// network beyond this machine, [`Error::Checkpoint`] for one that does not fit the options or the
/// data.
pub fn build(
    options: &Options,
    checkpoints: Option<Vec<Checkpoint>>,
    data: &Dataset,
) -> Result<Network> {
    let (features, classes) = (data.features(), data.classes);
    let Some(checkpoints) = checkpoints else {
        let cnn = front_end(options, data)?;
        let features = cnn.as_ref().map_or(features, Cnn::features);
        let hidden_layers = options.hidden_layers;
        // Behind convolutions a skip that changes no width needs no M.
        let width = match &cnn {
            Some(_) if !options.given("width") => features,
            _ => options.width,
        };
        check_memory(options, features, hidden_layers, width, classes)?;
        let mut widths = vec![width; hidden_layers + 1];
        widths[0] = features;
        let (kind, form, activation) = (options.layer, options.form, options.activation);
        let mut model = Model::new(kind, form, activation, options.loss, &widths, classes)?;
        if let Some([low, high]) = options.input_range {
            model = model.with_input_range(low, high)?;
        }
        if let Some(cnn) = cnn {
            model = model.with_cnn(cnn)?;
        }
        let seeds = (0..options.realizations).map(|r| options.seed.wrapping_add(r as u64));
        let initial = Initial::Random {
            init: options.init,
            seeds: seeds.collect(),
        };
        return Ok(Network { model, initial });
    };
    let mut model = checkpoints[0].model.clone();
    // What the layers take of a sample.
    let features = model.cnn.as_ref().map_or(features, Cnn::features);
    let cnn = model.cnn.take();
    model.cnn = cnn.map(|cnn| cnn.with_seed(options.seed, 0));
    let mut widths: Vec<usize> = model.layers.iter().map(|layer| layer.outputs).collect();
    if options.given("hidden_layers") {
        check_memory(
            options,
            features,
            options.hidden_layers,
            options.width,
            classes,
        )?;
        widths.resize(options.hidden_layers, widths[0]);
    }
    if options.given("width") {
        widths.fill(options.width);
    }
    widths.insert(0, features);
    let outputs = match (model.loss, model.head.outputs, classes) {
        (Loss::MeanSquaredError, 1, 2) => 1,
        _ => classes,
    };
    let needed = Model::new(
        model.kind,
        model.form,
        model.activation,
        model.loss,
        &widths,
        outputs,
    )?;
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

/// The front-end that `options` ask for.
fn front_end(options: &Options, data: &Dataset) -> Result<Option<Cnn>> {
    if !options.cnn {
        return Ok(None);
    }
    let [height, width] = data.image;
    let mut cnn = Cnn::small(options.conv_activation, [data.channels, height, width])?;
    if let Some(probability) = options.dropout {
        cnn.dropout = None;
        if probability != 0.0 {
            let dropout = Dropout {
                probability,
                seed: 0,
                first_step: 0,
            };
            cnn = cnn.with_dropout(dropout)?;
        }
    }
    Ok(Some(cnn.with_seed(options.seed, 0)))
}

/// All of a network: a line a layer with its output's shape, its parameters, and its FLOPs for one
/// sample forward (of products alone, two each multiplication and addition).
pub fn table(model: &Model) -> String {
    let mut rows = vec![["layer", "output", "parameters", "FLOPs"].map(str::to_owned)];
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
        let name = format!("z = {}(features)", model.activation.name);
        row(name, cnn.features().to_string(), 0, 0);
    } else {
        row("pixels".to_owned(), model.inputs().to_string(), 0, 0);
    }
    for layer in &model.layers {
        let matrices = if layer.mix { 2 } else { 1 };
        let weights = matrices * layer.inputs * layer.outputs;
        row(
            format!("{}, {}", model.kind.name(), model.activation.name),
            layer.outputs.to_string(),
            weights + layer.outputs,
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
    let matrices = |layer: &Layer| 2 * layer.inputs * layer.outputs * if layer.mix { 2 } else { 1 };
    let flops = cnn
        + model
            .layers
            .iter()
            .chain([head])
            .map(matrices)
            .sum::<usize>();
    row(
        "all".to_owned(),
        String::new(),
        model.parameter_count(),
        flops,
    );
    let width = |column: usize| {
        rows.iter()
            .map(|r| r[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let line = |[layer, output, parameters, flops]: &[String; 4]| {
        let [a, b, c, d] = widths;
        format!("{layer:a$}  {output:>b$}  {parameters:>c$}  {flops:>d$}\n")
    };
    rows.iter().map(line).collect()
}

/// The network of a run that goes on, with so many steps in an epoch.
pub fn resumed(run: &Run, steps: usize) -> Network {
    let done = run.position.epochs.len() * steps + run.position.steps;
    let mut model = run.model.clone();
    model.cnn = model.cnn.map(|cnn| cnn.with_seed(run.seed, done as u32));
    Network {
        model,
        initial: Initial::Loaded(run.parameters.clone()),
    }
}

/// One line on a network.
pub fn describe(model: &Model) -> String {
    let mut widths: Vec<String> = vec![model.layers[0].inputs.to_string()];
    widths.extend(model.layers.iter().map(|layer| layer.outputs.to_string()));
    // A hundred layers of one width are not to be read one by one.
    let hidden = match model.layers.len() {
        layers @ 5.. if widths[1..].iter().all(|w| *w == widths[1]) => {
            format!("{} → {} × {layers}", widths[0], widths[1])
        }
        _ => widths.join(" → "),
    };
    let form = match (model.kind, model.form) {
        (LayerKind::Bregman, Form::Dual) => ", dual form",
        (LayerKind::Bregman, Form::Primal) => ", primal form",
        _ => "",
    };
    let front = model.cnn.as_ref().map_or(String::new(), |cnn| {
        format!("{} convolutions → ", cnn.blocks.len())
    });
    let [low, high] = model.input_range;
    format!(
        "{front}{hidden} → {}, {}{form}, {}, inputs in [{low}, {high}], {} parameters",
        model.head.outputs,
        model.kind.name(),
        model.activation.name,
        model.parameter_count(),
    )
}

/// Refuses, before anything is allocated, what cannot fit into this machine's memory: parameters and
/// what they are made from or copied to, and what the CPU executor keeps of a batch.
fn check_memory(
    options: &Options,
    features: usize,
    hidden_layers: usize,
    width: usize,
    outputs: usize,
) -> Result<()> {
    let [features, layers, width, outputs] =
        [features, hidden_layers, width, outputs].map(|n| n as u128);
    let matrices = (features * width)
        .saturating_add((layers - 1).saturating_mul(width * width))
        .saturating_add(width * outputs);
    // The first layer's skip goes through M if it changes the width; z, a and δ are kept of each.
    let mixes = options.layer != LayerKind::Standard && features != width;
    let [mix, mixed] = if mixes {
        [features * width, 2 * width + features]
    } else {
        [0, 0]
    };
    let matrices = matrices.saturating_add(mix);
    let activations = layers
        .saturating_mul(3 * width)
        .saturating_add(features + 2 * outputs + mixed);
    let batch = options.batch_size.min(MAX_SAMPLES) as u128;
    let numbers = matrices
        .saturating_mul(2 * options.realizations as u128)
        .saturating_add(activations.saturating_mul(batch));
    let bytes = numbers.saturating_mul(4);
    let available = available_memory();
    if bytes <= u128::from(available) {
        return Ok(());
    }
    Err(Error::OutOfMemory {
        needed_mib: bytes >> 20,
        available_mib: available >> 20,
    })
}

/// No batch is larger than the data set, and none of ours is larger than this.
const MAX_SAMPLES: usize = 60_000;

/// Bytes of memory that can be had: Linux says; elsewhere 1 TiB, beyond which no machine of today's
/// needs asking.
fn available_memory() -> u64 {
    let kib = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    kib.map_or(1 << 40, |kib| kib << 10)
}

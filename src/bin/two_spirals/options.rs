//! The command line.

use std::path::PathBuf;

use bregman::activation::{self, Activation};
use bregman::device::DeviceKind;
use bregman::error::{Error, Result};
use bregman::nn::{Form, Init, Loss};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, ValueEnum};

/// Train standard, Euclidean and Bregman networks of two neurons a layer on two spirals, many runs
/// side by side, and draw the paper's Figures 4, 5 and 6.
///
/// Each figure has the paper's settings; an option given replaces them in every figure that is
/// drawn. Losses and accuracies are those on the whole training set after an epoch.
#[derive(Clone, Debug, Parser)]
#[command(version, args_override_self = true, allow_negative_numbers = true)]
pub struct Options {
    /// Which figure: 4 (representations), 5 (loss by epoch), 6-left (accuracy by learning rate),
    /// 6-right (differences of layers, 50 layers), depth100 (test accuracy and norms, 100 layers)
    #[arg(long, value_enum, default_value_t = Choice::All)]
    pub figure: Choice,
    /// Runs of each setting, with seeds SEED, SEED + 1, …
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub runs: usize,
    /// Passes over the training set [default: 1000; 10000 in 6-left; 300 in 6-right]
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Learning rate, or several with commas [default: 0.1; six from 0.001 to 0.5 in 6-left; 0.01
    /// in depth100]. Figures of one rate take the first
    #[arg(long, value_name = "RATE,…", value_delimiter = ',')]
    pub lr: Option<Vec<f32>>,
    /// Samples in a mini-batch; the last of an epoch is kept, short [default: 10; 16 in depth100]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Activation ρ
    #[arg(long, value_name = "NAME", default_value = "arctan", value_parser = activation_parser())]
    pub activation: &'static Activation,
    /// Hidden layers of two neurons [default: 3; 50 in 6-right; 100 in depth100]
    #[arg(long, value_name = "L")]
    pub layers: Option<usize>,
    /// Initial weights: random is U(±1/√2), deterministic is W = I (standard) or 0 and b = 0
    /// [default: random; both in 5, 6-right and depth100]
    #[arg(long, value_parser = init_parser())]
    pub init: Option<Init>,
    /// Form of Bregman layers: dual carries ρ⁻¹(z) from layer to layer, primal carries z
    #[arg(long, default_value = "dual", value_parser = form_parser())]
    pub form: Form,
    /// Loss: mean squared error of one output, or cross-entropy of two
    #[arg(long, default_value = "mse", value_parser = loss_parser())]
    pub loss: Loss,
    /// Of the points, and of the first run
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where to train; auto takes a hardware adapter if there is one, else the processor, which
    /// also trains what has more than four layers
    #[arg(long, value_parser = bregman::cli::args::device_parser(), default_value = DeviceKind::Auto.name())]
    pub device: DeviceKind,
    /// Adapter to train on, by any part of its name (implies --device gpu)
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Go on from what an earlier command left in OUT_DIR: finished figures are not trained again
    #[arg(long)]
    pub resume: bool,
    /// Folder for figures (PNG, SVG), their numbers (CSV), results.json and checkpoints
    #[arg(long, value_name = "DIR", default_value = "runs/two_spirals")]
    pub out_dir: PathBuf,
}

/// Which figures to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The representation after each layer.
    #[value(name = "4")]
    Four,
    /// Training loss by epoch, for both initialisations.
    #[value(name = "5")]
    Five,
    /// Training accuracy by learning rate.
    #[value(name = "6-left")]
    SixLeft,
    /// Differences of consecutive layers at 50 layers.
    #[value(name = "6-right")]
    SixRight,
    /// Test accuracy and norms of parameters at 100 layers.
    Depth100,
    /// All of them.
    All,
}

impl Choice {
    /// Its name on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no variant is skipped");
        value.get_name().to_owned()
    }
}

impl Options {
    /// Reads the command line; ends the program, as clap does, on one that it does not understand.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for counts of zero and other values that cannot work.
    pub fn read() -> Result<Self> {
        let options = Self::parse();
        let counts = [
            ("--runs", Some(options.runs)),
            ("--epochs", options.epochs.map(|n| n as usize)),
            ("--batch-size", options.batch_size),
            ("--layers", options.layers),
        ];
        if let Some((option, _)) = counts.into_iter().find(|(_, count)| *count == Some(0)) {
            return Err(invalid(option, 0, "must be at least 1"));
        }
        for &rate in options.lr.iter().flatten() {
            if !(rate.is_finite() && rate > 0.0) {
                let reason = "a learning rate must be finite and positive";
                return Err(invalid("--lr", rate, reason));
            }
        }
        if options.device == DeviceKind::Cpu
            && let Some(adapter) = &options.adapter
        {
            let reason = "an adapter is no use with --device cpu; leave one of the two out";
            return Err(invalid("--adapter", adapter, reason));
        }
        Ok(options)
    }

    /// The figures to draw.
    pub fn figures(&self) -> Vec<Choice> {
        let single = Choice::value_variants().iter().copied();
        match self.figure {
            Choice::All => single.filter(|&figure| figure != Choice::All).collect(),
            figure => vec![figure],
        }
    }
}

fn invalid(option: &'static str, value: impl ToString, reason: &str) -> Error {
    Error::InvalidValue {
        field: option,
        value: value.to_string(),
        reason: reason.to_owned(),
    }
}

fn activation_parser() -> impl TypedValueParser<Value = &'static Activation> {
    let names = activation::ALL.iter().map(|activation| activation.name);
    PossibleValuesParser::new(names).try_map(|name| activation::by_name(&name))
}

fn init_parser() -> impl TypedValueParser<Value = Init> {
    let names = Init::ALL.iter().map(|init| init.name());
    PossibleValuesParser::new(names).try_map(|name| Init::by_name(&name))
}

fn form_parser() -> impl TypedValueParser<Value = Form> {
    let names = Form::ALL.iter().map(|form| form.name());
    PossibleValuesParser::new(names).try_map(|name| Form::by_name(&name))
}

fn loss_parser() -> impl TypedValueParser<Value = Loss> {
    let names = Loss::ALL.iter().map(|loss| loss.name());
    PossibleValuesParser::new(names).try_map(|name| Loss::by_name(&name))
}

//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bregman::activation::Activation;
use bregman::checkpoint::Run;
use bregman::cli::args::{
    activation_parser, conv_activation_parser, form_parser, init_parser, invalid, layer_parser,
    loss_parser, parse_range, storage_parser,
};
use bregman::data::Source;
use bregman::device::DeviceKind;
use bregman::error::Result;
use bregman::gpu::shader::Storage;
use bregman::nn::{Form, Init, LayerKind, Loss, Model, cnn};
use clap::builder::PossibleValuesParser;
use clap::{CommandFactory, FromArgMatches, Parser};
use serde::Serialize;

use crate::layers::{self, Layers};

/// Train a standard, Euclidean or Bregman network on MNIST, Fashion-MNIST or generated digits.
///
/// Hidden layers map z to ρ(Wz + b) (standard), ρ(z + Wz + b) (Euclidean) or
/// ρ(ρ⁻¹(z) + Wz + b) (Bregman); a linear layer follows. Training is plain mini-batch SGD. Of an
/// option given twice the last counts; --config and environment variables, such as BREGMAN_LR for
/// --lr, go before the command line.
#[derive(Clone, Debug, Parser)]
#[command(version, args_override_self = true, allow_negative_numbers = true)]
pub struct Options {
    /// Data set; by default that of the checkpoint or the data folder, else MNIST, else (with
    /// neither data nor network) digits that the program draws itself, always the same ones
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Source::ALL.map(Source::name)))]
    pub dataset: Option<String>,
    /// Folder with the IDX files, plain or .gz; else BREGMAN_DATA_DIR, else the user's cache folder,
    /// to which missing files are downloaded
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to train; auto takes a hardware adapter if there is one, else the processor
    #[arg(long, value_enum, default_value_t = DeviceKind::Auto)]
    pub device: DeviceKind,
    /// Adapter to train on, by any part of its name (implies --device gpu); WGPU_ADAPTER_NAME does
    /// the same, and WGPU_BACKEND limits the choice
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Threads on the processor; the results do not depend on it [default: RAYON_NUM_THREADS, else
    /// all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// List the adapters and exit
    #[arg(long)]
    pub list_adapters: bool,
    /// Kind of the hidden layers
    #[arg(long, value_name = "KIND", default_value = "bregman", value_parser = layer_parser())]
    pub layer: LayerKind,
    /// Form of Bregman layers: dual carries a = ρ⁻¹(z) from layer to layer, primal carries z and
    /// clamps it before every ρ⁻¹
    #[arg(long, default_value = "dual", value_parser = form_parser())]
    pub form: Form,
    /// Take the one Bregman layer to its limit, L → ∞: a ← a + Wρ(a) + Ux + b with W symmetric and
    /// negative definite until it is converged, differentiated implicitly
    #[arg(long, conflicts_with_all = ["form", "hidden_layers", "realizations", "init", "unfused", "storage"])]
    pub equilibrium: bool,
    /// With --equilibrium: a sample is done when the root mean square of its residual in z is below
    /// this
    #[arg(
        long,
        value_name = "T",
        default_value_t = 1e-3,
        requires = "equilibrium"
    )]
    pub tolerance: f32,
    /// With --equilibrium: iterations of a sample, at most
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        requires = "equilibrium"
    )]
    pub max_iterations: usize,
    /// Activation ρ
    #[arg(long, value_name = "NAME", default_value = "tanh", value_parser = activation_parser())]
    pub activation: &'static Activation,
    /// Number of hidden layers
    #[arg(long, value_name = "L", default_value_t = 1)]
    pub hidden_layers: usize,
    /// Neurons of each hidden layer; the skip of a layer that changes width goes through a trained
    /// matrix M whose rows lie on the probability simplex
    #[arg(long, value_name = "D", default_value_t = 784)]
    pub width: usize,
    /// Put a small convolutional network before the hidden layers: two blocks for grey images, three
    /// and dropout for colours (--describe shows it); the layers are then as wide as its features
    #[arg(long)]
    pub cnn: bool,
    /// Activation of the convolutions: relu, or one of those of --activation
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = conv_activation_parser(), requires = "cnn")]
    pub conv_activation: &'static Activation,
    /// Probability with which training leaves a feature of the convolutions out [default: 0, or 0.5
    /// for colours]
    #[arg(long, value_name = "P", requires = "cnn")]
    pub dropout: Option<f32>,
    /// Print the network (layers, shapes, parameters, FLOPs) and exit
    #[arg(long)]
    pub describe: bool,
    /// Loss: softmax cross-entropy, or mean squared error against one-hot targets
    #[arg(long, default_value = "cross-entropy", value_parser = loss_parser())]
    pub loss: Loss,
    /// Interval that pixels are mapped to, within the range of ρ [default: 0,0.999999 for odd
    /// activations and identity, 0.05,0.95 for sigmoid, 0.05,1 for softplus]
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, value_parser = parse_range)]
    pub input_range: Option<[f32; 2]>,
    /// Hold the last N training samples out and report the accuracy on them
    #[arg(long, value_name = "N")]
    pub validation: Option<usize>,
    /// Passes over the training set
    #[arg(long, default_value_t = 20)]
    pub epochs: u32,
    /// Samples in a mini-batch; the last of an epoch is kept, short
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub batch_size: usize,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 0.2)]
    pub lr: f32,
    /// Seed of initial weights and order of samples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Initial weights: random is U(±1/√in); deterministic is W = I (standard) or 0, b = 0
    #[arg(long, default_value = "random", value_parser = init_parser())]
    pub init: Init,
    /// Independent networks trained side by side, with seeds SEED, SEED + 1, …; results are given
    /// as mean ± sample standard deviation
    #[arg(long, value_name = "R", default_value_t = 1)]
    pub realizations: usize,
    /// On an adapter, run each operation as a dispatch of its own (no effect on the processor)
    #[arg(long)]
    pub unfused: bool,
    /// How an adapter stores weights and activations: f16 takes half the memory, where it has
    /// shader-f16; all is computed in f32
    #[arg(long, default_value = "f32", value_parser = storage_parser())]
    pub storage: Storage,
    /// Folder for metrics.jsonl (a line an epoch), summary.json, settings.toml, pictures and
    /// TensorBoard's event files; on Ctrl-C for the checkpoint, too
    #[arg(long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Save all that the run needs to go on, to the bit, in checkpoint.safetensors in --out-dir, every
    /// N epochs and at the end
    #[arg(long, value_name = "N")]
    pub checkpoint_every: Option<u32>,
    /// Go on from a checkpoint: that in --out-dir (last, which starts from the beginning if there is
    /// none yet) or FILE; the options are the run's, and those given must agree where they change the
    /// mathematics
    #[arg(long, value_name = "last|FILE", num_args = 0..=1, default_missing_value = "last", conflicts_with = "eval_only")]
    pub resume: Option<PathBuf>,
    /// Read options from a TOML file, such as settings.toml of another run
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Save the trained network as safetensors; with R > 1, x.safetensors becomes x-0.safetensors,
    /// x-1.safetensors, …
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Start from a saved network, which sets layer, form, activation, loss, widths and input range;
    /// with R > 1 from x-0.safetensors, x-1.safetensors, …
    #[arg(long, value_name = "FILE")]
    pub load: Option<PathBuf>,
    /// Do not train: report the test accuracy of the network loaded
    #[arg(long, requires = "load", conflicts_with_all = ["save", "validation"])]
    pub eval_only: bool,
    /// Use the first N training samples alone
    #[arg(long, value_name = "N")]
    pub limit_train: Option<usize>,
    /// Use the first N test samples alone
    #[arg(long, value_name = "N")]
    pub limit_test: Option<usize>,
    /// Print the summary as JSON on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
    /// The options that were given, as opposed to their defaults.
    #[arg(skip)]
    given: Vec<String>,
    /// All that a settings file can have, as text.
    #[arg(skip)]
    pub settings: BTreeMap<String, String>,
    /// The run that goes on, and its file.
    #[arg(skip)]
    pub run: Option<(PathBuf, Run)>,
}

impl Options {
    /// Reads the command line and what lies under it; ends the program, as clap does, on one that it
    /// does not understand.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for counts of zero and other values that cannot work; those of
    /// [`layers::read`].
    pub fn parse() -> Result<Self> {
        let Layers {
            matches,
            given,
            settings,
            run,
        } = layers::read(&Self::command())?;
        let mut options = Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
        (options.given, options.settings, options.run) = (given, settings, run);
        options.check()?;
        Ok(options)
    }

    /// The settings with what they came to: a file of them gives this run again.
    pub fn resolved_settings(&self, model: &Model, dataset: &str) -> BTreeMap<String, String> {
        let mut settings = self.settings.clone();
        let [low, high] = model.input_range;
        let found = [
            ("dataset", dataset.to_owned()),
            ("layer", model.kind.name().to_owned()),
            ("form", model.form.name().to_owned()),
            ("activation", model.activation.name.to_owned()),
            ("loss", model.loss.name().to_owned()),
            ("input-range", format!("{low},{high}")),
        ];
        settings.extend(found.map(|(name, value)| (name.to_owned(), value)));
        settings
    }

    /// Whether the option with this field name was given, on the command line or under it.
    pub fn given(&self, name: &str) -> bool {
        self.given.iter().any(|given| given == name)
    }

    fn check(&self) -> Result<()> {
        let counts = [
            ("--hidden-layers", Some(self.hidden_layers)),
            ("--width", Some(self.width)),
            ("--validation", self.validation),
            ("--epochs", Some(self.epochs as usize)),
            ("--batch-size", Some(self.batch_size)),
            ("--realizations", Some(self.realizations)),
            ("--threads", self.threads),
            ("--limit-train", self.limit_train),
            ("--limit-test", self.limit_test),
            (
                "--checkpoint-every",
                self.checkpoint_every.map(|n| n as usize),
            ),
        ];
        if let Some((option, _)) = counts.into_iter().find(|(_, count)| *count == Some(0)) {
            return Err(invalid(option, 0, "must be at least 1"));
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return Err(invalid(
                "--lr",
                self.lr,
                "a learning rate must be finite and positive",
            ));
        }
        if let (Some(every), None) = (self.checkpoint_every, &self.out_dir) {
            let reason = "checkpoints go to the folder of --out-dir, which was not given";
            return Err(invalid("--checkpoint-every", every, reason));
        }
        if let Some((_, run)) = &self.run
            && run.position.epochs.len() > self.epochs as usize
        {
            let reason = format!("the run has done {} already", run.position.epochs.len());
            return Err(invalid("--epochs", self.epochs, reason));
        }
        if self.device == DeviceKind::Cpu
            && let Some(adapter) = &self.adapter
        {
            let reason = "an adapter is no use with --device cpu; leave one of the two out";
            return Err(invalid("--adapter", adapter, reason));
        }
        if self.equilibrium && self.layer != LayerKind::Bregman {
            let reason = "only Bregman layers have the limit that --equilibrium trains";
            return Err(invalid("--layer", self.layer.name(), reason));
        }
        Ok(())
    }
}

/// The options as resolved, for `summary.json`: the names are the command line's.
#[derive(Clone, Debug, Serialize)]
pub struct Resolved {
    dataset: String,
    data_dir: Option<PathBuf>,
    device: &'static str,
    adapter: Option<String>,
    layer: &'static str,
    form: &'static str,
    equilibrium: bool,
    tolerance: Option<f32>,
    max_iterations: Option<usize>,
    activation: &'static str,
    /// The front-end, if there is one, as checkpoints describe it.
    cnn: Option<String>,
    hidden_layers: usize,
    /// Of the first hidden layer; all are alike unless another program made the checkpoint.
    width: usize,
    loss: &'static str,
    input_range: [f32; 2],
    validation: Option<usize>,
    epochs: u32,
    batch_size: usize,
    lr: f32,
    seed: u64,
    init: &'static str,
    realizations: usize,
    unfused: bool,
    storage: &'static str,
    out_dir: Option<PathBuf>,
    checkpoint_every: Option<u32>,
    save: Option<PathBuf>,
    load: Option<PathBuf>,
    eval_only: bool,
    limit_train: Option<usize>,
    limit_test: Option<usize>,
}

impl Resolved {
    /// What `options` came to with this network, data set and device.
    pub fn new(
        options: &Options,
        model: &Model,
        dataset: &str,
        device: &'static str,
        adapter: Option<String>,
    ) -> Self {
        let options = options.clone();
        Self {
            dataset: dataset.to_owned(),
            data_dir: options.data_dir,
            device,
            adapter,
            layer: model.kind.name(),
            form: model.form.name(),
            equilibrium: options.equilibrium,
            tolerance: options.equilibrium.then_some(options.tolerance),
            max_iterations: options.equilibrium.then_some(options.max_iterations),
            activation: model.activation.name,
            cnn: model.cnn.as_ref().map(cnn::Cnn::to_json),
            hidden_layers: model.layers.len(),
            width: model.layers[0].outputs,
            loss: model.loss.name(),
            input_range: model.input_range,
            validation: options.validation,
            epochs: options.epochs,
            batch_size: options.batch_size,
            lr: options.lr,
            seed: options.seed,
            init: options.init.name(),
            realizations: options.realizations,
            unfused: options.unfused,
            storage: options.storage.name(),
            out_dir: options.out_dir,
            checkpoint_every: options.checkpoint_every,
            save: options.save,
            load: options.load,
            eval_only: options.eval_only,
            limit_train: options.limit_train,
            limit_test: options.limit_test,
        }
    }
}

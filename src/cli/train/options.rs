//! The options of training.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Command, FromArgMatches, Parser};
use serde::Serialize;

use crate::activation::Activation;
use crate::checkpoint::Run;
use crate::cli::answer;
use crate::cli::args::{
    FREE, LayerList, REQUEST, RESULT, activation_parser, conv_activation_parser, device_parser,
    form_parser, init_parser, invalid, keep_parser, loss_parser, network_text, optimizer_parser,
    parse_augmentation, parse_held_out, parse_layers, parse_network, parse_numbers, parse_range,
    parse_schedule, storage_parser,
};
use crate::cli::layered::{self, Layered};
use crate::data::prepare::HeldOut;
use crate::data::{Augmentation, Dataset, Source};
use crate::device::DeviceKind;
use crate::error::{Error, Result, at_least_one};
use crate::files::path_text;
use crate::kind::{Form, Init, LayerKind, Loss, Storage};
use crate::nn::{Model, cnn};
use crate::optim::{OptimizerKind, RateSchedule, Recipe, Rule, RunSettings, Shape};
use crate::train::grid::{Grid, Seeds, Values};
use crate::train::{Course, Keep, Schedule};

use super::own::{Own, ResolvedOwn};

/// The default learning rate of SGD for values.
const VALUES_RATE: f32 = 0.002;

/// Train a standard, Euclidean or Bregman network on data of your own, MNIST, Fashion-MNIST, CIFAR-10 or
/// generated digits.
///
/// Hidden layers map z to ρ(Wz + b) (standard), ρ(z + Wz + b) (Euclidean) or
/// ρ(ρ⁻¹(z) + Wz + b) (Bregman); a linear layer follows. Training is by mini-batches. If an
/// option is given twice, the last one counts. Options may also come from a file (--config) and from
/// environment variables, such as BREGMAN_LR for --lr; those of the command line override both.
#[derive(Clone, Debug, Parser)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Options {
    /// Data set [default: that of the checkpoint or of the data folder, else MNIST; without files and
    /// network connection, digits that the program draws itself, always the same ones]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Source::ALL.map(Source::name)), group = RESULT)]
    pub dataset: Option<String>,
    /// Folder with the files of the data set, plain or .gz; missing files are downloaded into it
    /// [default: BREGMAN_DATA_DIR, else a folder in the user's cache]
    #[arg(long, value_name = "DIR", group = FREE)]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub own: Own,
    /// Where to train; auto takes a hardware adapter if there is one, else the processor
    #[arg(long, default_value = "auto", value_parser = device_parser(), group = FREE)]
    pub device: DeviceKind,
    /// Adapter to train on, by any part of its name (implies --device gpu); WGPU_ADAPTER_NAME does
    /// the same, and WGPU_BACKEND limits the choice
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), group = FREE)]
    pub adapter: Option<String>,
    /// Number of threads on the processor; the results do not depend on it [default:
    /// RAYON_NUM_THREADS, else all cores]
    #[arg(long, value_name = "N", group = FREE)]
    pub threads: Option<usize>,
    /// List the adapters and exit
    #[arg(long, group = REQUEST)]
    pub list_adapters: bool,
    /// Kind of the hidden layers: standard, euclidean or bregman. This option, --lr, --momentum,
    /// --weight-decay and --seed each take a list (0.01,0.03,0.1), and those of numbers also a range
    /// (log:LOW:HIGH:N or linear:LOW:HIGH:N, ends included); the product of all lists is trained side by
    /// side
    #[arg(long, value_name = "KIND,…", default_value = "bregman", value_parser = parse_layers, group = RESULT)]
    pub layer: Values<LayerKind>,
    /// Form of Bregman layers: dual carries a = ρ⁻¹(z) from layer to layer, primal carries z and
    /// clamps it before every ρ⁻¹
    #[arg(long, default_value = "dual", value_parser = form_parser(), group = RESULT)]
    pub form: Form,
    /// Train one Bregman layer at its limit of infinite depth: a ← a + Wρ(a) + Ux + b, with W
    /// symmetric and negative definite, is repeated until it converges and differentiated implicitly
    #[arg(long, conflicts_with_all = ["form", "hidden_layers", "realizations", "init", "unfused", "storage", "cnn", "checkpoint_every", "resume", "data"], group = RESULT)]
    pub equilibrium: bool,
    /// With --equilibrium: a sample has converged when the root mean square of its residual in z is
    /// below T
    #[arg(
        long,
        value_name = "T",
        default_value_t = 1e-3,
        requires = "equilibrium", group = RESULT)]
    pub tolerance: f32,
    /// With --equilibrium: the largest number of iterations for a sample
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        requires = "equilibrium", group = RESULT)]
    pub max_iterations: usize,
    /// Activation ρ
    #[arg(long, value_name = "NAME", default_value = "tanh", value_parser = activation_parser(), group = RESULT)]
    pub activation: &'static Activation,
    /// Number of hidden layers
    #[arg(long, value_name = "L", default_value_t = 1, group = RESULT)]
    pub hidden_layers: usize,
    /// Number of neurons of each hidden layer; if a layer changes the width, its skip goes through a
    /// trained matrix M whose rows lie on the probability simplex
    #[arg(long, value_name = "D", default_value_t = 784, group = RESULT)]
    pub width: usize,
    /// Hidden layers that may differ, first to last, separated by commas: KIND:WIDTH,
    /// KIND:WIDTH:ACTIVATION or KIND:WIDTH:ACTIVATION:FORM, with --activation and --form for omitted
    /// parts; :pass after a Bregman layer is its dual passage, by which it takes the dual variable of the
    /// layer below, whatever the range of that layer
    #[arg(long, value_name = "LAYERS", value_parser = parse_network, conflicts_with_all = ["layer", "width", "hidden_layers", "equilibrium"], group = RESULT)]
    pub network: Option<LayerList>,
    /// Put a small convolutional network before the hidden layers: two blocks for grey images, three
    /// blocks and dropout for colour images (--describe shows it); the hidden layers are then as wide
    /// as its features
    #[arg(long, group = RESULT)]
    pub cnn: bool,
    /// Activation of the convolutions: relu, or an activation ρ
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = conv_activation_parser(), requires = "cnn", group = RESULT)]
    pub conv_activation: &'static Activation,
    /// Probability that training drops a feature of the convolutions [default: 0, or 0.5 for colour
    /// images]
    #[arg(long, value_name = "P", requires = "cnn", group = RESULT)]
    pub dropout: Option<f32>,
    /// Print the network (layers, shapes, parameters, FLOPs) and exit
    #[arg(long, group = REQUEST)]
    pub describe: bool,
    /// Loss: softmax cross-entropy of classes; mean squared error against one-hot targets, or against values;
    /// or Huber's loss of values. The default for values is mse
    #[arg(long, default_value = "cross-entropy", value_parser = loss_parser(Loss::ALL), group = RESULT)]
    pub loss: Loss,
    /// Interval that pixels, or with --input range numbers, are mapped to, within the range of ρ [default: 0,0.999999 for odd
    /// activations and identity, 0.05,0.95 for sigmoid, 0.05,1 for softplus]
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, value_parser = parse_range::<f32>, group = RESULT)]
    pub input_range: Option<[f32; 2]>,
    /// Hold out the last N training samples, or a share of them such as 0.1, and report loss and accuracy
    /// on them; with --data the same share of each class, or a file like that of --data
    #[arg(long, value_name = "N|SHARE|PATH", value_parser = parse_held_out, group = RESULT)]
    pub validation: Option<HeldOut>,
    /// End a run when the loss on the held-out samples has had no new minimum for this number of epochs
    #[arg(long, value_name = "EPOCHS", group = RESULT)]
    pub patience: Option<u32>,
    /// The network that is reported and saved: that of the last epoch, or the best, which has the lowest
    /// loss on the held-out samples [default: last; best with --patience]
    #[arg(long, value_name = "WHICH", value_parser = keep_parser(), group = RESULT)]
    pub keep: Option<Keep>,
    /// Number of passes over the training set
    #[arg(long, default_value_t = 20, group = FREE)]
    pub epochs: u32,
    /// Number of samples in a mini-batch; the last one of an epoch may be smaller
    #[arg(long, value_name = "N", default_value_t = 32, group = RESULT)]
    pub batch_size: usize,
    /// How gradients change the parameters, by PyTorch's definitions
    #[arg(long, value_name = "NAME", default_value = "sgd", value_parser = optimizer_parser(), group = RESULT)]
    pub optimizer: OptimizerKind,
    /// Learning rate, a list or a range [default: 0.2, or 0.002 where values are
    /// predicted; 0.001 with adam and adamw]
    #[arg(long, value_name = "RATE,…", value_parser = parse_numbers::<f32>, group = RESULT)]
    pub lr: Option<Values<f32>>,
    /// Momentum of sgd, at least 0 and below 1, a list or a range
    #[arg(long, value_name = "M,…", default_value = "0", value_parser = parse_numbers::<f32>, group = RESULT)]
    pub momentum: Values<f32>,
    /// Nesterov's form of the momentum
    #[arg(long, group = RESULT)]
    pub nesterov: bool,
    /// Weight decay of all parameters, at least 0, a list or a range [default: 0; 0.01 with adamw]
    #[arg(long, value_name = "LAMBDA,…", value_parser = parse_numbers::<f32>, group = RESULT)]
    pub weight_decay: Option<Values<f32>>,
    /// Betas of adam and adamw, each at least 0 and below 1 [default: 0.9,0.999]
    #[arg(long, value_name = "B1,B2", value_parser = parse_range::<f64>, group = RESULT)]
    pub betas: Option<[f64; 2]>,
    /// Epsilon of adam and adamw [default: 1e-8]
    #[arg(long, value_name = "E", group = RESULT)]
    pub epsilon: Option<f32>,
    /// Largest norm of the gradient of all parameters; a longer gradient is scaled down to it
    #[arg(long, value_name = "NORM", group = RESULT)]
    pub clip_norm: Option<f32>,
    /// Random changes of the training images, different in each epoch: any of crop:PIXELS (of the image
    /// padded by its mirror image), flip (left to right), rotate:DEGREES, scale:PART, shift:PIXELS,
    /// noise:PART (of the range of a pixel) and cutout:PIXELS, separated by commas, such as
    /// flip,shift:4,rotate:11; augmented.png in --out-dir shows sixteen images
    #[arg(long, value_name = "CHANGES", value_parser = parse_augmentation, conflicts_with = "equilibrium", group = RESULT)]
    pub augment: Option<Augmentation>,
    /// Schedule of the learning rate: constant, step:EPOCHS:FACTOR, multi-step:E1,E2,…:FACTOR,
    /// exponential:FACTOR, linear:FINAL, cosine or cosine:FINAL, where FINAL is a factor of the rate
    #[arg(long, value_name = "SCHEDULE", default_value = "constant", value_parser = parse_schedule, group = RESULT)]
    pub schedule: Shape,
    /// Epochs in which the learning rate rises to its full value, before the schedule begins; they may
    /// be a fraction
    #[arg(long, value_name = "EPOCHS", default_value_t = 0.0, group = RESULT)]
    pub warm_up: f64,
    /// Seed of the initial weights and of the order of the samples, a list or a range
    #[arg(long, value_name = "SEED,…", default_value = "0", value_parser = parse_numbers::<u64>, group = RESULT)]
    pub seed: Values<u64>,
    /// Initial weights: random is U(±1/√in); deterministic is W = I (standard) or 0, b = 0
    #[arg(long, default_value = "random", value_parser = init_parser(), group = RESULT)]
    pub init: Init,
    /// Number of independent networks (realizations) trained side by side, with seeds SEED,
    /// SEED + 1, …; results are means ± sample standard deviations, or with lists those of each run
    #[arg(long, value_name = "R", default_value_t = 1, group = RESULT)]
    pub realizations: usize,
    /// On an adapter, run each operation as a separate dispatch (no effect on the processor)
    #[arg(long, group = FREE)]
    pub unfused: bool,
    /// How an adapter stores weights and activations: f16 takes half the memory and needs an adapter
    /// with shader-f16; everything is computed in f32
    #[arg(long, default_value = "f32", value_parser = storage_parser(), group = RESULT)]
    pub storage: Storage,
    /// Folder for metrics.jsonl (one line for each epoch), summary.json, settings.toml, pictures,
    /// TensorBoard's event files, and on Ctrl-C a checkpoint; with lists also runs.csv, and a folder
    /// launch-K for the runs that are trained side by side; one run at a time may write there
    #[arg(long, value_name = "DIR", group = FREE)]
    pub out_dir: Option<PathBuf>,
    /// Replace the checkpoint and the results of a different run in --out-dir, or with lists those of all
    /// launches; without this option the run is refused; the old results stay until the new ones are there
    #[arg(long, group = REQUEST)]
    pub overwrite: bool,
    /// Save the run as checkpoint.safetensors in --out-dir, every N epochs and at the end; a resumed
    /// run ends as if it had never been interrupted, bit for bit; with lists each launch-K has its own
    /// checkpoint, which is always saved at its end
    #[arg(long, value_name = "N", group = FREE)]
    pub checkpoint_every: Option<u32>,
    /// Continue from a checkpoint: FILE, or the one in --out-dir (last; if there is none yet, the run
    /// starts from the beginning). The options come from the checkpoint; options that cannot change
    /// the result may be passed again, others are refused
    #[arg(long, value_name = "last|FILE", num_args = 0..=1, default_missing_value = "last", conflicts_with = "eval_only", group = REQUEST)]
    pub resume: Option<PathBuf>,
    /// Read options from a TOML file, such as the settings.toml of another run
    #[arg(long, value_name = "FILE", group = REQUEST)]
    pub config: Option<PathBuf>,
    /// Save the trained network as safetensors; with R > 1 or lists, x.safetensors becomes
    /// x-0.safetensors, x-1.safetensors, …
    #[arg(long, value_name = "FILE", group = FREE)]
    pub save: Option<PathBuf>,
    /// Start from a saved network, which sets layer, form, activation, loss, widths and input range;
    /// with R > 1 from x-0.safetensors, x-1.safetensors, …
    #[arg(long, value_name = "FILE", group = RESULT)]
    pub load: Option<PathBuf>,
    /// Only report the test accuracy of the network loaded, without training
    #[arg(long, requires = "load", conflicts_with_all = ["save", "validation", "patience", "keep", "json_lines"], group = FREE)]
    pub eval_only: bool,
    /// Use only the first N training samples
    #[arg(long, value_name = "N", group = RESULT)]
    pub limit_train: Option<usize>,
    /// Use only the first N test samples
    #[arg(long, value_name = "N", group = RESULT)]
    pub limit_test: Option<usize>,
    /// Also report the fraction of test samples whose class is among the K that the network finds most
    /// probable
    #[arg(long, value_name = "K", conflicts_with_all = ["cnn", "equilibrium"], group = FREE)]
    pub top_k: Option<usize>,
    /// Print the summary as JSON on standard output, and nothing else there
    #[arg(long, group = FREE)]
    pub json: bool,
    /// Print the settings and the result of each run as a line of JSON on standard output when the run
    /// ends, and nothing else there
    #[arg(long, conflicts_with_all = ["json", "equilibrium"], group = FREE)]
    pub json_lines: bool,
    /// The fields of the options that were given.
    #[arg(skip)]
    given: Vec<String>,
    /// Every option that can be a setting, as text.
    #[arg(skip)]
    pub settings: BTreeMap<String, String>,
    /// The run to resume, and its file.
    #[arg(skip)]
    pub run: Option<(PathBuf, Run)>,
}

impl Options {
    /// Reads the options from all layers. Ends the program, as clap does, on words that `command`
    /// does not take.
    ///
    /// # Errors
    /// [`crate::error::Error::InvalidValue`] for counts of zero and other values that cannot work;
    /// those of [`layered::read`].
    pub(super) fn layered(command: &Command, words: &[OsString]) -> Result<Self> {
        let Layered {
            matches,
            given,
            settings,
            run,
        } = layered::read(command, words)?;
        let options = Self::from_arg_matches(&matches);
        let mut options = options.unwrap_or_else(|error| answer(&error));
        (options.given, options.settings, options.run) = (given, settings, run);
        if options.eval_only {
            options.drop_lists();
        }
        options.check()?;
        if options.eval_only {
            // `bregman evaluate` takes them from the settings of the run that trained the network.
            (options.save, options.validation) = (None, None);
            (options.patience, options.keep, options.json_lines) = (None, None, false);
        }
        Ok(options)
    }

    /// Leaves the first value of each list: lists are of training, and one of the kinds of layers says
    /// nothing on the network that is evaluated.
    fn drop_lists(&mut self) {
        if self.layer.is_list() {
            self.given.retain(|field| field != "layer");
        }
        self.layer = self.layer.first().into();
        self.lr = self.lr.as_ref().map(|list| list.first().into());
        self.momentum = self.momentum.first().into();
        self.weight_decay = self.weight_decay.as_ref().map(|list| list.first().into());
        self.seed = self.seed.first().into();
    }

    /// The settings with their defaults resolved: a file of them gives this run again.
    pub fn resolved_settings(&self, model: &Model, dataset: &str) -> BTreeMap<String, String> {
        let mut settings = self.settings.clone();
        let [low, high] = model.input_range;
        if self.own.data.is_none() {
            settings.insert("dataset".to_owned(), dataset.to_owned());
        }
        let found = [
            ("loss", model.loss.name().to_owned()),
            ("input-range", format!("{low},{high}")),
            ("lr", self.learning_rates_text()),
        ];
        settings.extend(found.map(|(name, value)| (name.to_owned(), value)));
        let mut set = |name: &str, value: &str| settings.insert(name.to_owned(), value.to_owned());
        match model.uniform() {
            Some(layer) if self.network.is_none() => {
                set("layer", &self.layer_names(model));
                set("activation", layer.activation.name);
                if !self.equilibrium {
                    set("form", layer.form.name());
                }
            }
            _ => {
                // As it was passed, so that the same command continues the run.
                if self.network.is_none() {
                    set("network", &network_text(model));
                }
                let excluded = ["layer", "width", "hidden-layers"];
                settings.retain(|name, _| !excluded.contains(&&name[..]));
            }
        }
        settings
    }

    /// Whether the option `field` was given, in any layer but a resumed run.
    pub fn given(&self, field: &str) -> bool {
        self.given.iter().any(|given| given == field)
    }

    /// The options with the defaults that depend on what is predicted: plain SGD at 0.2 would diverge on the
    /// squared error of values with the default width.
    pub fn for_data(&self, data: &Dataset) -> Self {
        let mut own = self.clone();
        if data.is_regression() && self.optimizer == OptimizerKind::Sgd {
            own.lr.get_or_insert_with(|| VALUES_RATE.into());
        }
        own
    }

    /// The learning rates, or the optimizer's default.
    pub fn learning_rates(&self) -> Values<f32> {
        let default = match self.optimizer {
            OptimizerKind::Sgd => 0.2,
            OptimizerKind::Adam | OptimizerKind::AdamW => 0.001,
        };
        self.lr.clone().unwrap_or(default.into())
    }

    /// The weight decays, or the optimizer's default.
    fn weight_decays(&self) -> Values<f32> {
        let default = match self.optimizer {
            OptimizerKind::Sgd | OptimizerKind::Adam => 0.0,
            OptimizerKind::AdamW => 0.01,
        };
        self.weight_decay.clone().unwrap_or(default.into())
    }

    /// The learning rates as a setting: as they were given, or the default.
    fn learning_rates_text(&self) -> String {
        let given = self.settings.get("lr").filter(|_| self.is_grid());
        given
            .cloned()
            .unwrap_or_else(|| self.learning_rates().first().to_string())
    }

    /// The kinds of layers as a setting: those of the lists, or that of the network.
    fn layer_names(&self, model: &Model) -> String {
        match self.layer.is_list() {
            true => self.layer.map(LayerKind::name).all().join(","),
            false => model.kind_name().to_owned(),
        }
    }

    /// The lists of settings.
    pub fn grid(&self) -> Grid {
        let seeds = match self.seed.is_list() {
            true => Seeds::Listed(self.seed.clone()),
            false => Seeds::From(self.seed.first(), self.realizations),
        };
        Grid {
            layers: self.layer.clone(),
            learning_rates: self.learning_rates(),
            momenta: self.momentum.clone(),
            weight_decays: self.weight_decays(),
            seeds,
        }
    }

    /// Whether a list has more than one value.
    pub fn is_grid(&self) -> bool {
        let numbers = [
            &self.learning_rates(),
            &self.momentum,
            &self.weight_decays(),
        ];
        let numbers = numbers.iter().any(|values| values.is_list());
        self.layer.is_list() || numbers || self.seed.is_list()
    }

    /// The number of networks that are trained.
    pub fn networks(&self) -> usize {
        let grid = self.grid();
        let lists = [&grid.learning_rates, &grid.momenta, &grid.weight_decays];
        let lengths = lists.map(|values| values.all().len());
        let others = [
            self.layer.all().len(),
            self.seed.all().len(),
            self.realizations,
        ];
        let lengths = lengths.into_iter().chain(others);
        lengths.fold(1, usize::saturating_mul)
    }

    /// Which network is the result of a run.
    pub fn kept(&self) -> Keep {
        self.keep.unwrap_or(match self.patience {
            Some(_) => Keep::Best,
            None => Keep::Last,
        })
    }

    /// The optimizer and its settings, and how long they are used.
    pub fn recipe(&self) -> Recipe {
        let adam = |rule| match rule {
            Rule::Adam {
                betas,
                epsilon,
                decoupled,
            } => Rule::Adam {
                betas: self.betas.unwrap_or(betas),
                epsilon: self.epsilon.unwrap_or(epsilon),
                decoupled,
            },
            sgd @ Rule::Sgd { .. } => sgd,
        };
        let nesterov = self.nesterov;
        Recipe {
            batch_size: self.batch_size,
            rule: match self.optimizer {
                OptimizerKind::Sgd => Rule::Sgd { nesterov },
                OptimizerKind::Adam => adam(Rule::ADAM),
                OptimizerKind::AdamW => adam(Rule::ADAMW),
            },
            clip_norm: self.clip_norm,
            augmentation: self.augment,
            schedule: RateSchedule {
                shape: self.schedule.clone(),
                warm_up: self.warm_up,
            },
            epochs: self.epochs,
            first_step: 0,
            runs: vec![RunSettings {
                seed: self.seed.first(),
                learning_rate: self.learning_rates().first(),
                momentum: self.momentum.first(),
                weight_decay: self.weight_decays().first(),
            }],
        }
    }

    /// Whether the options of the optimizer are compatible.
    fn check_optimizer(&self) -> Result<()> {
        let name = self.optimizer.name();
        if self.optimizer == OptimizerKind::Sgd {
            if self.betas.is_some() || self.epsilon.is_some() {
                let reason = "`betas` and `epsilon` belong to adam and adamw";
                return Err(invalid("optimizer", name, reason));
            }
        } else if self.nesterov || self.momentum.all() != [0.0] {
            let reason = "`momentum` and `nesterov` belong to sgd; `betas` are Adam's";
            return Err(invalid("optimizer", name, reason));
        }
        let mut recipe = self.recipe();
        recipe.check(self.realizations)?;
        if self.is_grid() {
            self.check_grid()?;
            let runs = self.grid().runs(self.epochs)?;
            recipe.runs = runs.iter().map(|run| run.settings).collect();
            recipe.check(runs.len())?;
        }
        let constant = recipe.schedule == RateSchedule::CONSTANT;
        if self.equilibrium && !(recipe.is_plain(0) && constant) {
            let reason = "its layer is trained by plain SGD at a constant rate";
            return Err(invalid("equilibrium", true, reason));
        }
        // The number of steps is not known yet: that of an epoch stands for any large one.
        if !self.eval_only {
            recipe.schedule.check(1 << 20, self.epochs)?;
        }
        Ok(())
    }

    /// Whether the lists are compatible with the other options.
    fn check_grid(&self) -> Result<()> {
        if self.seed.is_list() && self.realizations > 1 {
            let reason = "the seeds are listed already; leave out one of `seed` and `realizations`";
            return Err(invalid("realizations", self.realizations, reason));
        }
        let without_meaning = [
            ("equilibrium", self.equilibrium, "it trains one network"),
            ("load", self.load.is_some(), "it starts from one network"),
            ("top_k", self.top_k.is_some(), "it is of one network"),
        ];
        for (field, given, reason) in without_meaning {
            if given {
                let reason = format!(
                    "{reason}; `layer`, `lr`, `momentum`, `weight_decay` and `seed` take one value each \
                     beside it"
                );
                return Err(invalid(field, "with a list", reason));
            }
        }
        Ok(())
    }

    /// Whether the options that end training and choose epochs are compatible with the other options.
    fn check_course(&self) -> Result<()> {
        if let Some(HeldOut::Share(share)) = self.validation
            && !(share > 0.0 && share < 1.0)
        {
            let reason = "a share must be above 0 and below 1";
            return Err(invalid("validation", share, reason));
        }
        let schedule = Schedule {
            epochs: self.epochs,
            seed: 0,
            realizations: 1,
            samples: 1,
            batch_size: 1,
            validation: self.validation.is_some(),
        };
        let course = Course {
            patience: self.patience,
            keep: self.kept(),
            ..Course::from(&schedule)
        };
        course.check()
    }

    fn check(&self) -> Result<()> {
        let held_out = match self.validation {
            Some(HeldOut::Samples(samples)) => samples,
            _ => 1,
        };
        at_least_one(&[
            ("hidden_layers", self.hidden_layers),
            ("width", self.width),
            ("validation", held_out),
            ("epochs", self.epochs as usize),
            ("threads", self.threads.unwrap_or(1)),
            ("top_k", self.top_k.unwrap_or(1)),
            ("limit_train", self.limit_train.unwrap_or(1)),
            ("limit_test", self.limit_test.unwrap_or(1)),
            (
                "checkpoint_every",
                self.checkpoint_every.unwrap_or(1) as usize,
            ),
        ])?;
        self.own.check()?;
        if let (Some(HeldOut::Path(path)), None) = (&self.validation, &self.own.data) {
            let reason =
                "a number of samples is needed, or a share such as 0.1; a path goes with `data`";
            return Err(invalid("validation", path.display(), reason));
        }
        self.check_optimizer()?;
        if !self.eval_only {
            self.check_course()?;
        }
        if let (Some(every), None) = (self.checkpoint_every, &self.out_dir) {
            let reason = "checkpoints go to the folder of `out_dir`, which was not given";
            return Err(invalid("checkpoint_every", every, reason));
        }
        if let Some((_, run)) = &self.run
            && run.position.epochs.len() > self.epochs as usize
        {
            let reason = format!("the run has done {} already", run.position.epochs.len());
            return Err(invalid("epochs", self.epochs, reason));
        }
        if let Some((path, run)) = &self.run
            && self.recipe().schedule.has_horizon()
            && let Some(found) = run.options.get("epochs")
            && found.parse() != Ok(self.epochs)
        {
            // The rate of each step depends on the number of all steps.
            return Err(Error::OtherRun {
                path: path.clone(),
                field: "epochs".to_owned(),
                found: found.clone(),
                given: self.epochs.to_string(),
            });
        }
        let kind = self.layer.first();
        if self.equilibrium && kind != LayerKind::Bregman {
            let reason = "only Bregman layers have the limit that `equilibrium` trains";
            return Err(invalid("layer", kind.name(), reason));
        }
        Ok(())
    }
}

/// The options as resolved, for `summary.json`: the names are the command line's.
#[derive(Clone, Debug, Serialize)]
pub struct Resolved {
    dataset: String,
    data_dir: Option<String>,
    #[serde(flatten)]
    own: Option<ResolvedOwn>,
    device: &'static str,
    adapter: Option<String>,
    layer: Values<&'static str>,
    form: &'static str,
    equilibrium: bool,
    tolerance: Option<f32>,
    max_iterations: Option<usize>,
    activation: &'static str,
    /// The hidden layers, if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// The convolutions, if there are any, as checkpoints describe them.
    cnn: Option<String>,
    hidden_layers: usize,
    /// The width of the first hidden layer; all are the same unless another program made the
    /// checkpoint.
    width: usize,
    loss: &'static str,
    input_range: [f32; 2],
    validation: Option<HeldOut>,
    patience: Option<u32>,
    keep: &'static str,
    epochs: u32,
    batch_size: usize,
    optimizer: &'static str,
    lr: Values<f32>,
    momentum: Values<f32>,
    nesterov: bool,
    weight_decay: Values<f32>,
    betas: Option<[f64; 2]>,
    epsilon: Option<f32>,
    clip_norm: Option<f32>,
    augment: Option<String>,
    schedule: String,
    warm_up: f64,
    seed: Values<u64>,
    init: &'static str,
    realizations: usize,
    unfused: bool,
    storage: &'static str,
    out_dir: Option<String>,
    checkpoint_every: Option<u32>,
    save: Option<String>,
    load: Option<String>,
    eval_only: bool,
    limit_train: Option<usize>,
    limit_test: Option<usize>,
    top_k: Option<usize>,
}

impl Resolved {
    /// `options` as resolved for this network, data set and device.
    pub fn new(
        options: &Options,
        model: &Model,
        dataset: &str,
        device: &'static str,
        adapter: Option<String>,
    ) -> Self {
        let text = |path: &Option<PathBuf>| path.as_deref().map(path_text::to_text);
        Self {
            dataset: dataset.to_owned(),
            data_dir: text(&options.data_dir),
            own: options.own.resolved(),
            device,
            adapter,
            layer: match options.layer.is_list() {
                true => options.layer.map(LayerKind::name),
                false => model.kind_name().into(),
            },
            form: model.form_name(),
            equilibrium: options.equilibrium,
            tolerance: options.equilibrium.then_some(options.tolerance),
            max_iterations: options.equilibrium.then_some(options.max_iterations),
            activation: model.activation_name(),
            network: (options.network.is_some() || model.uniform().is_none())
                .then(|| network_text(model)),
            cnn: model.cnn.as_ref().map(cnn::Cnn::to_json),
            hidden_layers: model.layers.len(),
            width: model.layers[0].shape.outputs,
            loss: model.loss.name(),
            input_range: model.input_range,
            validation: options.validation.clone(),
            patience: options.patience,
            keep: options.kept().name(),
            epochs: options.epochs,
            batch_size: options.batch_size,
            optimizer: options.optimizer.name(),
            lr: options.learning_rates(),
            momentum: options.momentum.clone(),
            nesterov: options.nesterov,
            weight_decay: options.weight_decays(),
            betas: options.betas,
            epsilon: options.epsilon,
            clip_norm: options.clip_norm,
            augment: options.augment.map(|augmentation| augmentation.to_string()),
            schedule: options.schedule.to_string(),
            warm_up: options.warm_up,
            seed: options.seed.clone(),
            init: options.init.name(),
            realizations: options.realizations,
            unfused: options.unfused,
            storage: options.storage.name(),
            out_dir: text(&options.out_dir),
            checkpoint_every: options.checkpoint_every,
            save: text(&options.save),
            load: text(&options.load),
            eval_only: options.eval_only,
            limit_train: options.limit_train,
            limit_test: options.limit_test,
            top_k: options.top_k,
        }
    }
}

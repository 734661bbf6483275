//! `bregman spirals`: trains the paper's networks on two spirals, thousands of runs at once, and draws
//! its Figures 4 to 6.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::{
    NonEmptyStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser,
};
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{
    FREE, REQUEST, RESULT, activation_parser, device_parser, form_parser, init_parser, loss_parser,
};
use super::folders::first_vacant;
use super::say::{announce_device, print, say, warn};
use super::{Command, Ended, same_command_line, stop};
use crate::activation::Activation;
use crate::device::{Device, DeviceKind};
use crate::error::Result;
use crate::experiments::spirals::{self, Draw, Earlier, Event, Experiment, FIGURES, Figure, Watch};
use crate::kind::{Form, Init, Loss};

/// Interval of progress lines without a terminal.
const INTERVAL: Duration = Duration::from_secs(15);

/// Train standard, Euclidean and Bregman networks of two neurons per layer on two spirals, many runs
/// side by side, and draw the paper's Figures 4, 5 and 6.
///
/// Each figure has the paper's settings; an option replaces them in every figure that is drawn.
/// Losses and accuracies are on the whole training set after an epoch. The paper's claims are tested
/// over pairs of runs with the same seed.
#[derive(Clone, Debug, Parser)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Options {
    /// The figure to make
    #[arg(long, default_value = "all", value_parser = figure_parser(), group = REQUEST)]
    figure: Choice,
    /// Runs of each setting, with seeds SEED, SEED + 1, … [default: 200 in 5; 30 in 6-left; 50 in 6-right;
    /// 20 in depth100; 100 in 4]
    #[arg(long, value_name = "N", group = RESULT)]
    runs: Option<usize>,
    /// Points of each run: its own, drawn with its seed, or those of SEED for all runs
    #[arg(long, default_value = "own", value_parser = points_parser(), group = RESULT)]
    points: Draw,
    /// Passes over the training set [default: 1000; 10000 in 6-left; 300 in 6-right]
    #[arg(long, group = RESULT)]
    epochs: Option<u32>,
    /// Learning rate, or several with commas [default: 0.1; six from 0.001 to 0.5 in 6-left; 0.01
    /// in depth100]. Figures of one rate take the first
    #[arg(long, value_name = "RATE,…", value_delimiter = ',', group = RESULT)]
    lr: Option<Vec<f32>>,
    /// Samples in a mini-batch; the last of an epoch is kept, short [default: 10; 16 in depth100]
    #[arg(long, value_name = "N", group = RESULT)]
    batch_size: Option<usize>,
    /// Activation ρ
    #[arg(
        long,
        value_name = "NAME",
        default_value = "arctan",
        value_parser = activation_parser(),
        group = RESULT
    )]
    activation: &'static Activation,
    /// Hidden layers of two neurons [default: 3; 50 in 6-right; 100 in depth100]
    #[arg(long, value_name = "L", group = RESULT)]
    layers: Option<usize>,
    /// Initial weights: random is U(±1/√2), deterministic is W = I (standard) or 0 and b = 0
    /// [default: random; both in 5, 6-right and depth100]
    #[arg(long, value_parser = init_parser(), group = RESULT)]
    init: Option<Init>,
    /// Form of Bregman layers: dual carries ρ⁻¹(z) from layer to layer, primal carries z
    #[arg(long, default_value = "dual", value_parser = form_parser(), group = RESULT)]
    form: Form,
    /// Loss: mean squared error of one output, or cross-entropy of two
    #[arg(long, default_value = "mse", value_parser = loss_parser(&Loss::OF_CLASSES), group = RESULT)]
    loss: Loss,
    /// Seed of the first run and, with --points shared, of the points
    #[arg(long, default_value_t = 0, group = RESULT)]
    seed: u64,
    /// Where to train; auto takes a hardware adapter if there is one, else the processor, which
    /// also trains networks of more than four layers
    #[arg(long, default_value = "auto", value_parser = device_parser(), group = FREE)]
    device: DeviceKind,
    /// Adapter to train on, by any part of its name (implies --device gpu)
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), group = FREE)]
    adapter: Option<String>,
    /// Continue from the results of an earlier command in OUT_DIR: finished figures are not trained again
    #[arg(long, group = REQUEST, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace the results of a figure with different settings in OUT_DIR; without this option the
    /// command is refused
    #[arg(long, group = REQUEST)]
    overwrite: bool,
    /// Folder for figures (PNG, SVG), their numbers and those of each run (CSV), results.json, claims.json,
    /// timing.json and checkpoints
    /// [default: runs/two_spirals, or with a number after it if that folder has figures of different settings]
    #[arg(long, value_name = "DIR", group = FREE)]
    out_dir: Option<PathBuf>,
}

/// The default folder of the results.
const OUT_DIR: &str = "runs/two_spirals";

fn points_parser() -> impl TypedValueParser<Value = Draw> {
    let names = Draw::ALL.iter().map(|draw| draw.name());
    PossibleValuesParser::new(names).try_map(|name| Draw::by_name(&name))
}

/// One figure, or none for all of them. Under a name of its own, since clap takes an `Option` for an
/// argument that may be missing.
type Choice = Option<&'static Figure>;

fn figure_parser() -> impl TypedValueParser<Value = Choice> {
    let each = FIGURES
        .iter()
        .map(|figure| PossibleValue::new(figure.name).help(figure.summary));
    let all = PossibleValue::new("all").help("all of them");
    PossibleValuesParser::new(each.chain([all]))
        .map(|name| FIGURES.iter().find(|figure| figure.name == name))
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let options = spirals::Options {
            runs: self.runs,
            points: self.points,
            epochs: self.epochs,
            learning_rates: self.lr,
            batch_size: self.batch_size,
            activation: self.activation,
            layers: self.layers,
            init: self.init,
            form: self.form,
            loss: self.loss,
            seed: self.seed,
        };
        let figures = match self.figure {
            Some(figure) => vec![figure],
            None => FIGURES.iter().collect(),
        };
        let device = pollster::block_on(Device::choose(self.device, self.adapter))?;
        let earlier = match (self.resume, self.overwrite) {
            (true, _) => Earlier::Resume,
            (false, true) => Earlier::Replace,
            (false, false) => Earlier::Keep,
        };
        let in_folder = |folder: &Path| Experiment::new(&figures, &options, folder, earlier);
        let (folder, experiment) = match self.out_dir {
            Some(folder) => (folder.clone(), in_folder(&folder)?),
            None => first_vacant(OUT_DIR, |folder| {
                let experiment = in_folder(folder)?;
                experiment.check_vacant().map(|_| experiment)
            })?,
        };
        announce_device(&device);
        stop::listen();
        let progress = Progress {
            bar: Mutex::default(),
            resume: self.resume,
        };
        let watch = Watch {
            tell: &|event| progress.tell(&event),
            stop: &stop::requested,
        };
        let Some(results) = experiment.run(device, watch)? else {
            return Ok(Ended::Stopped);
        };
        print(&spirals::tables(&results))?;
        say(format_args!("results in {}", folder.display()));
        Ok(Ended::Whole)
    }
}

/// Reports training on standard error: lines, and on a terminal a bar for each figure.
struct Progress {
    bar: Mutex<Option<Bar>>,
    /// Whether the command line has `--resume`.
    resume: bool,
}

/// Progress of one figure.
struct Bar {
    name: String,
    total: u64,
    /// Steps done.
    done: u64,
    start: Instant,
    /// When a line was last written.
    reported: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn tell(&self, event: &Event<'_>) {
        let Ok(mut bar) = self.bar.lock() else {
            return;
        };
        match *event {
            Event::Begun { figure, steps } => *bar = Some(Bar::new(figure, steps)),
            Event::Steps(steps) => {
                if let Some(bar) = &mut *bar {
                    bar.add(steps);
                }
            }
            Event::Ended => {
                if let Some(bar) = bar.take().and_then(|bar| bar.bar) {
                    bar.finish_and_clear();
                }
            }
            Event::Stopped { .. } => {
                let again = same_command_line();
                let resume = if self.resume { "" } else { " --resume" };
                say(format_args!("{event}; resume with\n  {again}{resume}"));
            }
            Event::NotSaved(error) => warn(error),
            _ => say(event),
        }
    }
}

impl Bar {
    fn new(figure: &str, total: u64) -> Self {
        let name = format!("figure {figure}");
        let bar = io::stderr().is_terminal().then(|| {
            let template = "{prefix} {bar:30} {percent} %, {eta} left, {per_sec}";
            let style = ProgressStyle::with_template(template);
            let bar = ProgressBar::new(total).with_prefix(name.clone());
            bar.set_style(style.expect("the template is well-formed"));
            bar
        });
        Self {
            name,
            total,
            done: 0,
            start: Instant::now(),
            reported: Instant::now(),
            bar,
        }
    }

    /// Shows `steps` more steps.
    fn add(&mut self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
            return;
        }
        self.done += steps;
        if self.reported.elapsed() >= INTERVAL {
            self.reported = Instant::now();
            let share = self.done as f64 / self.total as f64;
            let seconds = self.start.elapsed().as_secs_f64();
            let left = seconds * (1.0 - share) / share;
            say(format_args!(
                "{}: {:.0} %, {left:.0} s left, {:.2e} steps/s",
                self.name,
                100.0 * share,
                self.done as f64 / seconds
            ));
        }
    }
}

//! What a person reads, on standard error, and the files for programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Instant;

use bregman::atomic_file;
use bregman::cli::say::{percent, say, thousands, with_deviation};
use bregman::data::DownloadProgress;
use bregman::error::Result;
use bregman::executor::Executor;
use bregman::nn::Model;
use bregman::settings;
use bregman::train::{EpochMetrics, Observer, Position, Schedule, Summary};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::follow::Follow;
use crate::options::Options;

/// Progress on standard error: a bar with a line an epoch above it on a terminal, else the lines.
pub struct Progress {
    schedule: Schedule,
    /// The folder of the results, and what is written there while training goes on.
    follow: Option<Follow>,
    bar: Option<ProgressBar>,
    epoch_start: Instant,
    loss: Option<f64>,
}

impl Progress {
    /// Progress of a run of `model` at `learning_rate`; what is to be followed goes to `out_dir` after each
    /// epoch.
    pub fn new(
        schedule: Schedule,
        learning_rate: f32,
        model: &Model,
        out_dir: Option<&Path>,
    ) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} step {pos}/{len}{msg}");
            let bar = ProgressBar::new(schedule.steps() as u64);
            bar.set_style(style.expect("the template is well-formed"));
            bar
        });
        Self {
            schedule,
            follow: out_dir.map(|folder| Follow::new(folder, learning_rate, model)),
            bar,
            epoch_start: Instant::now(),
            loss: None,
        }
    }

    /// Training begins at `position`.
    ///
    /// # Errors
    /// Those of the executor.
    pub async fn begin(&mut self, executor: &mut impl Executor, position: &Position) -> Result<()> {
        match &mut self.follow {
            Some(follow) => follow.begin(executor, position).await,
            None => Ok(()),
        }
    }

    /// An epoch is done: the last of `position`.
    ///
    /// # Errors
    /// Those of the executor.
    pub async fn layers(
        &mut self,
        executor: &mut impl Executor,
        position: &Position,
    ) -> Result<()> {
        match &mut self.follow {
            Some(follow) => follow.epoch(executor, position).await,
            None => Ok(()),
        }
    }
}

impl Observer for Progress {
    fn step(&mut self, epoch: u32, steps: usize) {
        let Some(bar) = &self.bar else {
            return;
        };
        if steps == 0 {
            self.epoch_start = Instant::now();
            bar.set_prefix(format!("epoch {epoch}/{}", self.schedule.epochs));
        }
        // The losses of an epoch stay on the device until its end: the bar has the last epoch's.
        let loss = self
            .loss
            .map_or(String::new(), |loss| format!(", last loss {loss:.4}"));
        let samples = (steps * self.schedule.batch_size).min(self.schedule.samples);
        let seconds = self.epoch_start.elapsed().as_secs_f64();
        let rate = match steps {
            0 => String::new(),
            _ => {
                let rate = (samples * self.schedule.realizations) as f64 / seconds.max(1e-9);
                format!(", {rate:.0} samples/s")
            }
        };
        bar.set_message(format!("{loss}{rate}"));
        bar.set_position(steps as u64);
    }

    fn epoch(&mut self, metrics: &EpochMetrics) {
        self.loss = Some(metrics.train_loss);
        let line = epoch_line(metrics, self.schedule.epochs);
        match &self.bar {
            Some(bar) if metrics.epoch == self.schedule.epochs => {
                bar.finish_and_clear();
                say(line);
            }
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }
}

/// Progress of downloads on standard error: a bar a file on a terminal, else a line.
#[derive(Default)]
pub struct Downloads {
    url: String,
    bar: Option<ProgressBar>,
}

impl Downloads {
    /// Shows where the present download is.
    pub fn show(&mut self, progress: &DownloadProgress) {
        if self.url != progress.url {
            self.url = progress.url.to_owned();
            if io::stderr().is_terminal() {
                let style = ProgressStyle::with_template(
                    "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec} {msg}",
                );
                let bar = ProgressBar::new(progress.total).with_message(self.url.clone());
                bar.set_style(style.expect("the template is well-formed"));
                self.bar = Some(bar);
            } else {
                say(format_args!("downloading {}", self.url));
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_position(progress.bytes);
        }
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn epoch_line(metrics: &EpochMetrics, epochs: u32) -> String {
    let validation = metrics
        .val_accuracies
        .as_deref()
        .map_or(String::new(), |accuracies| {
            format!(", validation accuracy {}", percent(accuracies))
        });
    format!(
        "epoch {}/{epochs}: train loss {}, train accuracy {:.2} %{validation}, test accuracy {}, \
         {:.1} s, {:.0} samples/s",
        metrics.epoch,
        with_deviation(&metrics.train_losses, |loss| format!("{loss:.6}")),
        100.0 * metrics.train_accuracy,
        percent(&metrics.test_accuracies),
        metrics.seconds,
        metrics.samples_per_second,
    )
}

/// The checkpoint of a run, in the folder of its results.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
const METRICS: &str = "metrics.jsonl";
/// The metrics of a run that goes on, or that did not end well: an earlier run's stay untouched.
pub const METRICS_SO_FAR: &str = "metrics.partial.jsonl";
const SUMMARY: &str = "summary.json";
const SETTINGS: &str = "settings.toml";

/// Finds out, before training, whether `folder` (made if need be) can take the results.
///
/// # Errors
/// [`Error::Io`] if not.
pub fn check_writable(folder: &Path) -> Result<()> {
    atomic_file::check_writable(&folder.join(METRICS))?;
    atomic_file::check_writable(&folder.join(SUMMARY))
}

/// Writes `metrics.jsonl`, empty if nothing was trained, `summary.json` and `settings.toml`.
///
/// # Errors
/// [`Error::Io`].
pub fn write_results(
    folder: &Path,
    summary: &Summary<impl Serialize>,
    settings: &BTreeMap<String, String>,
) -> Result<()> {
    let lines: String = summary
        .epochs
        .iter()
        .map(|epoch| json(epoch) + "\n")
        .collect();
    atomic_file::write(&folder.join(METRICS), lines.as_bytes())?;
    // It is not there if nothing was trained.
    let _ = fs::remove_file(folder.join(METRICS_SO_FAR));
    let text = serde_json::to_string_pretty(summary).expect("numbers and strings serialize");
    atomic_file::write(&folder.join(SUMMARY), (text + "\n").as_bytes())?;
    let settings = settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let text = "# train_mnist --config settings.toml\n".to_owned() + &settings::write(settings);
    atomic_file::write(&folder.join(SETTINGS), text.as_bytes())?;
    Ok(())
}

/// The settings that a reader of a picture needs.
pub fn caption(summary: &Summary<impl Serialize>, options: &Options) -> String {
    format!(
        "{}, batches of {}, learning rate {}, seed {}, {} epochs on {}; test accuracy {}",
        summary.dataset,
        options.batch_size,
        options.lr,
        options.seed,
        summary.epochs.len(),
        summary.device,
        percent(&summary.test_accuracies),
    )
}

/// One line of JSON.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and strings serialize")
}

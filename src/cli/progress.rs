//! Progress of training and of downloads, on standard error.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::say::{percent, plural, say, with_deviation};
use crate::data::DownloadProgress;
use crate::train::{EpochMetrics, Observer, Schedule, present};

/// Progress on standard error: a line for each epoch, and on a terminal a bar below them.
pub struct Progress {
    schedule: Schedule,
    /// Whether the realizations have different settings, so that a mean over them is meaningless.
    is_grid: bool,
    bar: Option<ProgressBar>,
    epoch_start: Instant,
    loss: Option<f64>,
}

impl Progress {
    /// Progress of a run of `schedule`. With `is_grid` its realizations differ in their settings.
    pub fn new(schedule: Schedule, is_grid: bool) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} step {pos}/{len}{msg}");
            let bar = ProgressBar::new(schedule.steps() as u64);
            bar.set_style(style.expect("the template is well-formed"));
            bar
        });
        Self {
            schedule,
            is_grid,
            bar,
            epoch_start: Instant::now(),
            loss: None,
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
        // The losses of an epoch stay on the device until its end, so the bar shows the last one's.
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
        let line = match self.is_grid {
            true => grid_line(metrics, self.schedule.epochs),
            false => epoch_line(metrics, self.schedule.epochs),
        };
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

impl Drop for Progress {
    fn drop(&mut self) {
        // Training may end before the last epoch.
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress of downloads on standard error: a bar for each file on a terminal, else a line.
#[derive(Default)]
pub struct Downloads {
    url: String,
    bar: Option<ProgressBar>,
}

impl Downloads {
    /// Shows the progress of a download.
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

/// The line of an epoch of runs with different settings: the lowest and the highest number of each kind.
fn grid_line(metrics: &EpochMetrics, epochs: u32) -> String {
    let ends = |values: &[f64], factor: f64, decimals: usize| {
        let values = present(values);
        let fold = |f: fn(f64, f64) -> f64| values.iter().copied().reduce(f).unwrap_or(f64::NAN);
        let [low, high] = [fold(f64::min), fold(f64::max)].map(|value| factor * value);
        format!("{low:.decimals$} to {high:.decimals$}")
    };
    let validation = metrics
        .val_losses
        .as_deref()
        .map_or(String::new(), |losses| {
            format!(", validation loss {}", ends(losses, 1.0, 4))
        });
    let test = match is_regression(metrics) {
        true => format!("test loss {}", ends(&metrics.test_losses, 1.0, 4)),
        false => format!(
            "test accuracy {} %",
            ends(&metrics.test_accuracies, 100.0, 2)
        ),
    };
    format!(
        "epoch {}/{epochs}: {} of {}, train loss {}{validation}, {test}, {:.1} s, {:.0} samples/s",
        metrics.epoch,
        present(&metrics.train_losses).len(),
        plural(metrics.train_losses.len(), "run"),
        ends(&metrics.train_losses, 1.0, 4),
        metrics.seconds,
        metrics.samples_per_second,
    )
}

/// Whether values are predicted, which have no accuracy.
fn is_regression(metrics: &EpochMetrics) -> bool {
    metrics.test_accuracy.is_nan()
}

fn epoch_line(metrics: &EpochMetrics, epochs: u32) -> String {
    if is_regression(metrics) {
        let loss = |losses: &[f64]| with_deviation(losses, |loss| format!("{loss:.6}"));
        let validation = metrics.val_losses.as_deref();
        let validation = validation.map_or(String::new(), |losses| {
            format!(", validation loss {}", loss(losses))
        });
        return format!(
            "epoch {}/{epochs}: train loss {}{validation}, test loss {}, {:.1} s, {:.0} samples/s",
            metrics.epoch,
            loss(&metrics.train_losses),
            loss(&metrics.test_losses),
            metrics.seconds,
            metrics.samples_per_second,
        );
    }
    let validation = metrics
        .val_accuracies
        .as_deref()
        .map_or(String::new(), |accuracies| {
            let loss = metrics
                .val_loss
                .map_or(String::new(), |loss| format!(" loss {loss:.4},"));
            format!(", validation{loss} accuracy {}", percent(accuracies))
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

//! Progress of training and of downloads, on standard error.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::say::{percent, say, with_deviation};
use crate::data::DownloadProgress;
use crate::train::{EpochMetrics, Observer, Schedule};

/// Progress on standard error: a line for each epoch, and on a terminal a bar below them.
pub struct Progress {
    schedule: Schedule,
    bar: Option<ProgressBar>,
    epoch_start: Instant,
    loss: Option<f64>,
}

impl Progress {
    /// Progress of a run of `schedule`.
    pub fn new(schedule: Schedule) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} step {pos}/{len}{msg}");
            let bar = ProgressBar::new(schedule.steps() as u64);
            bar.set_style(style.expect("the template is well-formed"));
            bar
        });
        Self {
            schedule,
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
    /// Shows how far a download has come.
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

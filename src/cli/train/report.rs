//! The reports of a run: messages at its start and end, and its results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::{Options, Resolved};
use crate::checkpoint::{self, Run};
use crate::cli::say::{duration, note, percent, plural, print, say, with_deviation};
use crate::cli::{Ended, command_line, layered, pictures};
use crate::data::{Dataset, Splits};
use crate::error::{Error, Result};
use crate::nn::{Model, Parameters};
use crate::predict;
use crate::train::confusion::top_k;
use crate::train::events::{self, json_line};
use crate::train::keeper::{self, Keeper};
use crate::train::{Course, Evaluation, Outcome, Position, Schedule, Summary, mean};

/// The description of the network, device and data in the results of a run.
pub struct Results {
    pub model: Model,
    pub dataset: String,
    pub resolved: Resolved,
    /// The settings of the run as text.
    pub settings: BTreeMap<String, String>,
    /// `gpu` or `cpu`.
    pub kind: &'static str,
    pub adapter: Option<String>,
    /// The data.
    pub splits: Arc<Splits>,
    /// Their sha256.
    pub data_sha256: String,
}

impl Results {
    /// Whether values are predicted.
    pub fn is_regression(&self) -> bool {
        self.splits.train.is_regression()
    }

    /// Adds to the results of realizations the errors of their networks, `parameters`, if these predict values.
    ///
    /// # Errors
    /// Those of [`predict::fit`].
    pub fn add_fits(
        &self,
        outcomes: &mut [Outcome],
        parameters: &[Option<Parameters>],
    ) -> Result<()> {
        if !self.is_regression() {
            return Ok(());
        }
        for (outcome, parameters) in outcomes.iter_mut().zip(parameters) {
            outcome.drop_accuracies();
            if let Some(parameters) = parameters {
                let fit = |data: &Dataset| predict::fit(&self.model, parameters, data);
                let validation = self.splits.validation.as_ref().map(fit).transpose()?;
                outcome.add_fits(fit(&self.splits.test)?, validation.flatten());
            }
        }
        Ok(())
    }

    /// Saves the networks, and writes and prints the results. A disk that is too full for one file may have room
    /// for the others, so each is tried.
    ///
    /// # Errors
    /// The first that is met.
    pub fn report(
        self,
        options: &Options,
        position: &Position,
        outcomes: Vec<Outcome>,
        parameters: &[Option<Parameters>],
    ) -> Result<Ended> {
        for (realization, outcome) in outcomes.iter().enumerate() {
            if let Some(step) = outcome.diverged_at_step {
                note(&format!(
                    "realization {realization} diverged in step {step} and is left out of the results"
                ));
            }
        }
        let saved = match &options.save {
            Some(path) => self.save(&checkpoint::paths(path, parameters.len()), parameters),
            None => Ok(()),
        };
        let reported = self.report_saved(options, position, outcomes, parameters);
        saved.and(reported)
    }

    /// Saves the existing networks, each in its own file of `paths`. If one cannot be saved, the others are
    /// still saved.
    ///
    /// # Errors
    /// The first of [`checkpoint::save`].
    pub fn save(&self, paths: &[PathBuf], parameters: &[Option<Parameters>]) -> Result<()> {
        let mut result = Ok(());
        for (path, parameters) in paths.iter().zip(parameters) {
            if let Some(parameters) = parameters {
                let parameters = std::slice::from_ref(parameters);
                match checkpoint::save(path, &self.model, &self.dataset, parameters) {
                    Ok(_) => say(format_args!("saved {}", path.display())),
                    Err(error) => result = result.and(Err(error)),
                }
            }
        }
        result
    }

    /// [`Self::report`] without saving the networks.
    ///
    /// # Errors
    /// The first that is met.
    pub fn report_saved(
        self,
        options: &Options,
        position: &Position,
        outcomes: Vec<Outcome>,
        parameters: &[Option<Parameters>],
    ) -> Result<Ended> {
        let Self {
            model,
            dataset,
            resolved,
            settings,
            kind,
            adapter,
            splits,
            data_sha256,
        } = self;
        let test = &splits.test;
        let epochs = position.epochs.iter().collect();
        let mut summary = Summary::new(resolved, dataset, kind, adapter, epochs, outcomes);
        summary.data_sha256 = (!options.eval_only).then_some(data_sha256);
        if let Some(k) = options.top_k.filter(|_| !test.is_regression()) {
            let width = model.head.outputs;
            let networks = parameters.iter().flatten();
            let accuracies = networks.map(|parameters| {
                let outputs = predict::outputs(&model, parameters, &test.inputs);
                top_k(&outputs, width, test.labels(), k)
            });
            summary.top_k_accuracy = Some(mean(&accuracies.collect::<Vec<_>>()));
        }
        let written = options.out_dir.as_ref().map_or(Ok(()), |folder| {
            let prefix = match options.eval_only {
                true => {
                    events::write_evaluation(folder, &summary)?;
                    "evaluation-"
                }
                false => {
                    events::write_results(folder, &summary)?;
                    layered::write_settings(folder, &settings)?;
                    ""
                }
            };
            if let Some(parameters) = parameters.iter().flatten().next() {
                let caption = caption(&summary, options);
                let place = (folder.as_path(), prefix);
                pictures::write(place, &model, parameters, &summary.epochs, test, &caption)?;
            }
            say(format_args!("results in {}", folder.display()));
            Ok(())
        });
        let printed = match (options.json, options.json_lines) {
            (true, _) => print(&json_line(&summary)),
            (_, true) => Ok(()),
            (false, false) => print(&result_line(&summary, &model, kind, options)),
        };
        written.and(printed).map(|()| Ended::Whole)
    }
}

/// The results of realizations that were evaluated without training.
pub fn evaluated(evaluations: &[Evaluation]) -> Vec<Outcome> {
    let outcome = |evaluation: &Evaluation| Outcome {
        test_loss: Some(evaluation.loss),
        test_accuracy: Some(evaluation.accuracy),
        ..Outcome::default()
    };
    evaluations.iter().map(outcome).collect()
}

/// Reports the position from which the run in `path` continues, and whether the device changed.
pub fn resumed(path: &Path, saved: &Run, now: &Run, schedule: &Schedule) {
    let place = match saved.position.steps {
        0 => String::new(),
        steps => format!(" and {steps} of {}", plural(schedule.steps(), "step")),
    };
    say(format_args!(
        "resuming {} after {}{place}",
        path.display(),
        plural(saved.position.epochs.len(), "epoch")
    ));
    if saved.device != now.device {
        say(format_args!(
            "note: the run was on {} and continues on {}: the results are equally valid, but rounded \
             differently",
            saved.device, now.device
        ));
    }
}

/// Reports where a run was stopped, and the command that resumes it.
pub fn ended(
    result: &Result<keeper::Ended>,
    keeper: &Keeper,
    course: &Course,
    position: &Position,
) {
    let schedule = &course.schedule;
    let epochs = position.epochs.len();
    if matches!(result, Ok(keeper::Ended::Whole)) && epochs < schedule.epochs as usize {
        let patience = course.patience.map_or(0, |epochs| epochs as usize);
        let diverged = position.diverged.iter().any(Option::is_some);
        say(format_args!(
            "ended after {}: {}no run has had a new lowest validation loss within {}",
            plural(epochs, "epoch"),
            if diverged {
                "apart from those that diverged, "
            } else {
                ""
            },
            plural(patience, "epoch"),
        ));
    }
    let path = keeper.path.as_deref();
    let resume = || {
        let path = path.unwrap_or("last".as_ref());
        command_line(["--resume".into(), path.into()])
    };
    match (result, path, keeper.saved) {
        (Ok(keeper::Ended::Stopped), path, _) => {
            let place = format!(
                "stopped in epoch {}, after {} of {}",
                position.epochs.len() + 1,
                position.steps,
                plural(schedule.steps(), "step")
            );
            match path {
                Some(path) => say(format_args!(
                    "{place}; saved {}; resume with\n  {}",
                    path.display(),
                    resume()
                )),
                None => say(format_args!(
                    "{place}; nothing was saved: with --out-dir a run is saved and can be resumed"
                )),
            }
        }
        // A run that diverged would do so again.
        (Ok(keeper::Ended::Whole) | Err(Error::Diverged { .. }), ..) => {}
        (Err(_), _, Some(epoch)) => say(format_args!(
            "the checkpoint of epoch {epoch} is intact; resume with\n  {}",
            resume()
        )),
        (Err(_), _, None) => {}
    }
}

/// The settings that a reader of a picture needs.
fn caption(summary: &Summary<Resolved>, options: &Options) -> String {
    format!(
        "{}, batches of {}, learning rate {}, seed {}, {} on {}; test {}",
        summary.dataset,
        options.batch_size,
        options.learning_rates().first(),
        options.seed.first(),
        plural(summary.epochs.len(), "epoch"),
        summary.device,
        measured(summary),
    )
}

/// The results of the networks on the test set: their accuracy, or the errors of their values.
fn measured(summary: &Summary<Resolved>) -> String {
    if summary.fits.is_none() {
        return format!("accuracy {}", percent(&summary.test_accuracies));
    }
    let each = |of: fn(&Outcome) -> Option<f64>| -> Vec<f64> {
        let numbers = summary.outcomes.iter().map(of);
        numbers.map(|number| number.unwrap_or(f64::NAN)).collect()
    };
    let r2 = each(|outcome| outcome.test_r2);
    let r2 = match r2.iter().all(|r2| r2.is_nan()) {
        true => "R² none (one sample)".to_owned(),
        false => format!("R² {}", with_deviation(&r2, |r2| format!("{r2:.4}"))),
    };
    let error = |errors: Vec<f64>| with_deviation(&errors, |error| format!("{error:.4}"));
    format!(
        "{r2}, MAE {}, RMSE {}",
        error(each(|outcome| outcome.test_mae)),
        error(each(|outcome| outcome.test_rmse)),
    )
}

/// The one line on standard output.
fn result_line(
    summary: &Summary<Resolved>,
    model: &Model,
    kind: &str,
    options: &Options,
) -> String {
    let trained = match summary.samples_per_second {
        Some(rate) => format!(
            ", {} in {} of training, {rate:.0} samples/s",
            plural(summary.epochs.len(), "epoch"),
            duration(summary.seconds),
        ),
        None => String::new(),
    };
    let top_k = match (summary.top_k_accuracy, options.top_k) {
        (Some(accuracy), Some(k)) => format!(", top {k} {:.2} %", 100.0 * accuracy),
        _ => String::new(),
    };
    format!(
        "test {}{} on {} ({} on {kind}{trained}{})\n",
        measured(summary),
        top_k,
        summary.dataset,
        model.kind_name(),
        kept(summary),
    )
}

/// The epochs of the networks that were kept, unless they are all the last one.
fn kept(summary: &Summary<Resolved>) -> String {
    let epochs = summary
        .outcomes
        .iter()
        .filter_map(|outcome| outcome.kept_epoch);
    let ends = epochs.clone().min().zip(epochs.max());
    match ends.filter(|&ends| ends != (summary.epochs.len() as u32, summary.epochs.len() as u32)) {
        None => String::new(),
        Some((first, last)) if first == last => format!("; kept the network of epoch {first}"),
        Some((first, last)) => format!("; kept the networks of epochs {first} to {last}"),
    }
}

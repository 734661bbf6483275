//! `bregman train`, and `train_mnist`: trains a network, reports each epoch, and saves the requested files.

mod equilibrium;
mod grid;
mod load;
mod network;
mod options;
mod own;
mod prepare;
mod report;

pub use options::Options;

use std::ffi::OsString;
use std::path::Path;

use super::pictures;
use super::progress::Progress;
use super::say::{print, warn};
use super::{Command, Ended, adapters, stop};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::nn::Parameters;
use crate::train::events::{EventFiles, json_line};
use crate::train::grid::Row;
use crate::train::keeper;
use crate::train::{self, Course, EpochMetrics, Observer, Outcome, Position};
use prepare::Prepared;

impl Command for Options {
    fn read(command: clap::Command, words: Vec<OsString>) -> Result<Self> {
        Self::layered(&command, &words)
    }

    fn threads(&self) -> Option<usize> {
        self.threads
    }

    fn run(self) -> Result<Ended> {
        if self.list_adapters {
            return adapters::list();
        }
        pollster::block_on(async {
            match () {
                () if self.equilibrium => equilibrium::run(&self).await,
                () if self.describe => describe(&self),
                () if self.eval_only => evaluate(&self).await,
                () if self.is_grid() => grid::run(&self).await,
                () => train(&self).await,
            }
        })
    }
}

/// Prints the networks that `options` describe, one for each kind of layer.
fn describe(options: &Options) -> Result<Ended> {
    let checkpoints = network::load(options)?;
    let data = load::load_data(options, checkpoints.as_deref())?;
    for &layer in options.layer.all() {
        let mut own = options.clone();
        own.layer = layer.into();
        let network = network::build(&own, checkpoints.clone(), &data)?;
        print(&network::table(&network.model))?;
    }
    Ok(Ended::Whole)
}

/// Reports the accuracy of a saved network on the test set.
async fn evaluate(options: &Options) -> Result<Ended> {
    let loaded = prepare::load(options).await?;
    let options = &options.for_data(&loaded.data.splits.train);
    let prepared = Prepared::new(options, loaded)?;
    let _lock = prepare::claim(options)?;
    prepared.announce();
    let results = prepared.results();
    let mut executor = prepared.executor().await?;
    let mut outcomes = report::evaluated(&train::evaluate(&mut executor, Split::Test).await?);
    let is_regression = results.is_regression();
    let is_used = options.out_dir.is_some() || options.top_k.is_some() || is_regression;
    let parameters: Vec<_> = match is_used {
        true => executor.parameters().await?.into_iter().map(Some).collect(),
        false => Vec::new(),
    };
    results.add_fits(&mut outcomes, &parameters)?;
    results.report(options, &Position::default(), outcomes, &parameters)
}

/// Trains a network.
async fn train(options: &Options) -> Result<Ended> {
    let loaded = prepare::load(options).await?;
    let options = &options.for_data(&loaded.data.splits.train);
    let prepared = Prepared::new(options, loaded)?;
    let _lock = prepare::claim(options)?;
    prepared.announce();
    let results = prepared.results();
    let folder = options.out_dir.as_deref();
    if let Some(folder) = folder {
        prepare::check_no_launches(options, folder)?;
    }
    let (layer, recipe) = (results.model.kind_name(), prepared.recipe());
    let print_row = |realization, outcome| {
        let row = Row::new(realization, layer, recipe.run(realization), outcome);
        print(&json_line(&row))
    };
    // The errors of predicted values are known at the end, except those of a run that diverged.
    let is_regression = results.is_regression();
    let mut printed = Ok(());
    let mut done = |realization, outcome: Outcome| {
        let is_known = !is_regression || outcome.diverged_at_step.is_some();
        if options.json_lines && is_known && printed.is_ok() {
            printed = print_row(realization, outcome);
        }
    };
    let Trained {
        ended,
        course,
        position,
        parameters,
    } = trained(prepared, &results, folder, &mut done).await?;
    match ended {
        keeper::Ended::Stopped => printed.map(|()| Ended::Stopped),
        keeper::Ended::Whole => {
            let mut outcomes = course.outcomes(&position);
            results.add_fits(&mut outcomes, &parameters)?;
            for (realization, outcome) in outcomes.iter().enumerate() {
                let is_new = is_regression && outcome.diverged_at_step.is_none();
                if options.json_lines && is_new && printed.is_ok() {
                    printed = print_row(realization, *outcome);
                }
            }
            let reported = results.report(options, &position, outcomes, &parameters);
            printed.and(reported)
        }
    }
}

/// Realizations that were trained.
struct Trained {
    ended: keeper::Ended,
    course: Course,
    position: Position,
    /// The network that is the result of each realization, if the options need it; none of one that diverged.
    parameters: Vec<Option<Parameters>>,
}

/// Trains the prepared run, with its files in `folder`, and calls `done` with each realization and its outcome
/// once the outcome is final.
///
/// # Errors
/// Those of training.
async fn trained(
    prepared: Prepared<'_>,
    results: &report::Results,
    folder: Option<&Path>,
    done: &mut dyn FnMut(usize, Outcome),
) -> Result<Trained> {
    let options = prepared.options;
    let course = prepared.course();
    let schedule = course.schedule;
    let recipe = prepared.recipe();
    let mut position = Position::default();
    let mut keeper = prepared.keeper(results, folder);
    prepare::check_vacant(options, folder, &results.settings, &keeper.run.data_sha256)?;
    if let Some((path, run)) = &options.run {
        position = keeper.resume(path, run, &schedule)?;
        report::resumed(path, run, &keeper.run, &schedule);
    }
    if let (Some(augmentation), Some(folder)) = (options.augment, folder) {
        let sheet = pictures::augmented(augmentation, &prepared.splits.train, recipe.run(0).seed)?;
        sheet.save_png(&folder.join("augmented"))?;
    }
    let mut executor = prepared.executor().await?;
    keeper.events =
        folder.map(|folder| EventFiles::new(folder, &recipe, schedule.steps(), &results.model));

    stop::listen();
    let mut told = Told {
        progress: Progress::new(schedule, options.is_grid()),
        course: &course,
        is_told: vec![false; course.seeds.len()],
        done,
    };
    let ended = keeper
        .train(
            &mut executor,
            &course,
            &mut position,
            &mut told,
            &stop::requested,
            &mut warn,
        )
        .await;
    let all = matches!(
        ended,
        Ok(keeper::Ended::Whole) | Err(Error::Diverged { .. })
    );
    told.tell(&position, all);
    drop(told);
    report::ended(&ended, &keeper, &course, &position);
    let ended = ended?;
    let is_used = options.save.is_some()
        || folder.is_some()
        || options.top_k.is_some()
        || results.is_regression();
    let parameters = match is_used && ended == keeper::Ended::Whole {
        true => course.networks(&mut executor, &position).await?,
        false => Vec::new(),
    };
    Ok(Trained {
        ended,
        course,
        position,
        parameters,
    })
}

/// Shows progress, and reports finished realizations.
struct Told<'a> {
    progress: Progress,
    course: &'a Course,
    is_told: Vec<bool>,
    done: &'a mut dyn FnMut(usize, Outcome),
}

impl Told<'_> {
    /// Reports the realizations that are done in `position`, or all remaining ones.
    fn tell(&mut self, position: &Position, all: bool) {
        for r in 0..self.is_told.len() {
            let is_done = all || self.course.is_done(position, r);
            if is_done && !std::mem::replace(&mut self.is_told[r], true) {
                (self.done)(r, self.course.outcome(position, r));
            }
        }
    }
}

impl Observer for Told<'_> {
    fn step(&mut self, epoch: u32, steps: usize) {
        self.progress.step(epoch, steps);
    }

    fn epoch(&mut self, metrics: &EpochMetrics) {
        self.progress.epoch(metrics);
    }

    fn position(&mut self, position: &Position) {
        self.tell(position, false);
    }
}

//! `bregman train`, and `train_mnist`: trains a network, reports each epoch, saves what it is asked
//! to.

mod equilibrium;
mod network;
mod options;
mod prepare;
mod report;

pub use options::Options;

use std::ffi::OsString;

use super::progress::Progress;
use super::say::{print, warn};
use super::{Command, Ended, adapters, stop};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::nn::Parameters;
use crate::train::events::EventFiles;
use crate::train::keeper;
use crate::train::{self, Position};
use prepare::Prepared;

impl Command for Options {
    fn read(command: clap::Command, words: Vec<OsString>) -> Result<Self> {
        Self::layered(&command, &words)
    }

    fn run(self) -> Result<Ended> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build_global().map_err(|error| Error::Threads {
                threads,
                message: error.to_string(),
            })?;
        }
        if self.list_adapters {
            return adapters::list();
        }
        pollster::block_on(async {
            match () {
                () if self.equilibrium => equilibrium::run(&self).await,
                () if self.describe => describe(&self),
                () if self.eval_only => evaluate(&self).await,
                () => train(&self).await,
            }
        })
    }
}

/// Prints the network that `options` describe.
fn describe(options: &Options) -> Result<Ended> {
    let checkpoints = network::load(options)?;
    let (splits, _) = prepare::load_data(options, checkpoints.as_deref())?;
    let network = network::build(options, checkpoints, &splits.train)?;
    print(&network::table(&network.model))?;
    Ok(Ended::Whole)
}

/// Reports the accuracy of a saved network on the test set.
async fn evaluate(options: &Options) -> Result<Ended> {
    let prepared = Prepared::new(options).await?;
    let _lock = prepare::claim(options)?;
    prepared.announce();
    let results = prepared.results();
    let mut executor = prepared.executor().await?;
    let accuracies = train::evaluate(&mut executor, Split::Test).await?;
    let parameters = parameters(options, &mut executor).await?;
    results.report(options, &Position::default(), accuracies, &parameters)
}

/// Trains a network.
async fn train(options: &Options) -> Result<Ended> {
    let prepared = Prepared::new(options).await?;
    let _lock = prepare::claim(options)?;
    prepared.announce();
    let results = prepared.results();
    let schedule = prepared.schedule();
    let recipe = prepared.recipe();
    let mut position = Position::default();
    let mut keeper = prepared.keeper(&results);
    prepare::check_vacant(options, &results.settings, &keeper.run.data_sha256)?;
    if let Some((path, run)) = &options.run {
        position = keeper.resume(path, run, &schedule)?;
        report::resumed(path, run, &keeper.run, &schedule);
    }
    let mut executor = prepared.executor().await?;
    keeper.events = options
        .out_dir
        .as_deref()
        .map(|folder| EventFiles::new(folder, &recipe, schedule.steps(), &results.model));

    stop::listen();
    let mut progress = Progress::new(schedule);
    let ended = keeper
        .train(
            &mut executor,
            &schedule,
            &mut position,
            &mut progress,
            &stop::requested,
            &mut warn,
        )
        .await;
    report::ended(&ended, &keeper, &position, &schedule);
    if ended? == keeper::Ended::Stopped {
        return Ok(Ended::Stopped);
    }
    let last = position.epochs.last().map(|epoch| epoch.test_accuracies);
    let parameters = parameters(options, &mut executor).await?;
    results.report(options, &position, last.unwrap_or_default(), &parameters)
}

/// The parameters of each realization, if `options` have a use for them.
async fn parameters(options: &Options, executor: &mut impl Executor) -> Result<Vec<Parameters>> {
    match (&options.save, &options.out_dir) {
        (None, None) => Ok(Vec::new()),
        _ => executor.parameters().await,
    }
}

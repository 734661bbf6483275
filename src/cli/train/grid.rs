//! Training of all runs of lists of settings, side by side if they fit.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::CommandFactory;
use serde::Serialize;

use super::load::{Data, load_data};
use super::network::{self, Initial, Network};
use super::options::{Options, Resolved};
use super::prepare::{self, Prepared};
use super::report::Results;
use super::{Trained, trained};
use crate::checkpoint::{self, Run};
use crate::cli::args::groups;
use crate::cli::say::{announce_device, note, plural, print, say, warn};
use crate::cli::{Ended, layered};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::files::atomic;
use crate::gpu::PlanOptions;
use crate::kind::LayerKind;
use crate::nn::Model;
use crate::plot;
use crate::train::Outcome;
use crate::train::events::{self, json_line};
use crate::train::grid::{Best, Grid, GridRun, Launch, RUNS, RUNS_SO_FAR, Row, best, csv};
use crate::train::keeper::{self, CHECKPOINT};

/// The data and everything else that all launches share.
struct Lists<'a> {
    options: &'a Options,
    grid: Grid,
    runs: Vec<GridRun>,
    data: Data,
    /// [`Splits::sha256`].
    data_sha256: String,
}

/// The results of all runs: `summary.json`.
#[derive(Serialize)]
struct Report<'a> {
    /// "regression", where values are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'static str>,
    options: &'a Resolved,
    data_sha256: &'a str,
    runs: &'a [Row],
    best: Option<Best>,
}

/// Trains all runs, and reports each and the best setting.
///
/// # Errors
/// Those of training; [`Error::Diverged`] if no run ended with a finite loss.
pub async fn run(options: &Options) -> Result<Ended> {
    let device = Device::choose(options.device, options.adapter.clone()).await?;
    let data = load_data(options, None)?;
    let options = &options.for_data(&data.splits.train);
    let grid = options.grid();
    let runs = grid.runs(options.epochs)?;
    let lists = Lists {
        options,
        grid,
        runs,
        data_sha256: data.splits.sha256(),
        data,
    };
    let launches = lists.launches(&device)?;
    let model = lists.model(&launches[0])?;
    // The settings are those of all runs, so that they give all runs again.
    let settings = options.resolved_settings(&model, &lists.data.name);
    let (kind, adapter) = (device.kind(), device.adapter());
    let resolved = Resolved::new(options, &model, &lists.data.name, kind, adapter);
    let _lock = prepare::claim(options)?;
    lists.check(&launches, &settings)?;
    if let Some(folder) = &options.out_dir {
        layered::write_settings(folder, &settings)?;
    }
    announce_device(&device);
    prepare::note_without_effect(options, device.kind());
    drop(device);
    say(format_args!(
        "{} in {}",
        plural(lists.runs.len(), "run"),
        match launches.len() {
            1 => "1 launch".to_owned(),
            number => format!("{number} launches"),
        }
    ));

    let mut rows = Vec::with_capacity(lists.runs.len());
    let mut divergence = None;
    let mut written = Ok(());
    for (number, launch) in (1..).zip(&launches) {
        let own = lists.options_of(launch, number, &settings)?;
        let prepared = lists.prepared(&own, launch).await?;
        say(format_args!(
            "launch {number} of {}: runs {} to {}, {}",
            launches.len(),
            launch.runs.start,
            launch.runs.end - 1,
            network::describe(&prepared.network.model)
        ));
        let mut results = prepared.results();
        results.settings = settings.clone();
        let folder = options
            .out_dir
            .as_ref()
            .map(|dir| dir.join(folder_of(number)));
        if let Some(folder) = &folder {
            fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        }
        let layer = results.model.kind_name();
        let (mut told, mut kept) = (Vec::new(), Ok(()));
        let is_regression = results.is_regression();
        let mut done = |r: usize, outcome: Outcome| {
            let run = launch.runs.start + r;
            let row = Row::new(run, layer, lists.runs[run].settings, outcome);
            // The errors of predicted values are known at the end, except those of a run that diverged.
            let is_known = !is_regression || outcome.diverged_at_step.is_some();
            if options.json_lines && is_known && kept.is_ok() {
                kept = print(&json_line(&row));
            }
            told.push(row);
        };
        let ended = trained(prepared, &results, folder.as_deref(), &mut done).await;
        told.sort_by_key(|row| row.run);
        let first = rows.len();
        rows.append(&mut told);
        if let Ok(trained) = &ended
            && is_regression
        {
            kept = kept.and(lists.add_fits(&results, &mut rows[first..], trained));
        }
        let so_far = lists.write(RUNS_SO_FAR, &rows);
        match ended {
            Ok(trained) if trained.ended == keeper::Ended::Stopped => {
                say(format_args!(
                    "{} of {} runs had ended",
                    rows.len(),
                    lists.runs.len()
                ));
                return kept.and(so_far).map(|()| Ended::Stopped);
            }
            Ok(trained) => {
                let saved = lists.keep(&results, folder.as_deref(), &launch.runs, &trained);
                kept = kept.and(saved);
            }
            Err(Error::Diverged {
                epoch,
                step,
                realization,
                loss,
                limit,
            }) => {
                let error = Error::Diverged {
                    epoch,
                    step,
                    realization: launch.runs.start + realization,
                    loss,
                    limit,
                };
                say(format_args!("every run of the launch diverged"));
                divergence.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
        // A disk that is too full for one file may have room for others, so the next launch is trained.
        if let Err(error) = kept.and(so_far) {
            warn(&error);
            written = written.and(Err(error));
        }
    }
    let reported = lists.report(&resolved, &rows);
    let result = written.and(reported);
    match divergence {
        Some(error)
            if rows
                .iter()
                .all(|row| row.outcome.diverged_at_step.is_some()) =>
        {
            result.and(Err(error))
        }
        _ => result.map(|()| Ended::Whole),
    }
}

/// The name of the folder of a launch.
fn folder_of(number: usize) -> String {
    format!("{}{number}", layered::LAUNCH)
}

impl Lists<'_> {
    /// The options of one kind of layer, for a number of runs.
    fn narrowed(&self, layer: LayerKind, runs: &Range<usize>) -> Options {
        let mut own = self.options.clone();
        own.layer = layer.into();
        own.realizations = runs.len();
        own
    }

    /// The launches, each as large as memory and the adapter allow.
    fn launches(&self, device: &Device) -> Result<Vec<Launch>> {
        self.grid.launches(&mut |layer, runs| {
            let mut runs = runs;
            loop {
                let own = self.narrowed(layer, &runs);
                let fits = self.plan(&own, &runs).and_then(|(network, plan)| {
                    device.check_limits(&network.model, &self.data.splits, plan)
                });
                match fits {
                    Err(Error::OutOfMemory { .. } | Error::TooLarge { .. }) if runs.len() > 1 => {
                        runs.end = runs.start + runs.len().div_ceil(2);
                    }
                    Err(error) => return Err(error),
                    Ok(()) => return Ok(runs.len()),
                }
            }
        })
    }

    /// The network of runs, and how an adapter would train it.
    fn plan(&self, own: &Options, runs: &Range<usize>) -> Result<(Network, PlanOptions)> {
        let network = network::build(own, None, &self.data)?;
        let mut recipe = own.recipe();
        recipe.batch_size = prepare::batch_size(own, &self.data.splits);
        recipe.runs = self.runs[runs.clone()]
            .iter()
            .map(|run| run.settings)
            .collect();
        let plan = PlanOptions {
            realizations: runs.len(),
            recipe,
            fused: !own.unfused,
            storage: own.storage,
            small: true,
        };
        Ok((network, plan))
    }

    /// The network of a launch.
    fn model(&self, launch: &Launch) -> Result<Model> {
        let own = self.narrowed(launch.layer, &launch.runs);
        Ok(network::build(&own, None, &self.data)?.model)
    }

    /// The folder of the results of the grid that is resumed, if one is.
    fn resumed_from(&self) -> Option<&Path> {
        let run = self.options.run.as_ref();
        run.map(|(path, run)| layered::results_of(path, run))
    }

    /// The options of a launch, and the position from which it continues if it is resumed.
    fn options_of(
        &self,
        launch: &Launch,
        number: usize,
        settings: &BTreeMap<String, String>,
    ) -> Result<Options> {
        let mut own = self.narrowed(launch.layer, &launch.runs);
        own.run = None;
        let Some(folder) = self.resumed_from() else {
            return Ok(own);
        };
        let path = folder.join(folder_of(number)).join(CHECKPOINT);
        if path.exists() {
            let run = self.resumed(launch, &path, settings)?;
            own.run = Some((path, run));
        } else {
            note(&format!(
                "`resume`: there is no {} yet; the launch starts from the beginning",
                path.display()
            ));
        }
        Ok(own)
    }

    /// Checks that every launch with a checkpoint, in the folder that is resumed and in that of the results,
    /// is one of this grid. Those in the folder of the results are removed instead, if that is asked for and
    /// they are not resumed.
    ///
    /// # Errors
    /// [`Error::OtherRun`] and [`Error::OtherData`] for a launch of a different grid that is resumed, and
    /// [`Error::Occupied`] for one that is not; those of [`Run::load`].
    fn check(&self, launches: &[Launch], settings: &BTreeMap<String, String>) -> Result<()> {
        let options = self.options;
        let check = |number: usize, path: &Path| {
            let launch = number.checked_sub(1).and_then(|index| launches.get(index));
            match launch {
                Some(launch) => self.resumed(launch, path, settings).map(drop),
                None => Err(Error::OtherRun {
                    path: path.to_owned(),
                    field: "launch".to_owned(),
                    found: number.to_string(),
                    given: format!("1 to {}", launches.len()),
                }),
            }
        };
        // Beyond the launches of this grid a run without lists may have such a folder.
        let found = |folder: &Path| -> Result<Vec<(usize, PathBuf)>> {
            let mut found = layered::launches(folder)?;
            for (number, path) in std::mem::take(&mut found) {
                if number <= launches.len() || layered::is_launch(&path)? {
                    found.push((number, path));
                }
            }
            Ok(found)
        };
        let resumed = self.resumed_from().map_or(Ok(Vec::new()), found)?;
        for (number, path) in &resumed {
            check(*number, path)?;
        }
        let Some(folder) = &options.out_dir else {
            return Ok(());
        };
        let data = &self.data_sha256;
        prepare::check_checkpoint(options, folder, settings, data)?;
        for (number, path) in found(folder)? {
            let is_resumed = |(_, resumed): &(_, PathBuf)| atomic::same_file(resumed, &path);
            if resumed.iter().any(is_resumed) {
                continue;
            }
            if options.overwrite {
                fs::remove_file(&path).map_err(Error::io("remove", path))?;
                continue;
            }
            let difference = match check(number, &path) {
                Err(Error::OtherRun {
                    field,
                    found,
                    given,
                    ..
                }) => format!("`{field}` is {found} there and {given} here"),
                Err(Error::OtherData { .. }) => "its data are different".to_owned(),
                Err(Error::Checkpoint { fault, .. }) => fault.to_string(),
                checked => {
                    checked?;
                    continue;
                }
            };
            return Err(Error::Occupied { path, difference });
        }
        for number in 1..=launches.len() {
            // A run without lists may have such a folder.
            let launch = folder.join(folder_of(number));
            prepare::check_results(options, &launch, settings, data)?;
        }
        prepare::check_results(options, folder, settings, data)
    }

    /// The run of a launch in `path`, if it is that of these lists.
    fn resumed(
        &self,
        launch: &Launch,
        path: &Path,
        settings: &BTreeMap<String, String>,
    ) -> Result<Run> {
        let run = Run::load(path)?;
        let other = |field: &str, found: String, given: String| Error::OtherRun {
            path: path.to_owned(),
            field: field.to_owned(),
            found,
            given,
        };
        let command = Options::command().groups(groups());
        if let Some(layered::Difference {
            field,
            found,
            given,
        }) = layered::difference(&command, &run.options, settings)
        {
            return Err(other(&field, found, given));
        }
        if run.data_sha256 != self.data_sha256 {
            return Err(Error::OtherData {
                path: path.to_owned(),
                found: run.data_sha256,
                given: self.data_sha256.clone(),
            });
        }
        // The number of runs that fit may have changed.
        let first = self.runs[launch.runs.start].settings.seed;
        let found = (run.parameters.len(), run.model.kind_name(), run.seed);
        let model = self.model(launch)?;
        let given = (launch.runs.len(), model.kind_name(), first);
        let text = |(runs, layer, seed)| format!("of {runs} {layer} runs from seed {seed}");
        match found == given {
            true => Ok(run),
            false => Err(other("launch", text(found), text(given))),
        }
    }

    /// The parts that a launch needs before it begins.
    async fn prepared<'a>(&self, own: &'a Options, launch: &Launch) -> Result<Prepared<'a>> {
        let settings: Vec<_> = self.runs[launch.runs.clone()]
            .iter()
            .map(|run| run.settings)
            .collect();
        let network = match &own.run {
            Some((_, run)) => Network::resumed(run),
            None => {
                let mut network = network::build(own, None, &self.data)?;
                network.initial = Initial::Random {
                    init: own.init,
                    seeds: settings.iter().map(|run| run.seed).collect(),
                };
                network
            }
        };
        Ok(Prepared {
            options: own,
            device: Device::choose(own.device, own.adapter.clone()).await?,
            splits: Arc::clone(&self.data.splits),
            dataset: self.data.name.clone(),
            network,
            runs: Some(settings),
        })
    }

    /// Adds to the rows of a launch the errors of the values that its networks predict, and prints them if lines
    /// of JSON are requested.
    fn add_fits(&self, results: &Results, rows: &mut [Row], trained: &Trained) -> Result<()> {
        let mut outcomes: Vec<_> = rows.iter().map(|row| row.outcome).collect();
        results.add_fits(&mut outcomes, &trained.parameters)?;
        for (row, outcome) in rows.iter_mut().zip(outcomes) {
            row.outcome = outcome;
            if self.options.json_lines && outcome.diverged_at_step.is_none() {
                print(&json_line(row))?;
            }
        }
        Ok(())
    }

    /// Saves the networks of a launch, and writes its metrics.
    fn keep(
        &self,
        results: &Results,
        folder: Option<&Path>,
        runs: &Range<usize>,
        trained: &Trained,
    ) -> Result<()> {
        let saved = self.options.save.as_ref().map_or(Ok(()), |path| {
            let paths: Vec<PathBuf> = checkpoint::paths(path, self.runs.len());
            results.save(&paths[runs.clone()], &trained.parameters)
        });
        let written = folder.map_or(Ok(()), |folder| {
            let epochs: Vec<_> = trained.position.epochs.iter().collect();
            events::write_metrics(folder, &epochs)
        });
        saved.and(written)
    }

    /// Writes rows to the file `name`.
    fn write(&self, name: &str, rows: &[Row]) -> Result<()> {
        match &self.options.out_dir {
            Some(folder) => atomic::write(&folder.join(name), csv(rows).as_bytes()).map(drop),
            None => Ok(()),
        }
    }

    /// Prints and writes the results of all runs.
    fn report(&self, resolved: &Resolved, rows: &[Row]) -> Result<()> {
        let options = self.options;
        let best = best(rows);
        let named = match &best {
            Some(best) => format!("best setting by validation loss: {}\n", describe(best)),
            None if self.data.splits.validation.is_none() => {
                "no best setting: --validation holds out samples to choose by\n".to_owned()
            }
            None => "no best setting: in each a run diverged\n".to_owned(),
        };
        let is_regression = self.data.splits.train.is_regression();
        let report = Report {
            task: is_regression.then_some("regression"),
            options: resolved,
            data_sha256: &self.data_sha256,
            runs: rows,
            best,
        };
        let written = options.out_dir.as_ref().map_or(Ok(()), |folder| {
            self.write(RUNS, rows)?;
            // It may be missing: a disk was full.
            let _ = fs::remove_file(folder.join(RUNS_SO_FAR));
            events::write_summary(folder, &report)?;
            let settings = format!(
                "{}, {}, batches of {}",
                self.data.name,
                plural(options.epochs as usize, "epoch"),
                options.batch_size
            );
            plot::grid(&self.grid, rows, &settings).save(&folder.join("grid"))?;
            say(format_args!("results in {}", folder.display()));
            Ok(())
        });
        let printed = match (options.json, options.json_lines) {
            (true, _) => print(&json_line(&report)),
            (_, true) => {
                say(named.trim_end());
                Ok(())
            }
            _ => print(&(table(&self.grid, rows) + &named)),
        };
        written.and(printed)
    }
}

/// The accuracies of the runs, or R² where values are predicted, a line for each, with a bar for that on the
/// validation split or else on the test set. Options with one value are left out.
fn table(grid: &Grid, rows: &[Row]) -> String {
    const BAR: f64 = 40.0;
    let seeds: Vec<u64> = rows.iter().map(|row| row.seed).collect();
    let is_regression = rows.iter().any(|row| row.outcome.test_mae.is_some());
    let text = |measured: Option<f64>| match measured {
        Some(r2) if is_regression => format!("R² {r2:6.3}"),
        Some(accuracy) => format!("{:6.2} %", 100.0 * accuracy),
        None => format!("{:>8}", "-"),
    };
    let line = |row: &Row| {
        let mut line = format!("{:9}", row.layer);
        let varied = [
            ("lr", grid.learning_rates.is_list(), row.lr),
            ("momentum", grid.momenta.is_list(), row.momentum),
            (
                "weight decay",
                grid.weight_decays.is_list(),
                row.weight_decay,
            ),
        ];
        for (name, _, value) in varied.into_iter().filter(|(_, is_list, _)| *is_list) {
            line += &format!("  {name} {value:<12}");
        }
        if seeds.iter().any(|seed| *seed != seeds[0]) {
            line += &format!("  seed {:<6}", row.seed);
        }
        let outcome = &row.outcome;
        if let Some(step) = outcome.diverged_at_step {
            return line + &format!("  diverged in step {step}\n");
        }
        let [validation, test] = match is_regression {
            true => [outcome.validation_r2, outcome.test_r2],
            false => [outcome.validation_accuracy, outcome.test_accuracy],
        };
        if validation.is_some() {
            line += &format!("  validation {}", text(validation));
        }
        // R² may be below 0.
        let shown = validation.or(test).unwrap_or(0.0).clamp(0.0, 1.0);
        let bar = "#".repeat((BAR * shown).round() as usize);
        line + &format!("  test {}  {bar}\n", text(test))
    };
    rows.iter().map(line).collect()
}

/// One line on the best setting.
fn describe(best: &Best) -> String {
    let runs: Vec<String> = best.runs.iter().map(usize::to_string).collect();
    let percent = |name: &str, accuracy: Option<f64>| {
        accuracy.map_or(String::new(), |accuracy| {
            format!(", {name} accuracy {:.2} %", 100.0 * accuracy)
        })
    };
    let r2 =
        |name: &str, r2: Option<f64>| r2.map_or(String::new(), |r2| format!(", {name} R² {r2:.4}"));
    let measured = [
        percent("validation", best.validation_accuracy),
        percent("test", best.test_accuracy),
        r2("validation", best.validation_r2),
        r2("test", best.test_r2),
    ];
    let measured = measured.concat();
    format!(
        "{}, learning rate {}, momentum {}, weight decay {} (run{} {}): validation loss {:.4}{measured}",
        best.layer,
        best.lr,
        best.momentum,
        best.weight_decay,
        if runs.len() == 1 { "" } else { "s" },
        runs.join(", "),
        best.validation_loss,
    )
}

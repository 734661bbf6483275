//! The preparation of a run: the device, the data, the network, and the folder for its results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::CommandFactory;
use serde_json::Value;

use super::load::{Data, load_data};
use super::network::{self, Network};
use super::options::{Options, Resolved};
use super::report::Results;
use crate::checkpoint::{self, Checkpoint, Run};
use crate::cli::args::{groups, invalid};
use crate::cli::layered::{self, SETTINGS};
use crate::cli::pictures;
use crate::cli::say::{announce_device, note, plural, say};
use crate::data::Splits;
use crate::device::{AnyExecutor, Device};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::files::atomic;
use crate::files::lock::{self, Lock};
use crate::gpu::PlanOptions;
use crate::kind::LayerKind;
use crate::optim::{Recipe, RunSettings, Sgd};
use crate::train::events::{EVALUATION, METRICS, METRICS_SO_FAR, SUMMARY};
use crate::train::grid::RUNS;
use crate::train::keeper::{CHECKPOINT, Keeper};
use crate::train::{Course, Position, Schedule};

/// The device, the data and the network of a run.
pub struct Prepared<'a> {
    pub options: &'a Options,
    pub device: Device,
    pub splits: Arc<Splits>,
    pub dataset: String,
    pub network: Network,
    /// The settings of the realizations, if those of the options are lists.
    pub runs: Option<Vec<RunSettings>>,
}

/// The parts from which a network is built.
pub struct Loaded {
    checkpoints: Option<Vec<Checkpoint>>,
    device: Device,
    pub data: Data,
}

/// Reads the checkpoints, chooses the device and loads the data.
///
/// # Errors
/// Those of each.
pub async fn load(options: &Options) -> Result<Loaded> {
    let checkpoints = network::load(options)?;
    let device = Device::choose(options.device, options.adapter.clone()).await?;
    let data = load_data(options, checkpoints.as_deref())?;
    Ok(Loaded {
        checkpoints,
        device,
        data,
    })
}

impl<'a> Prepared<'a> {
    /// Builds the network for what was loaded. `options` have the defaults for these data.
    ///
    /// # Errors
    /// Those of [`network::build`].
    pub fn new(options: &'a Options, loaded: Loaded) -> Result<Self> {
        let Loaded {
            checkpoints,
            device,
            data,
        } = loaded;
        let network = match &options.run {
            Some((_, run)) => Network::resumed(run),
            None => network::build(options, checkpoints, &data)?,
        };
        let Data {
            splits,
            name: dataset,
            ..
        } = data;
        if let Some(k) = options.top_k.filter(|_| network.model.cnn.is_some()) {
            let reason = "it is not computed for networks with convolutions";
            return Err(invalid("top_k", k, reason));
        }
        Ok(Self {
            options,
            device,
            splits,
            dataset,
            network,
            runs: None,
        })
    }

    /// Says on which device which network is used, and which options have no effect.
    pub fn announce(&self) {
        announce_device(&self.device);
        say(format_args!(
            "network: {}",
            network::describe(&self.network.model)
        ));
        note_without_effect(self.options, self.device.kind());
    }

    /// How the network is trained, from the beginning or from where the resumed run stopped.
    pub fn recipe(&self) -> Recipe {
        let batch_size = batch_size(self.options, &self.splits);
        if self.options.eval_only {
            let learning_rate = self.options.learning_rates().first();
            let sgd = Sgd {
                batch_size,
                learning_rate,
            };
            return sgd.into();
        }
        let mut recipe = self.options.recipe();
        recipe.batch_size = batch_size;
        if let Some(runs) = &self.runs {
            recipe.runs = runs.clone();
        }
        if let Some((_, run)) = &self.options.run {
            let steps = recipe.steps(self.splits.train.len());
            recipe.first_step = run.position.number(steps);
        }
        recipe
    }

    /// How long the network is trained, and what its result is.
    pub fn course(&self) -> Course {
        let mut course = course(self.options, &self.splits, self.options.realizations);
        if let Some(runs) = &self.runs {
            course.seeds = runs.iter().map(|run| run.seed).collect();
        }
        course
    }

    /// The description of this network, device and data in the results.
    pub fn results(&self) -> Results {
        let model = &self.network.model;
        let (kind, adapter) = (self.device.kind(), self.device.adapter());
        Results {
            model: model.clone(),
            dataset: self.dataset.clone(),
            resolved: Resolved::new(self.options, model, &self.dataset, kind, adapter.clone()),
            settings: self.options.resolved_settings(model, &self.dataset),
            kind,
            adapter,
            splits: Arc::clone(&self.splits),
            data_sha256: self.splits.sha256(),
        }
    }

    /// The run with its checkpoint in `folder`.
    pub fn keeper(&self, results: &Results, folder: Option<&Path>) -> Keeper {
        let options = self.options;
        let device = results.adapter.clone();
        Keeper {
            path: folder.map(|folder| folder.join(CHECKPOINT)),
            // Further launches may follow, which must not cost this one.
            every: options
                .checkpoint_every
                .or(self.runs.as_ref().map(|_| options.epochs)),
            run: Run {
                model: self.network.model.clone(),
                dataset: self.dataset.clone(),
                data_sha256: results.data_sha256.clone(),
                device: device.unwrap_or_else(|| results.kind.to_owned()),
                options: results.settings.clone(),
                seed: self.recipe().run(0).seed,
                position: Position::default(),
                parameters: Vec::new(),
                moments: Vec::new(),
            },
            saved: None,
            events: None,
        }
    }

    /// Lays the network and the data out on the device.
    ///
    /// # Errors
    /// Those of [`Device::executor`].
    pub async fn executor(self) -> Result<AnyExecutor> {
        let plan = PlanOptions {
            realizations: self.network.realizations(),
            recipe: self.recipe(),
            fused: !self.options.unfused,
            storage: self.options.storage,
            small: true,
        };
        let Network { model, initial } = self.network;
        let parameters = || initial.parameters(&model);
        let executor = self
            .device
            .executor(&model, self.splits, plan, parameters)
            .await;
        let mut executor = executor?;
        if let Some((_, run)) = &self.options.run {
            executor.set_moments(&run.moments)?;
        }
        Ok(executor)
    }
}

/// Locks the folder of the results for this process, and checks that the results and the networks can
/// be written.
///
/// # Errors
/// [`Error::Locked`] if another process writes there; [`Error::Io`]; [`Error::InvalidValue`] for a
/// network that would replace a file of the run.
pub fn claim(options: &Options) -> Result<Option<Lock>> {
    let lock = match &options.out_dir {
        Some(folder) => {
            let lock = lock::own_folder(folder)?;
            atomic::remove_stale(folder);
            match options.eval_only {
                true => atomic::check_writable(&folder.join(EVALUATION))?,
                false => {
                    let (results, pictures): (&[&str], &[&str]) = match options.is_grid() {
                        true => (&[RUNS], &pictures::OF_GRID),
                        false => (&[METRICS, CHECKPOINT], &pictures::FILES),
                    };
                    let names = [results, pictures, &[SUMMARY, SETTINGS]].concat();
                    let mut names = names.into_iter();
                    names.try_for_each(|name| atomic::check_writable(&folder.join(name)))?;
                }
            }
            Some(lock)
        }
        None => None,
    };
    if let Some(path) = &options.save {
        let names = [CHECKPOINT, METRICS, METRICS_SO_FAR, SUMMARY, SETTINGS];
        let folder = options.out_dir.iter();
        let mut own: Vec<PathBuf> = folder
            .flat_map(|f| names.map(|name| f.join(name)))
            .collect();
        own.extend(options.run.iter().map(|(path, _)| path.clone()));
        let networks = options.networks();
        for path in checkpoint::paths(path, networks) {
            if own.iter().any(|own| atomic::same_file(own, &path)) {
                let reason = "the run itself has this file; the network needs another";
                return Err(invalid("save", path.display(), reason));
            }
        }
        checkpoint::check_writable(path, networks)?;
    }
    Ok(lock)
}

/// Checks that what was left in `folder`, which is that of the results, is not of a different run than the
/// one with `settings` on `data`, by their sha256. If there is a checkpoint, it decides, since results that
/// lie beside it may be older.
///
/// # Errors
/// Those of [`check_checkpoint`] and [`check_results`].
pub fn check_vacant(
    options: &Options,
    folder: Option<&Path>,
    settings: &BTreeMap<String, String>,
    data: &str,
) -> Result<()> {
    let Some(folder) = folder else {
        return Ok(());
    };
    match folder.join(CHECKPOINT).exists() {
        true => check_checkpoint(options, folder, settings, data),
        false => check_results(options, folder, settings, data),
    }
}

/// Checks that the checkpoint in `folder`, if there is one, is not that of a different run than the one with
/// `settings` on `data`; or removes it, if that is asked for.
///
/// # Errors
/// [`Error::Occupied`] if it is; [`Error::Io`].
pub fn check_checkpoint(
    options: &Options,
    folder: &Path,
    settings: &BTreeMap<String, String>,
    data: &str,
) -> Result<()> {
    let path = folder.join(CHECKPOINT);
    if !path.exists() {
        return Ok(());
    }
    let resumed = options.run.as_ref();
    if resumed.is_some_and(|(resumed, _)| atomic::same_file(resumed, &path)) {
        return Ok(());
    }
    if options.overwrite {
        return fs::remove_file(&path).map_err(Error::io("remove", path));
    }
    let occupied = |difference| Error::Occupied {
        path: path.clone(),
        difference,
    };
    let found = Run::load(&path).map_err(|error| match error {
        Error::Checkpoint { fault, .. } => occupied(fault.to_string()),
        error => error,
    })?;
    let difference = difference(&found.options, settings, Some(&found.data_sha256), data);
    if let Some(difference) = difference {
        return Err(occupied(difference));
    }
    let done = found.position.epochs.len();
    let path = path.display();
    note(&match done >= options.epochs as usize {
        true => format!("{path} is of this run, which is done; `resume` last only reports it"),
        false => format!(
            "{path} is of this run, after {}: `resume` last continues from there; without it \
             training begins anew",
            plural(done, "epoch")
        ),
    });
    Ok(())
}

/// Checks that the results in `folder`, if there are any, are not those of a different run than the one with
/// `settings` on `data`, unless they are given up. They stay until those of the new run are there; but a
/// grid, which writes its settings before it trains, removes the summary that does not belong to them.
///
/// # Errors
/// [`Error::Occupied`] if they are; [`Error::Io`].
pub fn check_results(
    options: &Options,
    folder: &Path,
    settings: &BTreeMap<String, String>,
    data: &str,
) -> Result<()> {
    let path = folder.join(SUMMARY);
    // A run that did not come to its end has no summary, and may begin again.
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(Error::io("read", &path))?,
    };
    let found = match layered::read_settings(folder) {
        Ok(settings) => Ok(settings),
        Err(Error::Settings { reason, .. }) => Err(format!("of its {SETTINGS}: {reason}")),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(format!("there is no {SETTINGS} beside it"))
        }
        Err(error) => return Err(error),
    };
    let difference = match found {
        Err(reason) => Some(reason),
        Ok(found) => {
            // A file of an earlier program does not have the sha256.
            let summary: Value = serde_json::from_str(&text).unwrap_or_default();
            difference(&found, settings, summary["data_sha256"].as_str(), data)
        }
    };
    match difference {
        None if options.run.is_some() => Ok(()),
        None => {
            note(&format!(
                "{} is of this run, which is done: it is trained again, and its results are replaced at the end",
                path.display()
            ));
            Ok(())
        }
        Some(_) if options.overwrite && options.is_grid() => {
            fs::remove_file(&path).map_err(Error::io("remove", path))
        }
        Some(_) if options.overwrite => Ok(()),
        Some(difference) => Err(Error::Occupied { path, difference }),
    }
}

/// How the run with the options `found` and the data with the sha256 `found_data`, if that is known, differs
/// from the one with `settings` on `data`; none if they are the same run.
fn difference(
    found: &BTreeMap<String, String>,
    settings: &BTreeMap<String, String>,
    found_data: Option<&str>,
    data: &str,
) -> Option<String> {
    let command = Options::command().groups(groups());
    if let Some(difference) = layered::difference(&command, found, settings) {
        let layered::Difference {
            field,
            found,
            given,
        } = difference;
        return Some(format!("`{field}` is {found} there and {given} here"));
    }
    let is_other = found_data.is_some_and(|found| found != data);
    is_other.then(|| "its data are different".to_owned())
}

/// Checks that there are no checkpoints of the launches of a grid in `folder`, which is that of the results
/// of a run without lists; or removes them, if that is asked for.
///
/// # Errors
/// [`Error::Occupied`] if there are; [`Error::Io`].
pub fn check_no_launches(options: &Options, folder: &Path) -> Result<()> {
    for (_, path) in layered::launches(folder)? {
        let is_launch = layered::is_launch(&path)?;
        match options.overwrite {
            true if is_launch => fs::remove_file(&path).map_err(Error::io("remove", path))?,
            false if is_launch => {
                let difference = "it is that of a launch of runs with lists of settings".to_owned();
                return Err(Error::Occupied { path, difference });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number of samples of a batch, which never exceeds the samples, so that nothing is laid out for
/// more.
pub fn batch_size(options: &Options, splits: &Splits) -> usize {
    let most = splits.train.len().max(splits.test.len());
    options.batch_size.min(most)
}

/// How long `realizations` of a network are trained on `splits`, and what their results are.
pub fn course(options: &Options, splits: &Splits, realizations: usize) -> Course {
    let schedule = Schedule {
        epochs: options.epochs,
        seed: options.seed.first(),
        realizations,
        samples: splits.train.len(),
        batch_size: batch_size(options, splits),
        validation: splits.validation.is_some(),
    };
    Course {
        patience: options.patience,
        keep: options.kept(),
        variance: splits.train.variance(),
        ..Course::from(&schedule)
    }
}

/// Says which of the options given do nothing here.
pub fn note_without_effect(options: &Options, device: &str) {
    let loaded = options.load.is_some();
    let cases = [
        (
            "unfused",
            device == "cpu",
            "it chooses between kernels for adapters",
        ),
        ("threads", device == "gpu", "the adapter does the work"),
        ("init", loaded, "the parameters are those loaded"),
        ("cnn", loaded, "the network is the one loaded"),
        ("conv_activation", loaded, "the network is the one loaded"),
        ("dropout", loaded, "the network is the one loaded"),
        (
            "form",
            !options.layer.all().contains(&LayerKind::Bregman),
            "only Bregman layers have two forms",
        ),
        ("epochs", options.eval_only, "nothing is trained"),
        ("lr", options.eval_only, "nothing is trained"),
        ("save", options.eval_only, "nothing is trained"),
        ("validation", options.eval_only, "nothing is trained"),
    ];
    for (field, here, reason) in cases {
        if here && options.given(field) {
            note(&format!("`{field}` has no effect: {reason}"));
        }
    }
}

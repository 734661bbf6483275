//! The training of a figure as a file in the folder of the results, from which it can be resumed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data::spirals::Draw;
use crate::error::{CheckpointFault, Error, Result};
use crate::files::safetensors::State;
use crate::sweep::{Metrics, Record, Sweep};

/// The entry that distinguishes these files from others.
const VERSION_KEY: &str = "bregman_sweeps";
const VERSION: &str = "1";

/// The options that a figure's training depends on, by their names in the file.
pub type Description = BTreeMap<&'static str, String>;

/// The sweeps of a figure, as far as they have been trained.
#[derive(Debug)]
pub struct Saved {
    /// One record of each sweep.
    pub records: Vec<Record>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// The device that trained them last: "cpu", or the adapter's name.
    pub device: String,
}

/// The file of the figure `name`.
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("checkpoint-{name}.safetensors"))
}

impl Saved {
    /// Sweeps whose training has not begun.
    pub fn new(sweeps: &[Sweep], device: &str) -> Self {
        Self {
            records: sweeps.iter().map(Record::new).collect(),
            seconds: 0.0,
            device: device.to_owned(),
        }
    }

    /// Writes all to `path`, whose earlier contents stay until the new ones are durable.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path, described: &Description) -> Result<PathBuf> {
        let mut state = State::default();
        let options = serde_json::to_string(described).expect("strings serialize");
        for (key, value) in [
            (VERSION_KEY, VERSION),
            ("bregman_version", env!("CARGO_PKG_VERSION")),
            ("options", &options),
            ("device", &self.device),
        ] {
            state.metadata.insert(key.to_owned(), value.to_owned());
        }
        state.insert("seconds", &[], vec![self.seconds]);
        for (s, record) in self.records.iter().enumerate() {
            let runs = record.done.len();
            let done: Vec<u64> = record.done.iter().map(|&done| done.into()).collect();
            state.insert(format!("{s}.done"), &[runs], done);
            let tensors = record.parameters.iter().flat_map(|p| p.tensors());
            let parameters: Vec<f32> = tensors.flatten().copied().collect();
            let dims = [runs, parameters.len() / runs.max(1)];
            state.insert(format!("{s}.parameters"), &dims, parameters);
            // Run by run: each has the metrics of the epochs that it has done.
            let metrics = || record.metrics.iter().flatten();
            let losses: Vec<f32> = metrics().map(|m| m.loss).collect();
            let correct: Vec<u64> = metrics().map(|m| m.correct.into()).collect();
            state.insert(format!("{s}.losses"), &[losses.len()], losses);
            state.insert(format!("{s}.correct"), &[correct.len()], correct);
        }
        state.save(path)
    }

    /// Whether all `sweeps` are trained.
    fn is_done(&self, sweeps: &[Sweep]) -> bool {
        let mut pairs = self.records.iter().zip(sweeps);
        pairs.all(|(record, sweep)| record.done.iter().all(|&done| done >= sweep.epochs))
    }

    /// Reads what [`Self::save`] wrote of `sweeps`, which `described` describes.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Checkpoint`]; [`Error::OtherRun`] for sweeps that are described
    /// differently.
    pub fn load(path: &Path, described: &Description, sweeps: &[Sweep]) -> Result<Self> {
        let mut state = State::load(path)?;
        let fault = |fault| Error::Checkpoint {
            path: path.to_owned(),
            fault,
        };
        let found = read_description(&state).map_err(fault)?;
        for (&option, given) in described {
            let found = match (found.get(option), option) {
                (Some(found), _) => found,
                // Files from before there was a choice.
                (None, "--points") => Draw::Shared.name(),
                (None, _) => "not set",
            };
            if found != given {
                return Err(Error::OtherRun {
                    path: path.to_owned(),
                    field: field(option),
                    found: found.to_owned(),
                    given: given.clone(),
                });
            }
        }
        let sweeps = sweeps.iter().enumerate();
        let records = sweeps.map(|(s, sweep)| take_record(&mut state, s, sweep));
        let records = records.collect::<Result<_, _>>().map_err(fault)?;
        let seconds: Vec<f64> = state.take("seconds", &[]).map_err(fault)?;
        Ok(Self {
            records,
            seconds: seconds[0],
            device: state.text("device").map_err(fault)?.to_owned(),
        })
    }
}

/// Whether a part of `sweeps` is saved in `path`, which would be lost if they were trained from their beginning.
///
/// # Errors
/// [`Error::Occupied`] if sweeps of other settings would be lost, or a file that cannot be read;
/// [`Error::Io`].
pub fn is_begun(path: &Path, described: &Description, sweeps: &[Sweep]) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let difference = match Saved::load(path, described, sweeps) {
        Ok(saved) => return Ok(!saved.is_done(sweeps)),
        Err(Error::OtherRun {
            field,
            found,
            given,
            ..
        }) => format!("`{field}` is {found} there and {given} here"),
        Err(Error::Checkpoint { fault, .. }) => fault.to_string(),
        Err(error) => return Err(error),
    };
    Err(Error::Occupied {
        path: path.to_owned(),
        difference,
    })
}

/// The field that an option of the file sets.
fn field(option: &str) -> String {
    match option {
        "--lr" => "learning_rate".to_owned(),
        _ => option.trim_start_matches('-').replace('-', "_"),
    }
}

fn read_description(state: &State<'_>) -> Result<BTreeMap<String, String>, CheckpointFault> {
    let metadata = |key, reason: String| -> Result<_, CheckpointFault> {
        let value = state.text(key)?.to_owned();
        Ok(CheckpointFault::Metadata { key, value, reason })
    };
    if state.text(VERSION_KEY)? != VERSION {
        let reason = format!("this program reads version {VERSION}");
        return Err(metadata(VERSION_KEY, reason)?);
    }
    match serde_json::from_str(state.text("options")?) {
        Ok(settings) => Ok(settings),
        Err(error) => Err(metadata("options", error.to_string())?),
    }
}

fn take_record(state: &mut State<'_>, s: usize, sweep: &Sweep) -> Result<Record, CheckpointFault> {
    let mut record = Record::new(sweep);
    let runs = sweep.runs.len();
    let name = format!("{s}.done");
    let done: Vec<u64> = state.take(&name, &[runs])?;
    for (place, done) in record.done.iter_mut().zip(done) {
        let fits = u32::try_from(done).ok().filter(|&d| d <= sweep.epochs);
        *place = fits.ok_or_else(|| CheckpointFault::Malformed {
            reason: format!("`{name}` has {done} of {} epochs", sweep.epochs),
        })?;
    }
    let count = sweep.model.parameter_count();
    let parameters: Vec<f32> = state.take(&format!("{s}.parameters"), &[runs, count])?;
    let places = record.parameters.iter_mut().flat_map(|p| p.tensors_mut());
    for (place, value) in places.flatten().zip(parameters) {
        *place = value;
    }
    let recorded = |done: &u32| record.epochs.iter().filter(|&epoch| epoch <= done).count();
    let counts: Vec<usize> = record.done.iter().map(recorded).collect();
    let total = counts.iter().sum();
    let losses: Vec<f32> = state.take(&format!("{s}.losses"), &[total])?;
    let correct: Vec<u64> = state.take(&format!("{s}.correct"), &[total])?;
    let mut all = losses
        .into_iter()
        .zip(correct)
        .map(|(loss, correct)| Metrics {
            loss,
            correct: correct as u32,
        });
    for (metrics, count) in record.metrics.iter_mut().zip(counts) {
        metrics.extend(all.by_ref().take(count));
    }
    Ok(record)
}

//! Saved networks, one realization in each file.

use std::path::{Path, PathBuf};

use super::format;
use crate::error::{CheckpointFault, Error, Result};
use crate::files::atomic::{self, AtomicFile};
use crate::files::safetensors::State;
use crate::nn::{Model, Parameters, Shape};

/// A network that was loaded.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file.
    pub path: PathBuf,
    /// The network.
    pub model: Model,
    /// The parameters of one realization.
    pub parameters: Parameters,
    /// The name of the data set that it was trained on.
    pub dataset: String,
}

impl Checkpoint {
    /// The error for `fault` in this file.
    pub fn error(&self, fault: CheckpointFault) -> Error {
        Error::Checkpoint {
            path: self.path.clone(),
            fault,
        }
    }

    /// Fails unless the file's tensors are those of `model`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with the first tensor that is missing, has another shape, or has no
    /// place in `model`.
    pub fn check_tensors(&self, model: &Model) -> Result<()> {
        let found = self.model.tensors();
        let needed = model.tensors();
        for Shape {
            name: tensor,
            dims: expected,
        } in &needed
        {
            let fault = match found.iter().find(|s| s.name == *tensor) {
                Some(shape) if shape.dims == *expected => continue,
                Some(shape) => CheckpointFault::Shape {
                    tensor: tensor.clone(),
                    expected: expected.clone(),
                    found: shape.dims.clone(),
                },
                None => CheckpointFault::MissingTensor {
                    tensor: tensor.clone(),
                    expected: format!("shape {expected:?}"),
                },
            };
            return Err(self.error(fault));
        }
        match found
            .into_iter()
            .find(|s| needed.iter().all(|n| n.name != s.name))
        {
            Some(Shape {
                name: tensor,
                dims: found,
            }) => Err(self.error(CheckpointFault::UnexpectedTensor { tensor, found })),
            None => Ok(()),
        }
    }
}

/// The files of `realizations` checkpoints: `path` itself for one, `x-0.safetensors`,
/// `x-1.safetensors`, … for more.
pub fn paths(path: &Path, realizations: usize) -> Vec<PathBuf> {
    if realizations == 1 {
        return vec![path.to_owned()];
    }
    let stem = path.file_stem().unwrap_or_default();
    (0..realizations)
        .map(|r| {
            let mut name = stem.to_owned();
            name.push(format!("-{r}"));
            if let Some(extension) = path.extension() {
                name.push(".");
                name.push(extension);
            }
            path.with_file_name(name)
        })
        .collect()
}

/// Checks, before training begins, that [`save`] can write its files.
///
/// # Errors
/// [`Error::Io`] if a target cannot be written.
pub fn check_writable(path: &Path, realizations: usize) -> Result<()> {
    paths(path, realizations)
        .iter()
        .try_for_each(|path| atomic::check_writable(path))
}

/// Saves the realizations of a network, each in its own file (see [`paths`]). The files get their
/// names when all of them are written. Returns the paths.
///
/// # Errors
/// [`Error::Checkpoint`] for a parameter that is not finite, [`Error::Io`] if a file cannot be
/// written, as on a full disk. Earlier files are then left as they were.
pub fn save(
    path: &Path,
    model: &Model,
    dataset: &str,
    parameters: &[Parameters],
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::with_capacity(parameters.len());
    for (path, parameters) in paths(path, parameters.len()).into_iter().zip(parameters) {
        let state = state(&path, model, dataset, parameters)?;
        let mut file = AtomicFile::create(&path)?;
        state.write_to(&mut file)?;
        files.push(file);
    }
    files.into_iter().map(AtomicFile::commit).collect()
}

/// The bytes of the file that [`save`] writes of one realization.
///
/// # Errors
/// [`Error::Checkpoint`] for a parameter that is not finite.
pub fn to_bytes(model: &Model, dataset: &str, parameters: &Parameters) -> Result<Vec<u8>> {
    Ok(state(Path::new("in memory"), model, dataset, parameters)?.to_bytes())
}

/// The parts of a network that a file, which may be `path`, keeps.
fn state<'a>(
    path: &Path,
    model: &Model,
    dataset: &str,
    parameters: &'a Parameters,
) -> Result<State<'a>> {
    model.check_parameters(parameters)?;
    format::check_numbers(model, parameters).map_err(format::at(path))?;
    let mut state = State {
        metadata: format::metadata(model, dataset),
        ..State::default()
    };
    for (shape, numbers) in model.tensors().into_iter().zip(parameters.tensors()) {
        state.insert(shape.name, &shape.dims, &numbers[..]);
    }
    Ok(state)
}

/// The network, its parameters, and the name of its data set in the bytes of a file.
///
/// # Errors
/// A description of the fault.
pub fn parse(bytes: &[u8]) -> Result<(Model, Parameters, String), CheckpointFault> {
    of_state(State::of_bytes(bytes)?)
}

fn of_state(mut state: State<'_>) -> Result<(Model, Parameters, String), CheckpointFault> {
    if state.metadata.contains_key(format::VERSION_KEY) {
        return Err(CheckpointFault::Run);
    }
    let (model, dataset) = format::read_model(&state, 0)?;
    let mut parameters = format::take_parameters(&mut state, &model, &[])?;
    format::check_rest(&state)?;
    let only = parameters.pop().expect("one realization was read");
    Ok((model, only, dataset))
}

/// Loads one network from one file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] with the [`CheckpointFault`] if it
/// cannot be used.
pub fn load(path: &Path) -> Result<Checkpoint> {
    let (model, parameters, dataset) = of_state(State::load(path)?).map_err(format::at(path))?;
    Ok(Checkpoint {
        path: path.to_owned(),
        model,
        parameters,
        dataset,
    })
}

/// Loads the realizations of a network, see [`paths`].
///
/// # Errors
/// Those of [`load`]; [`CheckpointFault::Disagrees`] or [`CheckpointFault::Shape`] if the files
/// describe different networks.
pub fn load_all(path: &Path, realizations: usize) -> Result<Vec<Checkpoint>> {
    let loaded: Vec<Checkpoint> = paths(path, realizations)
        .iter()
        .map(|path| load(path))
        .collect::<Result<_>>()?;
    for other in loaded.iter().skip(1) {
        let first = &loaded[0].model;
        let entries = format::description(first)
            .into_iter()
            .zip(format::description(&other.model));
        for ((key, first), (_, found)) in entries {
            if first != found {
                return Err(other.error(CheckpointFault::Disagrees { key, found, first }));
            }
        }
        other.check_tensors(first)?;
    }
    Ok(loaded)
}

//! Checkpoints: a network's parameters and description in a safetensors file.
//!
//! Tensors are float32 with PyTorch's names and layout ([`Model::tensors`]); the metadata's strings
//! are enough for any other program to run the network (`tests/forward.py` does). Realization r of
//! R > 1 goes to a file of its own, `x-r.safetensors` for `x.safetensors`.
//!
//! A [`Run`] is what a run needs to go on to the bit, all realizations in one file; other programs
//! put theirs into a [`State`]. What a crash or a full disk leaves behind is told in
//! [`crate::files::atomic`].
//!
//! | tensor | shape | where |
//! |---|---|---|
//! | `conv.K.weight` | (filters, channels, kernel, kernel) | behind `cnn`, block K of it |
//! | `conv.K.bias` | (filters) | likewise |
//! | `layers.L.weight` | (out, in) | every hidden layer |
//! | `layers.L.bias` | (out) | every hidden layer |
//! | `layers.L.mix` | (out, in), rows on the simplex | where a skip changes width |
//! | `head.weight`, `head.bias` | (classes, in), (classes) | always |
//!
//! Metadata: `layer`, `form`, `activation`, `loss`, `clamp_low`, `clamp_high`, `input_low`,
//! `input_high`, `dataset`, `bregman_version`, and where there are convolutions `cnn`, the JSON of
//! [`Cnn::to_json`](crate::nn::Cnn::to_json).

mod format;
mod run;
mod state;

use std::fs;
use std::path::{Path, PathBuf};

pub use crate::error::CheckpointFault; // moved
pub use run::Run;
pub use state::{Array, MAX_HEADER, Numbers, State};

use crate::error::{Error, Result};
use crate::files::atomic::{self, AtomicFile};
use crate::nn::{Model, Parameters, Shape};

/// A network that was loaded.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file.
    pub path: PathBuf,
    /// Its description.
    pub model: Model,
    /// Its parameters, one realization.
    pub parameters: Parameters,
    /// The data set that it was trained on.
    pub dataset: String,
}

impl Checkpoint {
    /// The error that `fault` in this file is.
    pub fn error(&self, fault: CheckpointFault) -> Error {
        Error::Checkpoint {
            path: self.path.clone(),
            fault,
        }
    }

    /// Whether the file's tensors are those of `model`.
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

/// Finds out, before hours are spent on training, whether [`save`] could write its files.
///
/// # Errors
/// [`Error::Io`] if a target cannot be written.
pub fn check_writable(path: &Path, realizations: usize) -> Result<()> {
    paths(path, realizations)
        .iter()
        .try_for_each(|path| atomic::check_writable(path))
}

/// Saves the realizations of a network, one a file (see [`paths`]); the files get their names when
/// all of them are on the disk. Returns the paths.
///
/// # Errors
/// [`Error::Checkpoint`] for a parameter that is not finite, [`Error::Io`] for a full disk, say; no
/// earlier file is touched then.
pub fn save(
    path: &Path,
    model: &Model,
    dataset: &str,
    parameters: &[Parameters],
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::with_capacity(parameters.len());
    for (path, parameters) in paths(path, parameters.len()).into_iter().zip(parameters) {
        model.check_parameters(parameters)?;
        format::check_numbers(model, parameters).map_err(|fault| Error::Checkpoint {
            path: path.clone(),
            fault,
        })?;
        let mut file = AtomicFile::create(&path)?;
        file.write_all(&format::serialize(model, dataset, parameters))?;
        files.push(file);
    }
    files.into_iter().map(AtomicFile::commit).collect()
}

/// The network, its parameters, and the name of its data set in the bytes of a file.
///
/// # Errors
/// What is wrong with them.
pub fn parse(bytes: &[u8]) -> Result<(Model, Parameters, String), CheckpointFault> {
    format::deserialize(bytes)
}

/// Loads one network from one file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] with the [`CheckpointFault`] if it
/// cannot be used.
pub fn load(path: &Path) -> Result<Checkpoint> {
    let found = fs::metadata(path).map_err(Error::io("read", path))?;
    if !found.is_file() {
        return Err(Error::io("read", path)(std::io::Error::other(
            "it is not a regular file",
        )));
    }
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let (model, parameters, dataset) = parse(&bytes).map_err(|fault| Error::Checkpoint {
        path: path.to_owned(),
        fault,
    })?;
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
/// As [`load`]; and [`CheckpointFault::Disagrees`] or [`CheckpointFault::Shape`] if they are not all
/// of one description.
pub fn load_all(path: &Path, realizations: usize) -> Result<Vec<Checkpoint>> {
    let loaded: Vec<Checkpoint> = paths(path, realizations)
        .iter()
        .map(|path| load(path))
        .collect::<Result<_>>()?;
    for other in loaded.iter().skip(1) {
        let first = &loaded[0].model;
        // As many entries in both: that of convolutions is empty where there are none.
        let description = |model| {
            let mut entries = format::description(model);
            entries.resize(9, ("cnn", String::new()));
            entries
        };
        let entries = description(first)
            .into_iter()
            .zip(description(&other.model));
        for ((key, first), (_, found)) in entries {
            if first != found {
                return Err(other.error(CheckpointFault::Disagrees { key, found, first }));
            }
        }
        other.check_tensors(first)?;
    }
    Ok(loaded)
}

//! Finds the files of a data set.
//!
//! MNIST's and Fashion-MNIST's files have the same names. The name of their folder distinguishes
//! them, if this program or torchvision gave it; otherwise their contents do.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::idx;
use super::source::Source;
use crate::error::Result;

/// The folder of a data set, and the files found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The folder.
    pub folder: PathBuf,
    /// The path of each of [`Source::files`] that was found: the compressed file if there is one. Some
    /// programs unpack `train-images-idx3-ubyte.gz` as `train-images.idx3-ubyte`.
    pub files: Vec<Option<PathBuf>>,
}

impl Location {
    /// The files of `source` in `folder` itself.
    pub fn of(folder: &Path, source: Source) -> Self {
        let files = source.files().iter().map(|file| {
            let names = [file.name.to_owned(), file.name.replace("-idx", ".idx")];
            let mut paths = names
                .iter()
                .flat_map(|name| [folder.join(format!("{name}.gz")), folder.join(name)]);
            paths.find(|path| is_there(path))
        });
        Self {
            folder: folder.to_owned(),
            files: files.collect(),
        }
    }

    /// The number of files found.
    pub fn count(&self) -> usize {
        self.files.iter().flatten().count()
    }
}

/// Whether there is a file, or an error in looking for it, which reading the file then reports.
pub(super) fn is_there(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(found) => found.is_file(),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Finds `source` in a folder of its own below `data_dir`, or in `data_dir` itself unless its name is
/// that of a different data set. Returns the first place that has all files, else the first that has
/// any.
pub fn find(data_dir: &Path, source: Source) -> Option<Location> {
    let own = source
        .folders()
        .iter()
        .map(|names| data_dir.join(names.iter().collect::<PathBuf>()));
    let itself = named_for(data_dir)
        .is_none_or(|owner| owner == source)
        .then(|| data_dir.to_owned());
    // torchvision's own folder, without the `raw` in it.
    let raw = named_for(&data_dir.join("raw")) == Some(source);
    let raw = raw.then(|| data_dir.join("raw"));
    let locations: Vec<Location> = own
        .chain(raw)
        .chain(itself)
        .map(|folder| Location::of(&folder, source))
        .filter(|location| location.count() > 0)
        .collect();
    let complete = locations
        .iter()
        .find(|location| location.count() == source.files().len());
    complete.or(locations.first()).cloned()
}

/// The data set in `data_dir`: the one whose files are in it, else the first one that has a folder
/// below it.
///
/// # Errors
/// [`crate::error::Error::Io`] for a file that cannot be read.
pub fn source_in(data_dir: &Path) -> Result<Option<Source>> {
    let below = || {
        let mut all = Source::ALL.into_iter();
        all.find(|&source| find(data_dir, source).is_some())
    };
    Ok(owner(data_dir)?.or_else(below))
}

/// The data set whose files are in `folder` itself, known by the folder's name or else by the contents
/// of a file.
///
/// # Errors
/// [`crate::error::Error::Io`] for a file that cannot be read.
pub fn owner(folder: &Path) -> Result<Option<Source>> {
    // All data sets with IDX files use the same file names.
    let location = Location::of(folder, Source::Mnist);
    if location.count() == 0 {
        return Ok(None);
    }
    if let Some(source) = named_for(folder) {
        return Ok(Some(source));
    }
    for path in location.files.iter().flatten() {
        if let Some(source) = idx::owner_of(path)? {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// The folder in `data_dir` into which files of `source` are downloaded.
pub fn target(data_dir: &Path, source: Source) -> PathBuf {
    if named_for(data_dir) == Some(source) {
        return data_dir.to_owned();
    }
    let names = source.folders().first().copied().unwrap_or_default();
    data_dir.join(names.iter().collect::<PathBuf>())
}

/// The data set whose folder name `folder` has.
fn named_for(folder: &Path) -> Option<Source> {
    // So that `.` and `..` have a name, too.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = folder.canonicalize().unwrap_or(folder);
    Source::ALL.into_iter().find(|source| {
        source
            .folders()
            .iter()
            .any(|names| folder.ends_with(names.iter().collect::<PathBuf>()))
    })
}

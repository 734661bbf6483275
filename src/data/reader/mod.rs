//! Readers of a user's own data: from a path to [`Parts`].
//!
//! | contents of the path | read as |
//! |---|---|
//! | a folder with a folder for each class | images, PNG and JPEG; in `train`, `val` and `test` if there |
//! | `.csv` and `.tsv`, also `.gz` | a table with a header; a folder with `train.csv` and `test.csv` |
//! | `.npz`, `.safetensors` | the arrays `x_train`, `y_train`, `x_test`, `y_test`, or `x` and `y` |
//! | `.npy` | such an array, with its targets beside it; also a folder of them |
//! | IDX files, also `.gz` | a file of images with its labels beside it; also a folder of them |
//! | CIFAR-10 and CIFAR-100 | the folders and archives as downloaded, binary and Python |

mod array;
mod cifar;
mod classes;
pub(in crate::data) mod file;
mod idx;
#[cfg(feature = "plot")]
mod images;
mod named;
mod npy;
mod options;
mod pickle;
mod table;
mod tensors;

use std::fs;
use std::path::{Path, PathBuf};

use super::raw::{Parts, Raw, Table};
use crate::error::{DataFault, Error, Result};
use file::{entries, fault, plain_name};
use table::Kind as ColumnKind;

pub use options::ReadOptions;
#[doc(hidden)]
pub use table::{Kind, Rows};

const KNOWN: &str = "a folder of images with a folder for each class, .csv and .tsv files (also .gz), \
                     .npz, .npy and .safetensors files, IDX files, and CIFAR's folders";

/// Reads the data at `path`, whose form is found by looking at it.
///
/// # Errors
/// [`Error::Io`] for what cannot be read, and [`Error::Data`] for a form that is not known and for
/// everything that is wrong with the data.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    match metadata.is_dir() {
        true => open_folder(path, options),
        false => open_file(path, options),
    }
}

fn open_file(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let name = plain_name(path);
    let ends = |ending: &str| name.ends_with(ending);
    if table::is_named(path) {
        let table = table::read(path, options.kinds.as_deref())?;
        Ok(alone(Raw::Table(table)))
    } else if ends(".npz") {
        npy::read_archive(path, options)
    } else if ends(".npy") {
        open_npy(path, options)
    } else if ends(".safetensors") {
        tensors::read(path, options)
    } else if cifar::is_at(path) {
        cifar::read(path, options)
    } else if idx::is_named(path) || idx::is_file(path)? {
        idx::read_file(path, options)
    } else {
        Err(fault(path)(DataFault::UnknownForm {
            reason: "its name has none of the known endings".to_owned(),
            known: KNOWN,
        }))
    }
}

fn alone(train: Raw) -> Parts {
    Parts {
        train,
        validation: None,
        test: None,
        notes: Vec::new(),
    }
}

/// Reads the inputs in `path`, the targets beside it, and the other parts beside it.
fn open_npy(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let own = array_name(path);
    let folder = folder_of(path);
    if !named::is_input(&own) {
        // An array of any other name is inputs without targets.
        return npy::read_files(path, &[("x".to_owned(), path.to_owned())], options);
    }
    npy::read_files(&folder, &arrays_in(&folder)?, options)
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// The name of the array in an `.npy` file.
fn array_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".npy").unwrap_or(name).to_owned()
}

/// The `.npy` files in `folder`, each with the name of its array.
fn arrays_in(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let files = entries(folder)?.into_iter();
    let files = files.filter(|path| plain_name(path).ends_with(".npy") && path.is_file());
    Ok(files.map(|path| (array_name(&path), path)).collect())
}

fn open_folder(folder: &Path, options: &ReadOptions) -> Result<Parts> {
    if cifar::is_at(folder) {
        return cifar::read(folder, options);
    }
    if idx::is_in(folder)? {
        return idx::read_folder(folder, options);
    }
    if let Some(train) = table_in(folder, &["train", "training"])? {
        return open_tables(folder, &train, options);
    }
    let arrays = arrays_in(folder)?;
    if arrays.iter().any(|(name, _)| named::is_input(name)) {
        return npy::read_files(folder, &arrays, options);
    }
    open_images(folder, options)
}

/// The table in `folder` that has one of the names `names`.
fn table_in(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    let files = entries(folder)?;
    let mut tables = files
        .into_iter()
        .filter(|path| table::is_named(path) && path.is_file());
    Ok(tables.find(|path| {
        let name = plain_name(path);
        name.rsplit_once('.')
            .is_some_and(|(stem, _)| names.contains(&stem))
    }))
}

/// Reads the table `train` and those of the other parts in the same folder, which have its columns.
fn open_tables(folder: &Path, train: &Path, options: &ReadOptions) -> Result<Parts> {
    let train = table::read(train, options.kinds.as_deref())?;
    let kinds = kinds_of(&train);
    let part = |names: &[&str]| -> Result<Option<Raw>> {
        let Some(path) = table_in(folder, names)? else {
            return Ok(None);
        };
        Ok(Some(Raw::Table(table::read(&path, Some(&kinds))?)))
    };
    let (validation, test) = (part(&["val", "valid", "validation"])?, part(&["test"])?);
    Ok(Parts {
        train: Raw::Table(train),
        validation,
        test,
        notes: Vec::new(),
    })
}

/// The columns of a table and their kinds, with which another table can be read as this one was.
#[doc(hidden)]
pub fn kinds_of(table: &Table) -> Vec<(String, ColumnKind)> {
    let columns = table.columns.iter();
    let kinds = columns.map(|column| {
        let kind = match column.cells {
            super::raw::Cells::Numbers(_) => Kind::Number,
            super::raw::Cells::Text { .. } => Kind::Text,
        };
        (column.name.clone(), kind)
    });
    kinds.collect()
}

/// The rows of the table in the file `path`, a few at a time, with the columns `kinds`.
///
/// # Errors
/// Those of [`Rows::new`]; [`Error::Io`].
#[doc(hidden)]
pub fn rows(path: &Path, kinds: &[(String, Kind)]) -> Result<Rows<impl std::io::Read + use<>>> {
    Rows::new(file::Input::open(path)?, path, kinds)
}

/// Whether the name of a file is that of a table.
#[doc(hidden)]
pub fn is_table(path: &Path) -> bool {
    table::is_named(path)
}

/// The image in the file `path`, without a class.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
#[doc(hidden)]
#[cfg(feature = "plot")]
pub fn image(path: &Path, options: &ReadOptions) -> Result<Raw> {
    images::read_file(path, options).map(Raw::Samples)
}

#[cfg(feature = "plot")]
fn open_images(folder: &Path, options: &ReadOptions) -> Result<Parts> {
    match images::is_in(folder)? {
        true => images::read(folder, options),
        false => Err(unknown(folder)?),
    }
}

#[cfg(not(feature = "plot"))]
fn open_images(folder: &Path, _options: &ReadOptions) -> Result<Parts> {
    Err(unknown(folder)?)
}

/// The fault of a folder without data.
fn unknown(folder: &Path) -> Result<Error> {
    let files = entries(folder)?;
    let reason = match &files[..] {
        [] => "it is an empty folder".to_owned(),
        _ => {
            let data = |path: &&PathBuf| {
                let name = plain_name(path);
                let endings = [".npz", ".npy", ".safetensors"];
                table::is_named(path) || endings.iter().any(|ending| name.ends_with(ending))
            };
            match files.iter().find(data) {
                Some(file) => format!(
                    "it is a folder whose parts are not known; name a file in it, such as {}",
                    file.display()
                ),
                None => "nothing in it is data of a known form".to_owned(),
            }
        }
    };
    Ok(fault(folder)(DataFault::UnknownForm {
        reason,
        known: KNOWN,
    }))
}

/// The readers on bytes, for tests that have no files.
#[doc(hidden)]
pub mod parse {
    use std::io::{self, Cursor};
    use std::path::Path;

    use super::array::Role;
    use super::{Kind, ReadOptions, cifar, idx, npy, table, tensors};
    use crate::data::raw::{Parts, Table};
    use crate::error::{DataFault, Result};

    /// A table.
    ///
    /// # Errors
    /// [`Error::Data`](crate::error::Error::Data).
    pub fn table(bytes: &[u8], kinds: Option<&[(String, Kind)]>) -> Result<Table> {
        table::parse(Path::new("table.csv"), kinds, bytes)
    }

    /// A `.npz` archive.
    ///
    /// # Errors
    /// [`Error::Data`](crate::error::Error::Data).
    pub fn npz(bytes: &[u8]) -> Result<Parts> {
        let path = Path::new("arrays.npz");
        npy::parse_archive(Cursor::new(bytes), path, &ReadOptions::default())
    }

    /// An `.npy` file of inputs, or of targets; returns its number of elements along each dimension.
    ///
    /// # Errors
    /// The outer result is the reader's own error, the inner one what is wrong with the bytes.
    pub fn npy(bytes: &[u8], is_target: bool) -> io::Result<Result<Vec<usize>, DataFault>> {
        let role = if is_target {
            Role::Targets
        } else {
            Role::Inputs
        };
        let read = npy::parse(bytes, "x", Some(bytes.len() as u64), role)?;
        Ok(read.map(|array| array.dims))
    }

    /// An IDX file, whose length is known if it `is_plain`.
    ///
    /// # Errors
    /// The outer result is the reader's own error, the inner one what is wrong with the bytes.
    pub fn idx(bytes: &[u8], is_plain: bool) -> io::Result<Result<Vec<usize>, DataFault>> {
        let length = is_plain.then_some(bytes.len() as u64);
        let read = idx::parse(bytes, "x", length, Role::Inputs)?;
        Ok(read.map(|array| array.dims))
    }

    /// A safetensors file.
    ///
    /// # Errors
    /// [`Error::Data`](crate::error::Error::Data).
    pub fn tensors(bytes: &[u8]) -> Result<Parts> {
        let path = Path::new("arrays.safetensors");
        let length = bytes.len() as u64;
        tensors::parse(Cursor::new(bytes), length, path, &ReadOptions::default())
    }

    /// A file of CIFAR-10 or CIFAR-100; returns the number of its images.
    ///
    /// # Errors
    /// A description of the fault of the bytes.
    pub fn cifar(bytes: &[u8], is_python: bool, is_hundred: bool) -> Result<usize, DataFault> {
        let parsed = cifar::parse(bytes, is_python, is_hundred, false);
        parsed.map(|(_, labels)| labels.len())
    }
}

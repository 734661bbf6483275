//! Data sets: samples in memory, and images that are read from disk, downloaded, or drawn.

#[doc(hidden)]
pub mod augment;
#[doc(hidden)]
pub mod cifar10;
mod dataset;
pub mod digits;
#[doc(hidden)]
pub mod download;
#[doc(hidden)]
pub mod idx;
#[doc(hidden)]
pub mod locate;
mod opened;
#[cfg(feature = "plot")]
pub mod picture;
pub mod prepare;
#[doc(hidden)]
pub mod raw;
pub mod reader;
mod source;
#[doc(hidden)]
pub mod spirals;
mod splits;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use augment::Augmentation;
pub use dataset::{Dataset, Inputs, Targets};
#[doc(hidden)]
pub use download::DownloadProgress;
pub use opened::{Opened, Prepared, open, open_with};
pub use source::Source;
#[doc(hidden)]
pub use source::{DataFile, Part, RemoteFile, owner};
pub use splits::{Split, Splits};

use crate::error::{DataFault, Error, Result};
use crate::files::atomic::folder_of;
use locate::Location;

/// The data to load.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The name of a data set, see [`Source::by_name`].
    pub dataset: Option<String>,
    /// The folder that has the data, or into which they are downloaded.
    pub data_dir: Option<PathBuf>,
    /// The largest number of training samples and of test samples; the first ones are taken. The files
    /// of a part with limit 0 are not needed.
    pub limit: Option<(usize, usize)>,
}

/// A loaded data set: training and test part.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The training samples.
    pub train: Dataset,
    /// The test samples.
    pub test: Dataset,
    /// Notes for the user about where the data come from, each a sentence.
    pub notes: Vec<String>,
}

/// The folders and mirrors that [`load_in`] may use.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Locations {
    /// The folder named by the environment variable `BREGMAN_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// The folder for data if no folder is named: `bregman` in the user's cache folder.
    pub cache: Option<PathBuf>,
    /// Addresses to download from instead of [`Source::mirrors`]; each ends with a slash.
    pub mirrors: Option<Vec<String>>,
    /// The longest time that a mirror may take to answer, or may pause.
    pub patience: Duration,
}

impl Locations {
    /// The environment's and the user's, with the data sets' own mirrors.
    pub fn of_process() -> Self {
        let variable = std::env::var_os("BREGMAN_DATA_DIR").filter(|folder| !folder.is_empty());
        Self {
            data_dir: variable.map(PathBuf::from),
            #[cfg(feature = "download")]
            cache: dirs::cache_dir().map(|folder| folder.join("bregman")),
            #[cfg(not(feature = "download"))]
            cache: None,
            mirrors: None,
            patience: Duration::from_secs(4),
        }
    }
}

/// Loads the data that `request` asks for: from its folder, else from the folder named by
/// `BREGMAN_DATA_DIR`, else from the user's cache folder. Missing files are downloaded.
///
/// If neither a data set nor a folder was named, and MNIST is not found and cannot be downloaded,
/// the data are generated digits, and a note says so. `progress` is called as downloads proceed.
///
/// # Errors
/// [`Error::UnknownName`], [`Error::Io`], [`Error::Data`], [`Error::NoDataFolder`],
/// [`Error::NoCacheFolder`], [`Error::Download`].
pub fn load(request: &Request, progress: &mut dyn FnMut(&DownloadProgress)) -> Result<Loaded> {
    load_in(&Locations::of_process(), request, progress)
}

/// [`load`] with other `locations`.
///
/// # Errors
/// See [`load`].
#[doc(hidden)]
pub fn load_in(
    locations: &Locations,
    request: &Request,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Loaded> {
    let named = request.dataset.as_deref();
    let named = named.map(Source::by_name).transpose()?;
    let (train, test) = request.limit.unwrap_or((usize::MAX, usize::MAX));
    if named == Some(Source::Digits) {
        return Ok(generated(train, test, Vec::new()));
    }

    let named_folder = request.data_dir.as_ref().or(locations.data_dir.as_ref());
    if let Some(folder) = named_folder {
        check_folder(folder)?;
    }
    let source = match (named, named_folder) {
        (Some(source), _) => source,
        // Without a name, the files in the folder decide.
        (None, Some(folder)) => match locate::source_in(folder)? {
            Some(source) => source,
            None if cifar10::is_in(folder) => Source::Cifar10,
            None => Source::Mnist,
        },
        (None, None) => Source::Mnist,
    };
    let folder = match (named_folder, &locations.cache) {
        (Some(folder), _) if !folder.is_dir() => Err(Error::NoDataFolder {
            path: folder.clone(),
            dataset: source.name(),
            by_hand: match source {
                Source::Cifar10 => cifar10::by_hand(&locate::target(folder, source)),
                _ => by_hand(
                    source,
                    source.files().iter(),
                    &locate::target(folder, source),
                ),
            },
        }),
        (Some(folder), _) | (None, Some(folder)) => Ok(folder),
        (None, None) => Err(Error::NoCacheFolder {
            dataset: source.name(),
        }),
    };
    if source == Source::Cifar10 {
        let mut loaded = cifar10::load(locations, folder?, train > 0, test > 0, progress)?;
        loaded.train.truncate(train);
        loaded.test.truncate(test);
        return Ok(loaded);
    }
    let mut notes = Vec::new();
    let needed: Vec<usize> = (0..source.files().len())
        .filter(|&file| if file < 2 { train > 0 } else { test > 0 })
        .collect();
    let location = folder
        .and_then(|folder| complete(locations, folder, source, &needed, &mut notes, progress));
    let location = match location {
        Ok(location) => location,
        // A fault in existing data is always reported.
        Err(error @ Error::Data { .. }) => return Err(error),
        Err(error) if named.is_none() && named_folder.is_none() => {
            let note = format!(
                "MNIST was not found, so these are generated digits, drawn by the program itself: \
                 accuracies on them are not MNIST's. {error}"
            );
            return Ok(generated(train, test, vec![note]));
        }
        Err(error) => return Err(error),
    };
    let mut loaded = read(&location, source, &needed)?;
    loaded.train.truncate(train);
    loaded.test.truncate(test);
    loaded.notes.splice(0..0, notes);
    Ok(loaded)
}

/// Fails for a file, and for a folder that cannot be read. A folder that does not exist may be one that
/// is not needed.
fn check_folder(folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Err(_) if folder.is_file() => Err(Error::Data {
            path: folder.to_owned(),
            fault: DataFault::NotAFolder {
                folder: folder_of(folder).to_owned(),
            },
        }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("read folder", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Finds `source` in `data_dir` and downloads the missing ones of its files numbered `needed`.
fn complete(
    locations: &Locations,
    data_dir: &Path,
    source: Source,
    needed: &[usize],
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Location> {
    let location = match locate::find(data_dir, source) {
        Some(location) => location,
        None => {
            if let Some(owner) = locate::owner(data_dir)?
                && owner != source
            {
                return Err(Error::Data {
                    path: data_dir.to_owned(),
                    fault: DataFault::OtherDataset {
                        wanted: source.name(),
                        found: owner.name(),
                    },
                });
            }
            Location::of(&locate::target(data_dir, source), source)
        }
    };
    let (present, missing): (Vec<usize>, Vec<usize>) = needed
        .iter()
        .partition(|&&file| location.files[file].is_some());
    if missing.is_empty() {
        return Ok(location);
    }
    // Faults of existing files are reported before anything is downloaded.
    read(&location, source, &present)?;
    let mirrors = match &locations.mirrors {
        Some(mirrors) => mirrors.clone(),
        None => source.mirrors().iter().map(|&url| url.into()).collect(),
    };
    let missing: Vec<&DataFile> = missing.iter().map(|&file| &source.files()[file]).collect();
    let remote: Vec<RemoteFile> = missing.iter().map(|file| file.remote()).collect();
    download::download(
        &mirrors,
        locations.patience,
        &location.folder,
        &remote,
        progress,
    )?
    .map_err(|failures| Error::Download {
        dataset: source.name(),
        path: location.folder.clone(),
        failures,
        by_hand: by_hand(source, missing.iter().copied(), &location.folder),
    })?;
    notes.push(format!(
        "{} was downloaded to {}",
        source.name(),
        location.folder.display()
    ));
    Ok(Location::of(&location.folder, source))
}

/// Reads the files numbered `needed` of a data set. The other parts stay empty.
fn read(location: &Location, source: Source, needed: &[usize]) -> Result<Loaded> {
    let mut parts = vec![Vec::new(); location.files.len()];
    let mut strange = Vec::new();
    for &file in needed {
        let name = source.files()[file].name;
        // The file may have been deleted since it was found.
        let path = location.files[file].clone();
        let path = path.unwrap_or_else(|| location.folder.join(name));
        let contents = idx::read_file(&path, source, &source.files()[file])?;
        if !contents.released {
            let name = path.file_name().unwrap_or_default();
            strange.push(name.to_string_lossy().into_owned());
        }
        parts[file] = contents.bytes;
    }
    let note = (!strange.is_empty()).then(|| {
        format!(
            "{} in {} have names of {name}'s files and other contents: accuracies on them are not \
             {name}'s",
            strange.join(", "),
            location.folder.display(),
            name = source.name()
        )
    });
    let mut parts = parts.into_iter();
    let mut dataset = || Dataset {
        name: source.name().to_owned(),
        channels: 1,
        image: idx::IMAGE,
        classes: usize::from(idx::CLASSES),
        inputs: Inputs::Bytes(parts.next().unwrap_or_default()),
        targets: Targets::from(&parts.next().unwrap_or_default()[..]),
    };
    Ok(Loaded {
        train: dataset(),
        test: dataset(),
        notes: note.into_iter().collect(),
    })
}

fn generated(train: usize, test: usize, notes: Vec<String>) -> Loaded {
    let (train, test) = digits::generate(train, test);
    Loaded { train, test, notes }
}

/// A sentence that says how to get `files` of `source` into `folder` by hand.
fn by_hand<'a>(source: Source, files: impl Iterator<Item = &'a DataFile>, folder: &Path) -> String {
    let names: Vec<String> = files.map(|file| format!("{}.gz", file.name)).collect();
    format!(
        "by hand: put {} from {} into {}; or use `dataset` digits, which needs no file",
        names.join(", "),
        source.mirrors().join(" or "),
        folder.display(),
    )
}

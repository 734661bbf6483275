//! CIFAR-10's binary version: records of one label byte and 3,072 pixels, the red, green and blue
//! planes of 32 × 32, row-major. There are five training files and one test file, either as files in
//! a folder or in the released archive.
//!
//! No file is read beyond the 10,000 records that it has as released. A file with fewer records is
//! used, and a note says so.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::dataset::{Dataset, Inputs, Targets};
use super::idx::Hashed;
use super::locate::is_there;
use super::source::{RemoteFile, Source};
use super::{DownloadProgress, Loaded, Locations, download, locate};
use crate::error::{DataFault, Error, Result};

/// Height and width of every image.
pub const IMAGE: [usize; 2] = [32, 32];
/// Red, green, blue.
pub const CHANNELS: usize = 3;
/// Number of classes.
pub const CLASSES: u8 = 10;
/// Records of each file, as released.
pub const RECORDS: usize = 10_000;

/// The files: five to train on, then one to test on.
pub const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    TEST_FILE,
];
const TEST_FILE: &str = "test_batch.bin";

const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const ARCHIVE_BYTES: u64 = 170_052_171;
const ARCHIVE_SHA256: &str = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";

const PIXELS: usize = CHANNELS * IMAGE[0] * IMAGE[1];
const RECORD: usize = 1 + PIXELS;

/// The place of the data.
enum Place {
    /// A folder with the files.
    Folder(PathBuf),
    /// The archive's path.
    Archive(PathBuf),
}

/// Whether CIFAR-10, in any version, is in `data_dir` or in a folder of its own below it.
pub fn is_in(data_dir: &Path) -> bool {
    find(data_dir, &FILES).is_some() || python_version(data_dir).is_some()
}

/// The folders that may have the files: CIFAR-10's own below `data_dir`, and `data_dir` itself.
fn folders(data_dir: &Path) -> Vec<PathBuf> {
    let own = Source::Cifar10.folders().iter();
    own.map(|names| data_dir.join(names.iter().collect::<PathBuf>()))
        .chain([data_dir.to_owned()])
        .collect()
}

/// The Python version of CIFAR-10, which is not read.
fn python_version(data_dir: &Path) -> Option<PathBuf> {
    let names = [
        "cifar-10-python.tar.gz",
        "cifar-10-batches-py",
        "data_batch_1",
    ];
    let paths = folders(data_dir);
    let mut paths = paths
        .iter()
        .flat_map(|folder| names.map(|name| folder.join(name)));
    paths.find(|path| path.exists())
}

fn find(data_dir: &Path, needed: &[&str]) -> Option<Place> {
    let folders = folders(data_dir);
    let has_all = |folder: &&PathBuf| needed.iter().all(|name| is_there(&folder.join(name)));
    let loose = folders.iter().find(has_all).cloned().map(Place::Folder);
    loose.or_else(|| {
        let mut archives = folders.iter().map(|folder| folder.join(ARCHIVE));
        archives.find(|path| is_there(path)).map(Place::Archive)
    })
}

/// Loads the parts that are needed, from `data_dir` or from CIFAR-10's own folder below it. If they
/// are not found, the archive is downloaded.
///
/// # Errors
/// [`Error::Io`], [`Error::Data`], [`Error::Download`].
pub(super) fn load(
    locations: &Locations,
    data_dir: &Path,
    train: bool,
    test: bool,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Loaded> {
    let wanted = |name: &&str| if *name == TEST_FILE { test } else { train };
    let needed: Vec<&'static str> = FILES.iter().copied().filter(wanted).collect();
    let mut notes = Vec::new();
    let place = match (find(data_dir, &needed), python_version(data_dir)) {
        (Some(place), _) => place,
        (None, Some(path)) => {
            let archive = format!("{}{ARCHIVE}", Source::Cifar10.mirrors()[0]);
            let fault = DataFault::PythonVersion { archive };
            return Err(Error::Data { path, fault });
        }
        (None, None) => fetch(locations, data_dir, &mut notes, progress)?,
    };
    let files = match &place {
        Place::Folder(folder) => read_folder(folder, &needed)?,
        Place::Archive(path) => read_archive(path, &needed, &mut notes)?,
    };
    let part = |is_test: bool| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let own = needed.iter().zip(&files);
        for (_, bytes) in own.filter(|(name, _)| (**name == TEST_FILE) == is_test) {
            for record in bytes.chunks_exact(RECORD) {
                labels.push(u32::from(record[0]));
                pixels.extend(&record[1..]);
            }
        }
        Dataset {
            name: Source::Cifar10.name().to_owned(),
            channels: CHANNELS,
            image: IMAGE,
            classes: usize::from(CLASSES),
            inputs: Inputs::Bytes(pixels),
            targets: Targets::Classes(labels),
        }
    };
    let (train, test) = (part(false), part(true));
    let released = |files: usize| files * RECORDS;
    let parts = [
        ("training", &train, released(5)),
        ("test", &test, released(1)),
    ];
    for (which, part, released) in parts {
        if !part.is_empty() && part.len() != released {
            notes.push(format!(
                "warning: only {} of the {released} {which} images of the released cifar10 were \
                 found; accuracies are on those",
                part.len()
            ));
        }
    }
    Ok(Loaded { train, test, notes })
}

fn fetch(
    locations: &Locations,
    data_dir: &Path,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Place> {
    let source = Source::Cifar10;
    let folder = locate::target(data_dir, source);
    let mirrors = match &locations.mirrors {
        Some(mirrors) => mirrors.clone(),
        None => source.mirrors().iter().map(|&url| url.into()).collect(),
    };
    let archive = RemoteFile {
        name: ARCHIVE.to_owned(),
        bytes: ARCHIVE_BYTES,
        sha256: ARCHIVE_SHA256,
    };
    let patience = locations.patience;
    download::download(&mirrors, patience, &folder, &[archive], progress)?.map_err(|failures| {
        Error::Download {
            dataset: source.name(),
            path: folder.clone(),
            failures,
            by_hand: by_hand(&folder),
        }
    })?;
    notes.push(format!(
        "{} was downloaded to {}",
        source.name(),
        folder.display()
    ));
    Ok(Place::Archive(folder.join(ARCHIVE)))
}

/// A sentence that says how to get the data into `folder` by hand.
pub(super) fn by_hand(folder: &Path) -> String {
    format!(
        "by hand: put {ARCHIVE}, or the six .bin files in it, from {} into {}; or use `dataset` \
         digits, which needs no file",
        Source::Cifar10.mirrors().join(" or "),
        folder.display(),
    )
}

fn read_folder(folder: &Path, needed: &[&'static str]) -> Result<Vec<Vec<u8>>> {
    let read = |name: &&'static str| {
        let path = folder.join(name);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let parsed = parse(file).map_err(Error::io("read", &path))?;
        parsed.map_err(|fault| Error::Data { path, fault })
    };
    needed.iter().map(read).collect()
}

/// Reads the files `needed` from the archive. An archive other than the released one is used with a
/// note.
fn read_archive(
    path: &Path,
    needed: &[&'static str],
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<u8>>> {
    let fault = |fault| Error::Data {
        path: path.to_owned(),
        fault,
    };
    // gzip and tar report a damaged stream as different kinds of errors.
    let damaged = |error: io::Error| {
        fault(DataFault::Gzip {
            reason: error.to_string(),
        })
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut reader = BufReader::with_capacity(1 << 16, Hashed::new(file));
    let mut found: Vec<Option<Vec<u8>>> = vec![None; needed.len()];
    let mut archive = tar::Archive::new(MultiGzDecoder::new(&mut reader));
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let member = entry.path().map_err(damaged)?;
        let name = member.file_name();
        let position = needed
            .iter()
            .position(|needed| name == Some(needed.as_ref()));
        if let Some(position) = position {
            found[position] = Some(parse(entry).map_err(damaged)?.map_err(fault)?);
        }
    }
    // Bytes after the archive count towards the checksum.
    io::copy(&mut reader, &mut io::sink()).map_err(Error::io("read", path))?;
    if reader.into_inner().sha256() != ARCHIVE_SHA256 {
        notes.push(format!(
            "warning: {} is not the released archive: its sha256 differs",
            path.display()
        ));
    }
    let files = found.into_iter().zip(needed);
    let files = files.map(|(file, &name)| file.ok_or(DataFault::MissingMember { name }));
    files.collect::<Result<_, DataFault>>().map_err(fault)
}

/// Reads at most 10,000 whole records and checks their labels.
///
/// # Errors
/// The outer result is the reader's own error, the inner one describes the fault of the bytes.
pub fn parse(reader: impl Read) -> io::Result<Result<Vec<u8>, DataFault>> {
    let expected = (RECORDS * RECORD) as u64;
    let mut bytes = Vec::new();
    reader.take(expected + 1).read_to_end(&mut bytes)?;
    let found = bytes.len() as u64;
    Ok(if bytes.is_empty() {
        Err(DataFault::Empty)
    } else if found > expected {
        Err(DataFault::TooLong {
            expected,
            unpacked: false,
        })
    } else if bytes.len() % RECORD != 0 {
        Err(DataFault::Records {
            bytes: found,
            record: RECORD as u64,
        })
    } else {
        let mut labels = bytes.iter().step_by(RECORD);
        match labels.position(|&label| label >= CLASSES) {
            Some(sample) => Err(DataFault::Label {
                sample,
                label: bytes[sample * RECORD],
                classes: CLASSES,
            }),
            None => Ok(bytes),
        }
    })
}

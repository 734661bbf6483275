//! CIFAR-10's binary version: records of one label byte and 3,072 pixels, the red, green and blue
//! planes of 32 × 32, row-major. Five files to train on and one to test on, loose or in the released
//! archive.
//!
//! No file is read beyond the 10,000 records that it has as released. One that has fewer is used,
//! and a note says so.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use super::dataset::Dataset;
use super::idx::Hashed;
use super::source::{RemoteFile, Source};
use super::{DownloadProgress, Loaded, Surroundings, download, locate};
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

/// Where the data are.
enum Place {
    /// The files lie in this folder.
    Folder(PathBuf),
    /// The archive.
    Archive(PathBuf),
}

/// Whether there is CIFAR-10 in `data_dir` or in a folder of its own below it.
pub fn is_in(data_dir: &Path) -> bool {
    find(data_dir, &FILES).is_some()
}

fn find(data_dir: &Path, needed: &[&str]) -> Option<Place> {
    let own = Source::Cifar10.folders().iter();
    let folders = own
        .map(|names| data_dir.join(names.iter().collect::<PathBuf>()))
        .chain([data_dir.to_owned()]);
    let folders: Vec<PathBuf> = folders.collect();
    let has_all = |folder: &&PathBuf| needed.iter().all(|name| folder.join(name).is_file());
    let loose = folders.iter().find(has_all).cloned().map(Place::Folder);
    loose.or_else(|| {
        let mut archives = folders.iter().map(|folder| folder.join(ARCHIVE));
        archives.find(|path| path.is_file()).map(Place::Archive)
    })
}

/// Loads the parts that are needed, from `data_dir` or a folder of CIFAR-10's own below it; the
/// archive is downloaded if they are not there.
///
/// # Errors
/// [`Error::Io`], [`Error::Data`], [`Error::Download`].
pub(super) fn load(
    surroundings: &Surroundings,
    data_dir: &Path,
    train: bool,
    test: bool,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Loaded> {
    let wanted = |name: &&str| if *name == TEST_FILE { test } else { train };
    let needed: Vec<&'static str> = FILES.iter().copied().filter(wanted).collect();
    let mut notes = Vec::new();
    let place = match find(data_dir, &needed) {
        Some(place) => place,
        None => fetch(surroundings, data_dir, &mut notes, progress)?,
    };
    let files = match &place {
        Place::Folder(folder) => read_folder(folder, &needed)?,
        Place::Archive(path) => read_archive(path, &needed, &mut notes)?,
    };
    let part = |is_test: bool| {
        let mut part = Dataset {
            name: Source::Cifar10.name().to_owned(),
            channels: CHANNELS,
            image: IMAGE,
            classes: usize::from(CLASSES),
            pixels: Vec::new(),
            labels: Vec::new(),
        };
        let own = needed.iter().zip(&files);
        for (_, bytes) in own.filter(|(name, _)| (**name == TEST_FILE) == is_test) {
            for record in bytes.chunks_exact(RECORD) {
                part.labels.push(record[0]);
                part.pixels.extend(&record[1..]);
            }
        }
        part
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
                "warning: of the {released} {which} images of the released cifar10 only {} are \
                 here; accuracies are on those",
                part.len()
            ));
        }
    }
    Ok(Loaded { train, test, notes })
}

fn fetch(
    surroundings: &Surroundings,
    data_dir: &Path,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Place> {
    let source = Source::Cifar10;
    let folder = locate::target(data_dir, source);
    let mirrors = match &surroundings.mirrors {
        Some(mirrors) => mirrors.clone(),
        None => source.mirrors().iter().map(|&url| url.into()).collect(),
    };
    let archive = RemoteFile {
        name: ARCHIVE.to_owned(),
        bytes: ARCHIVE_BYTES,
        sha256: ARCHIVE_SHA256,
    };
    let patience = surroundings.patience;
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

/// How to get the data into `folder` without this program, in a sentence.
pub(super) fn by_hand(folder: &Path) -> String {
    format!(
        "by hand: put {ARCHIVE}, or the six .bin files in it, from {} into {}; or use --dataset \
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

/// The files `needed` of the archive. One that is not the archive released is used with a note.
fn read_archive(
    path: &Path,
    needed: &[&'static str],
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<u8>>> {
    let fault = |fault| Error::Data {
        path: path.to_owned(),
        fault,
    };
    // What a damaged stream is reported as differs between the two formats.
    let damaged = |error: io::Error| {
        fault(DataFault::Gzip {
            reason: error.to_string(),
        })
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut reader = BufReader::with_capacity(1 << 16, Hashed::new(file));
    let mut found: Vec<Option<Vec<u8>>> = vec![None; needed.len()];
    let mut archive = tar::Archive::new(GzDecoder::new(&mut reader));
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
    // What may follow the archive counts towards the checksum.
    io::copy(&mut reader, &mut io::sink()).map_err(Error::io("read", path))?;
    if reader.into_inner().sha256() != ARCHIVE_SHA256 {
        notes.push(format!(
            "warning: {} is not the archive released: its sha256 is another",
            path.display()
        ));
    }
    let files = found.into_iter().zip(needed);
    let files = files.map(|(file, &name)| file.ok_or(DataFault::MissingMember { name }));
    files.collect::<Result<_, DataFault>>().map_err(fault)
}

/// Reads whole records, 10,000 at most, and checks their labels.
///
/// # Errors
/// The outer result is the reader's own error, the inner one what is wrong with the bytes.
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

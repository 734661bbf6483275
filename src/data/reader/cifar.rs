//! CIFAR-10 and CIFAR-100 as they are downloaded: the binary and the Python version, as a folder or as
//! the archive itself.
//!
//! Images are the red, green and blue planes of 32 × 32, row-major, in both versions. The binary one has
//! a byte for each label before them; the Python one has pickled dictionaries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::file::{fault, plain_name};
use super::options::ReadOptions;
use super::pickle;
use crate::data::dataset::{Inputs, Targets};
use crate::data::raw::{Parts, Raw, Samples};
use crate::error::{DataFault, Error, Result};

const PIXELS: usize = 3 * 32 * 32;

/// The largest number of bytes of a file; CIFAR-100's training images have 184 MB with their names.
const LARGEST: u64 = 1 << 30;

/// A version of a data set.
struct Version {
    /// Its folder in the archive.
    folder: &'static str,
    archive: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// The files of the names of the classes, and of the superclasses.
    names: [&'static str; 2],
    is_python: bool,
    /// Whether there are superclasses besides.
    is_hundred: bool,
}

const VERSIONS: [Version; 4] = [
    Version {
        folder: "cifar-10-batches-bin",
        archive: "cifar-10-binary.tar.gz",
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: "test_batch.bin",
        names: ["batches.meta.txt"; 2],
        is_python: false,
        is_hundred: false,
    },
    Version {
        folder: "cifar-10-batches-py",
        archive: "cifar-10-python.tar.gz",
        train: &[
            "data_batch_1",
            "data_batch_2",
            "data_batch_3",
            "data_batch_4",
            "data_batch_5",
        ],
        test: "test_batch",
        names: ["batches.meta"; 2],
        is_python: true,
        is_hundred: false,
    },
    Version {
        folder: "cifar-100-binary",
        archive: "cifar-100-binary.tar.gz",
        train: &["train.bin"],
        test: "test.bin",
        names: ["fine_label_names.txt", "coarse_label_names.txt"],
        is_python: false,
        is_hundred: true,
    },
    Version {
        folder: "cifar-100-python",
        archive: "cifar-100-python.tar.gz",
        train: &["train"],
        test: "test",
        names: ["meta"; 2],
        is_python: true,
        is_hundred: true,
    },
];

impl Version {
    /// The number of classes, or of superclasses.
    fn classes(&self, coarse: bool) -> u8 {
        match (self.is_hundred, coarse) {
            (false, _) => 10,
            (true, false) => 100,
            (true, true) => 20,
        }
    }

    /// Whether a file of `folder` shows that it has this version.
    fn is_in(&self, folder: &Path) -> bool {
        let is_file = |name: &&str| folder.join(name).is_file();
        self.train.iter().any(is_file) && [self.names[0], self.test].iter().any(is_file)
    }
}

/// The version in `folder`, in its own folder below, or as its archive there, and the place of it.
fn find(folder: &Path) -> Option<(&'static Version, PathBuf)> {
    let mut versions = VERSIONS.iter();
    versions.find_map(|version| {
        let own = folder.join(version.folder);
        let archive = folder.join(version.archive);
        let places = [folder.to_owned(), own];
        let place = places.into_iter().find(|place| version.is_in(place));
        let place = place.or(archive.is_file().then_some(archive));
        place.map(|place| (version, place))
    })
}

/// Whether `path` is such an archive or has one of the versions.
pub fn is_at(path: &Path) -> bool {
    archived(path).is_some() || path.is_dir() && find(path).is_some()
}

fn archived(path: &Path) -> Option<&'static Version> {
    let name = plain_name(path);
    let named = |version: &&Version| version.archive == format!("{name}.gz");
    VERSIONS.iter().find(named).filter(|_| path.is_file())
}

/// Reads the data set at `path`. A training file may be missing, which a note says.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let own = archived(path).map(|version| (version, path.to_owned()));
    let found = own.or_else(|| find(path));
    let (version, place) = found.ok_or_else(|| fault(path)(DataFault::NoSamples))?;
    let mut wanted = version.train.to_vec();
    wanted.extend([version.test, version.names[0], version.names[1]]);
    let files = match place.is_dir() {
        true => read_folder(&place, &wanted)?,
        false => read_archive(&place, &wanted)?,
    };
    let coarse = options.coarse && version.is_hundred;
    let names = files.get(version.names[usize::from(coarse)]);
    let class_names = match names {
        Some((path, bytes)) => names_of(version, coarse, bytes).map_err(fault(path))?,
        None => Vec::new(),
    };
    let mut notes = Vec::new();
    let part = |names: &[&str]| -> Result<Option<Raw>> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for (path, bytes) in names.iter().filter_map(|&name| files.get(name)) {
            let parsed = parse(bytes, version.is_python, version.is_hundred, coarse);
            let (more, of_more) = parsed.map_err(fault(path))?;
            pixels.extend(more);
            labels.extend(of_more);
        }
        Ok((!labels.is_empty()).then(|| {
            Raw::Samples(Samples {
                path: place.clone(),
                shape: [3, 32, 32],
                inputs: Inputs::Bytes(pixels),
                targets: Some(Targets::Classes(labels)),
                class_names: class_names.clone(),
            })
        }))
    };
    let train = part(version.train)?.ok_or_else(|| fault(&place)(DataFault::NoSamples))?;
    let test = part(&[version.test])?;
    let missing: Vec<&str> = version
        .train
        .iter()
        .chain([&version.test])
        .filter(|&&name| !files.contains_key(name))
        .copied()
        .collect();
    if !missing.is_empty() {
        notes.push(format!(
            "{} lacks {}; the rest is used",
            place.display(),
            missing.join(", ")
        ));
    }
    Ok(Parts {
        train,
        validation: None,
        test,
        notes,
    })
}

/// Files by name, each with a path for messages and its bytes.
type Files = BTreeMap<String, (PathBuf, Vec<u8>)>;

fn read_folder(folder: &Path, wanted: &[&str]) -> Result<Files> {
    let mut files = Files::new();
    for name in wanted {
        let path = folder.join(name);
        if path.is_file() {
            let file = File::open(&path).map_err(Error::io("read", &path))?;
            let bytes = read_all(file).map_err(Error::io("read", &path))?;
            files.insert((*name).to_owned(), (path, bytes));
        }
    }
    Ok(files)
}

fn read_archive(path: &Path, wanted: &[&str]) -> Result<Files> {
    // gzip and tar report a damaged stream as different kinds of errors.
    let damaged = |error: io::Error| {
        fault(path)(DataFault::Gzip {
            reason: error.to_string(),
        })
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let reader = io::BufReader::with_capacity(1 << 16, file);
    let mut archive = tar::Archive::new(MultiGzDecoder::new(reader));
    let mut files = Files::new();
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let member = entry.path().map_err(damaged)?.into_owned();
        let name = member.file_name().unwrap_or_default().to_string_lossy();
        if wanted.contains(&&*name) && entry.header().entry_type().is_file() {
            let bytes = read_all(entry).map_err(damaged)?;
            files.insert(name.into_owned(), (path.join(&member), bytes));
        }
    }
    Ok(files)
}

fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The pixels, (samples, 3, 32, 32), and the classes in the bytes of a file.
///
/// # Errors
/// A description of the fault.
pub fn parse(
    bytes: &[u8],
    is_python: bool,
    is_hundred: bool,
    coarse: bool,
) -> Result<(Vec<u8>, Vec<u32>), DataFault> {
    let classes = match (is_hundred, coarse) {
        (false, _) => 10,
        (true, false) => 100,
        (true, true) => 20,
    };
    let (pixels, labels) = match is_python {
        true => parse_python(bytes, is_hundred, coarse)?,
        false => parse_binary(bytes, is_hundred, coarse)?,
    };
    match labels.iter().position(|&label| label >= classes) {
        Some(sample) => Err(DataFault::Malformed {
            format: "CIFAR",
            reason: format!(
                "sample {sample} has label {}; labels go from 0 to {}",
                labels[sample],
                classes - 1
            ),
        }),
        None => Ok((pixels, labels.into_iter().map(u32::from).collect())),
    }
}

fn parse_binary(
    bytes: &[u8],
    is_hundred: bool,
    coarse: bool,
) -> Result<(Vec<u8>, Vec<u8>), DataFault> {
    // The superclass comes before the class.
    let labels = if is_hundred { 2 } else { 1 };
    let record = labels + PIXELS;
    if bytes.is_empty() {
        return Err(DataFault::Empty);
    }
    if !bytes.len().is_multiple_of(record) {
        return Err(DataFault::Records {
            bytes: bytes.len() as u64,
            record: record as u64,
        });
    }
    let records = bytes.chunks_exact(record);
    let label = if coarse { 0 } else { labels - 1 };
    Ok((
        records
            .clone()
            .flat_map(|record| &record[labels..])
            .copied()
            .collect(),
        records.map(|record| record[label]).collect(),
    ))
}

fn parse_python(
    bytes: &[u8],
    is_hundred: bool,
    coarse: bool,
) -> Result<(Vec<u8>, Vec<u8>), DataFault> {
    let malformed = |reason: String| DataFault::Malformed {
        format: "pickle",
        reason,
    };
    if bytes.is_empty() {
        return Err(DataFault::Empty);
    }
    let batch = pickle::read(bytes).map_err(malformed)?;
    let key = match (is_hundred, coarse) {
        (false, _) => "labels",
        (true, false) => "fine_labels",
        (true, true) => "coarse_labels",
    };
    let pixels = batch.get("data").and_then(|data| data.bytes());
    let labels = batch.get(key).map(|labels| labels.items());
    let (Some(pixels), Some(labels)) = (pixels, labels) else {
        return Err(malformed(format!(
            "it has no dictionary with \"data\" and {key:?}"
        )));
    };
    let labels = labels.iter().map(|label| match label {
        pickle::Value::Integer(label) => u8::try_from(*label).ok(),
        _ => None,
    });
    let labels: Option<Vec<u8>> = labels.collect();
    let labels = labels.ok_or_else(|| malformed("a label is no class".to_owned()))?;
    if pixels.len() != labels.len() * PIXELS {
        return Err(malformed(format!(
            "it has {} bytes of pixels, where {} images have {}",
            pixels.len(),
            labels.len(),
            labels.len() * PIXELS
        )));
    }
    Ok((pixels.to_vec(), labels))
}

/// The names of the classes; none if there are not as many names as classes.
fn names_of(version: &Version, coarse: bool, bytes: &[u8]) -> Result<Vec<String>, DataFault> {
    let names: Vec<String> = match version.is_python {
        true => {
            let meta = pickle::read(bytes).map_err(|reason| DataFault::Malformed {
                format: "pickle",
                reason,
            })?;
            let key = match (version.is_hundred, coarse) {
                (false, _) => "label_names",
                (true, false) => "fine_label_names",
                (true, true) => "coarse_label_names",
            };
            let names = meta.get(key).map(|names| names.items()).unwrap_or_default();
            let names = names.iter().filter_map(pickle::Value::bytes);
            names
                .map(|name| String::from_utf8_lossy(&name).into_owned())
                .collect()
        }
        false => {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.lines().map(str::trim);
            lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        }
    };
    let is_whole = names.len() == usize::from(version.classes(coarse));
    Ok(if is_whole { names } else { Vec::new() })
}

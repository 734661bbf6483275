//! IDX files of any type and size: images in one file, their labels in another.
//!
//! The names are those of MNIST and of the data sets that followed it, as they are released and as
//! torchvision keeps them: `train-images-idx3-ubyte`, `emnist-letters-test-labels-idx1-ubyte.gz`,
//! `qmnist-train-labels-idx2-int`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::array::{self, Array, Element, Elements, Layout, Role, samples};
use super::file::{Input, entries, failed, fault, plain_name};
use super::options::ReadOptions;
use crate::data::raw::{Parts, Raw, Samples};
use crate::error::{DataFault, Result};

/// The ends of file names, after the name of a part.
const IMAGES: &str = "images";

/// The start of the name of a file of images: all before `images`, as in `emnist-letters-train-`.
fn prefix(path: &Path) -> Option<String> {
    let name = plain_name(path);
    let (prefix, rest) = name.split_once(IMAGES)?;
    let rest = rest.strip_prefix(['-', '.'])?;
    rest.starts_with("idx").then(|| prefix.to_owned())
}

/// Whether `path` is called as an IDX file is.
pub fn is_named(path: &Path) -> bool {
    let name = plain_name(path);
    ["-idx", ".idx"].iter().any(|part| name.contains(part))
}

/// Whether the file starts as IDX files do: two zeros, a type and a number of dimensions.
pub fn starts_as(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, 0x08 | 0x09 | 0x0B..=0x0E, 1..=4, ..])
}

/// The part of a data set that a prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Train,
    Validation,
    Test,
}

fn part_of(prefix: &str) -> Part {
    if prefix.contains("t10k") || prefix.contains("test") {
        Part::Test
    } else if prefix.contains("val") {
        Part::Validation
    } else {
        Part::Train
    }
}

/// The files of images in `folder` or in `raw` below it, each with its prefix; of a plain and a
/// compressed one, the plain one.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
fn images_in(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    for folder in [folder.to_owned(), folder.join("raw")] {
        if !folder.is_dir() {
            continue;
        }
        let mut found: Vec<(String, PathBuf)> = entries(&folder)?
            .into_iter()
            .filter_map(|path| Some((prefix(&path)?, path)))
            .filter(|(_, path)| path.is_file())
            .collect();
        found.dedup_by(|next, first| next.0 == first.0);
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Whether `folder` has IDX files.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
pub fn is_in(folder: &Path) -> Result<bool> {
    Ok(!images_in(folder)?.is_empty())
}

/// Reads the IDX files in `folder`.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) and [`Error::Data`](crate::error::Error::Data).
pub fn read_folder(folder: &Path, options: &ReadOptions) -> Result<Parts> {
    let found = images_in(folder)?;
    let of = |part: Part| -> Result<Option<&PathBuf>> {
        let mut all = found.iter().filter(|(prefix, _)| part_of(prefix) == part);
        let first = all.next();
        match (first, all.next()) {
            (Some((_, first)), Some((_, second))) => Err(fault(folder)(DataFault::UnknownForm {
                reason: format!(
                    "it has several data sets, such as {} and {}",
                    first.display(),
                    second.display()
                ),
                known: "the path of one file of images, beside which its labels are",
            })),
            _ => Ok(first.map(|(_, path)| path)),
        }
    };
    let (train, validation, test) = (of(Part::Train)?, of(Part::Validation)?, of(Part::Test)?);
    match (train, test) {
        (Some(train), _) => parts(train, validation, test, options),
        // The whole file.
        (None, Some(test)) => parts(test, None, None, options),
        (None, None) => Err(fault(folder)(DataFault::NoSamples)),
    }
}

/// Reads the images in the file `path` with the labels beside it, and the test part of the same data
/// set if it lies there too.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) and [`Error::Data`](crate::error::Error::Data).
pub fn read_file(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let own = prefix(path);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut test = None;
    if let Some(own) = own.filter(|own| own.contains("train")) {
        let names = [own.replace("train", "test"), own.replace("train", "t10k")];
        // A folder that cannot be listed may have a file that can be read.
        let found = images_in(folder).unwrap_or_default();
        let mut found = found.into_iter();
        test = found.find(|(prefix, _)| names.contains(prefix));
    }
    let test = test.map(|(_, path)| path);
    parts(path, None, test.as_ref(), options)
}

fn parts(
    train: &Path,
    validation: Option<&PathBuf>,
    test: Option<&PathBuf>,
    options: &ReadOptions,
) -> Result<Parts> {
    let mut notes = Vec::new();
    let names = options.class_names.as_deref();
    let train = read_pair(train, names, &mut notes)?;
    let mut other = |path: Option<&PathBuf>| -> Result<Option<Raw>> {
        let Some(path) = path else { return Ok(None) };
        let samples = read_pair(path, names, &mut notes)?;
        if samples.shape != train.shape {
            let shape = |[c, h, w]: [usize; 3]| format!("images of {c} × {h} × {w}");
            return Err(fault(path)(DataFault::Disagreement {
                names: Box::new(
                    [&samples, &train].map(|samples| samples.path.display().to_string()),
                ),
                values: Box::new([&samples, &train].map(|samples| shape(samples.shape))),
            }));
        }
        Ok(Some(Raw::Samples(samples)))
    };
    let (validation, test) = (other(validation)?, other(test)?);
    let file = train.path.file_name().unwrap_or_default();
    if file.to_string_lossy().starts_with("emnist") {
        notes.push(
            "EMNIST's images are released with rows and columns exchanged, and are used in this form"
                .to_owned(),
        );
    }
    Ok(Parts {
        train: Raw::Samples(train),
        validation,
        test,
        notes,
    })
}

/// Reads the images in `path`, and the labels whose file lies beside it.
fn read_pair(
    path: &Path,
    class_names: Option<&[String]>,
    notes: &mut Vec<String>,
) -> Result<Samples> {
    let images = read(path, Role::Inputs)?;
    let labels = labels_of(path)?;
    let labels = match labels {
        Some(labels) => Some(read(&labels, Role::Targets)?),
        None => {
            notes.push(format!(
                "{} has no file of labels beside it",
                path.display()
            ));
            None
        }
    };
    samples(path, images, labels.map(first_column), class_names, notes)
}

/// The file of labels that belongs to the images in `path`.
fn labels_of(path: &Path) -> Result<Option<PathBuf>> {
    let Some(prefix) = prefix(path) else {
        return Ok(None);
    };
    let start = format!("{prefix}labels");
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let files = entries(folder.unwrap_or(Path::new(".")))?;
    let mut files = files.into_iter();
    Ok(files.find(|file| plain_name(file).starts_with(&start) && is_named(file)))
}

/// Labels of several columns are QMNIST's: the class, then the writer and more.
fn first_column(labels: Array) -> Array {
    match (&labels.dims[..], &labels.elements) {
        (&[samples, columns], Elements::Integers(all)) if columns > 1 => Array {
            dims: vec![samples],
            elements: Elements::Integers(all.iter().step_by(columns).copied().collect()),
            name: labels.name,
        },
        _ => labels,
    }
}

/// Reads an IDX file.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) and [`Error::Data`](crate::error::Error::Data).
fn read(path: &Path, role: Role) -> Result<Array> {
    let mut input = Input::open(path)?;
    let length = input.length;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let read = parse(&mut input, &name, length, role).map_err(failed(path))?;
    read.map_err(fault(path))
}

/// Reads an array from the bytes of an IDX file; `length` is their number, if it is known.
///
/// # Errors
/// The outer result is the reader's own error, the inner one describes the fault of the bytes.
pub fn parse(
    mut reader: impl Read,
    name: &str,
    length: Option<u64>,
    role: Role,
) -> io::Result<Result<Array, DataFault>> {
    let malformed = |reason: &str| {
        Ok(Err(DataFault::Malformed {
            format: "IDX",
            reason: reason.to_owned(),
        }))
    };
    let mut start = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(Err(DataFault::Empty));
    }
    if !starts_as(&start) {
        return malformed(
            "it does not start with two zeros, a type of numbers and 1 to 4 dimensions",
        );
    }
    let element = match start[2] {
        0x08 => Element::U8,
        0x09 => Element::I8,
        0x0B => Element::I16,
        0x0C => Element::I32,
        0x0D => Element::F32,
        _ => Element::F64,
    };
    let header = 4 * usize::from(start[3]);
    let mut dims = Vec::new();
    reader.by_ref().take(header as u64).read_to_end(&mut dims)?;
    if dims.len() < header {
        return malformed("it ends within its header");
    }
    let dims = dims.as_chunks::<4>().0.iter();
    let layout = Layout {
        element,
        is_big_endian: true,
        is_fortran: false,
        dims: dims.map(|&dim| u32::from_be_bytes(dim) as usize).collect(),
    };
    let left = length.map(|length| length.saturating_sub(4 + header as u64));
    array::read(reader, name, layout, left, role)
}

/// Whether the file `path` starts as IDX files do.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
pub fn is_file(path: &Path) -> Result<bool> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Ok(false);
    }
    let mut start = Vec::new();
    let input = Input::open(path)?;
    input
        .take(4)
        .read_to_end(&mut start)
        .map_err(failed(path))?;
    Ok(starts_as(&start))
}

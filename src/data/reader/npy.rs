//! NumPy's arrays: `.npy` files, and `.npz` archives of them.
//!
//! The header is read here, strictly, instead of by a crate: the existing crates take a parser
//! generator with C code for it, and memory as a header claims.

use std::io::{self, Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::array::{self, Array, Element, Layout, Role};
use super::file::{Input, failed, fault};
use super::named;
use super::options::ReadOptions;
use crate::data::raw::Parts;
use crate::error::{DataFault, Error, Result};

/// The largest header, in bytes. NumPy's have 128, unless the array is a structured one.
const HEADER: usize = 1 << 16;

fn malformed(reason: impl Into<String>) -> DataFault {
    DataFault::Malformed {
        format: "NPY",
        reason: reason.into(),
    }
}

/// Reads the array in the file `path`, called `name` in messages.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read(path: &Path, name: &str, role: Role) -> Result<Array> {
    let mut input = Input::open(path)?;
    let length = input.length;
    let read = parse(&mut input, name, length, role).map_err(failed(path))?;
    read.map_err(fault(path))
}

/// Reads an array from the bytes of a file; `length` is their number, if it is known.
///
/// # Errors
/// The outer result is the reader's own error, the inner one describes the fault of the bytes.
pub fn parse(
    mut reader: impl Read,
    name: &str,
    length: Option<u64>,
    role: Role,
) -> io::Result<Result<Array, DataFault>> {
    let mut start = Vec::new();
    reader.by_ref().take(10).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(Err(DataFault::Empty));
    }
    let Some((&[b'\x93', b'N', b'U', b'M', b'P', b'Y', major, _], size)) =
        start.split_first_chunk()
    else {
        return Ok(Err(malformed("it does not start with the letters NUMPY")));
    };
    let mut size = size.to_vec();
    if major > 1 {
        // Four bytes of length instead of two.
        reader.by_ref().take(2).read_to_end(&mut size)?;
    }
    if !(1..=3).contains(&major) || size.len() != if major == 1 { 2 } else { 4 } {
        return Ok(Err(malformed(format!(
            "its version is {major}, or its header is not whole"
        ))));
    }
    let header = size
        .iter()
        .rev()
        .fold(0, |n, &byte| n << 8 | usize::from(byte));
    if header > HEADER {
        return Ok(Err(malformed(format!(
            "it claims a header of {header} bytes"
        ))));
    }
    let mut text = Vec::new();
    reader.by_ref().take(header as u64).read_to_end(&mut text)?;
    if text.len() < header {
        return Ok(Err(malformed("it ends within its header")));
    }
    let layout = match layout_of(&text, name) {
        Ok(layout) => layout,
        Err(fault) => return Ok(Err(fault)),
    };
    let before = (8 + size.len() + header) as u64;
    let left = length.map(|length| length.saturating_sub(before));
    array::read(reader, name, layout, left, role)
}

/// The contents of a header: a Python dictionary with the type, the order and the shape.
fn layout_of(header: &[u8], array: &str) -> Result<Layout, DataFault> {
    let mut text = Literal(header);
    let (mut descr, mut is_fortran, mut dims) = (None, None, None);
    text.expect(b'{')?;
    while !text.take(b'}') {
        let key = text.string()?;
        text.expect(b':')?;
        match key.as_slice() {
            b"descr" if text.starts_with(b'[') => {
                return Err(DataFault::ArrayType {
                    array: array.to_owned(),
                    dtype: "a structure".to_owned(),
                    needed: NEEDED,
                });
            }
            b"descr" => descr = Some(text.string()?),
            b"fortran_order" => is_fortran = Some(text.truth()?),
            b"shape" => dims = Some(text.dims()?),
            _ => return Err(malformed("its header has an unknown entry")),
        }
        if !text.take(b',') {
            text.expect(b'}')?;
            break;
        }
    }
    let (Some(descr), Some(is_fortran), Some(dims)) = (descr, is_fortran, dims) else {
        return Err(malformed(
            "its header lacks the type, the order or the shape",
        ));
    };
    let (element, is_big_endian) = element_of(&descr, array)?;
    Ok(Layout {
        element,
        is_big_endian,
        is_fortran,
        dims,
    })
}

const NEEDED: &str = "supported are floats of 16, 32 and 64 bits, integers, booleans, and text as \
                      names of classes";

/// The type that NumPy writes as `<f4`, and whether it is big-endian.
fn element_of(descr: &[u8], array: &str) -> Result<(Element, bool), DataFault> {
    let other = || DataFault::ArrayType {
        array: array.to_owned(),
        dtype: String::from_utf8_lossy(descr).chars().take(20).collect(),
        needed: NEEDED,
    };
    let (order, kind, size) = match descr {
        [order @ (b'<' | b'>' | b'|' | b'='), kind, size @ ..] => (*order, *kind, size),
        _ => return Err(other()),
    };
    let size = str::from_utf8(size).ok().and_then(|size| size.parse().ok());
    let element = match (kind, size) {
        (b'O', _) => {
            return Err(DataFault::Pickled {
                array: array.to_owned(),
            });
        }
        (b'b', Some(1)) => Element::Bool,
        (b'u', Some(1)) => Element::U8,
        (b'u', Some(2)) => Element::U16,
        (b'u', Some(4)) => Element::U32,
        (b'u', Some(8)) => Element::U64,
        (b'i', Some(1)) => Element::I8,
        (b'i', Some(2)) => Element::I16,
        (b'i', Some(4)) => Element::I32,
        (b'i', Some(8)) => Element::I64,
        (b'f', Some(2)) => Element::F16,
        (b'f', Some(4)) => Element::F32,
        (b'f', Some(8)) => Element::F64,
        (b'U', Some(characters)) => Element::Text(characters),
        (b'S', Some(bytes)) => Element::Bytes(bytes),
        _ => return Err(other()),
    };
    Ok((element, order == b'>'))
}

/// The rest of a literal of Python's.
struct Literal<'a>(&'a [u8]);

impl Literal<'_> {
    fn starts_with(&mut self, byte: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        self.0.first() == Some(&byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.starts_with(byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), DataFault> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(malformed(format!(
                "its header has no {:?} where one is needed",
                char::from(byte)
            ))),
        }
    }

    fn string(&mut self) -> Result<Vec<u8>, DataFault> {
        let quote = if self.starts_with(b'"') { b'"' } else { b'\'' };
        self.expect(quote)?;
        let end = self.0.iter().position(|&byte| byte == quote);
        let end = end.ok_or_else(|| malformed("a quote in its header is not closed"))?;
        let text = self.0[..end].to_vec();
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, DataFault> {
        self.0 = self.0.trim_ascii_start();
        for (text, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.0.strip_prefix(text) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(malformed("its order is neither True nor False"))
    }

    /// Whole numbers in parentheses. Python 2 puts an L behind them.
    fn dims(&mut self) -> Result<Vec<usize>, DataFault> {
        let mut dims = Vec::new();
        self.expect(b'(')?;
        while !self.take(b')') {
            self.0 = self.0.trim_ascii_start();
            let end = self.0.iter().position(|byte| !byte.is_ascii_digit());
            let (digits, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
            let dim = str::from_utf8(digits).ok().and_then(|dim| dim.parse().ok());
            dims.push(dim.ok_or_else(|| malformed("its shape is not of whole numbers"))?);
            self.0 = rest.strip_prefix(b"L").unwrap_or(rest);
            if dims.len() > 32 {
                return Err(malformed("its shape has more than 32 dimensions"));
            }
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(dims)
    }
}

/// Reads the arrays of the `.npz` archive `path`.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read_archive(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    parse_archive(io::BufReader::with_capacity(1 << 16, file), path, options)
}

/// [`read_archive`] of the bytes of `reader`.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn parse_archive(
    reader: impl Read + Seek,
    path: &Path,
    options: &ReadOptions,
) -> Result<Parts> {
    let broken = |error: ZipError| match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::Other => {
            Error::io("read", path)(error)
        }
        error => fault(path)(DataFault::Malformed {
            format: "NPZ",
            reason: error.to_string(),
        }),
    };
    let mut archive = ZipArchive::new(reader).map_err(broken)?;
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.unwrap_or_default())
        .map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned())
        .collect();
    named::parts(path, &names, options, |name, role| {
        let member = names.iter().position(|own| own == name).unwrap_or_default();
        let file = archive.by_index(member).map_err(broken)?;
        // The member's size in the archive need not be true.
        match parse(file, name, None, role) {
            Ok(read) => read.map_err(fault(path)),
            Err(error) => Err(broken(ZipError::Io(io::Error::new(
                io::ErrorKind::InvalidData,
                error.to_string(),
            )))),
        }
    })
}

/// Reads the arrays in the files `files`, pairs of a name and its `.npy` file.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read_files(
    path: &Path,
    files: &[(String, std::path::PathBuf)],
    options: &ReadOptions,
) -> Result<Parts> {
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    named::parts(path, &names, options, |name, role| {
        let file = files.iter().find(|(own, _)| own == name);
        let file = file.map_or(path, |(_, file)| file);
        read(file, name, role)
    })
}

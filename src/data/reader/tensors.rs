//! Arrays in safetensors files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::Dtype;

use super::array::{self, Element, Layout};
use super::file::{failed, fault};
use super::named;
use super::options::ReadOptions;
use crate::data::raw::Parts;
use crate::error::{DataFault, Error, Result};
use crate::files::safetensors::read_header;

/// Reads the arrays of the file `path`.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read(path: &Path, options: &ReadOptions) -> Result<Parts> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    parse(
        io::BufReader::with_capacity(1 << 16, file),
        length,
        path,
        options,
    )
}

/// [`read`] of the `length` bytes of `reader`.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn parse(
    mut reader: impl Read + Seek,
    length: u64,
    path: &Path,
    options: &ReadOptions,
) -> Result<Parts> {
    let header = read_header(&mut reader, length).map_err(failed(path))?;
    let (header, start) = header.map_err(|reason| {
        fault(path)(DataFault::Malformed {
            format: "safetensors",
            reason: reason.to_string(),
        })
    })?;
    let mut names = header.offset_keys();
    names.sort();
    named::parts(path, &names, options, |name, role| {
        let Some(info) = header.info(name) else {
            return Err(fault(path)(DataFault::MissingArray {
                needed: name.to_owned(),
                found: names.clone(),
            }));
        };
        let layout = Layout {
            element: element(info.dtype).ok_or_else(|| {
                fault(path)(DataFault::ArrayType {
                    array: name.to_owned(),
                    dtype: info.dtype.to_string(),
                    needed: "supported are floats of 16, 32 and 64 bits, integers and booleans",
                })
            })?,
            is_big_endian: false,
            is_fortran: false,
            dims: info.shape.clone(),
        };
        let (begin, end) = info.data_offsets;
        let seek = reader.seek(SeekFrom::Start(start + begin as u64));
        seek.map_err(failed(path))?;
        let length = end.saturating_sub(begin) as u64;
        let read = array::read(
            reader.by_ref().take(length),
            name,
            layout,
            Some(length),
            role,
        );
        read.map_err(failed(path))?.map_err(fault(path))
    })
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::BOOL => Element::Bool,
        Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::U16 => Element::U16,
        Dtype::I16 => Element::I16,
        Dtype::U32 => Element::U32,
        Dtype::I32 => Element::I32,
        Dtype::U64 => Element::U64,
        Dtype::I64 => Element::I64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        _ => return None,
    })
}

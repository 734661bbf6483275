//! Arrays of numbers as files hold them, and samples made of them.

use std::io::{self, Read};
use std::path::Path;

use half::{bf16, f16};

use super::classes::{LARGEST_CLASS, class_indices};
use super::file::{check_memory, fault};
use crate::data::dataset::{Inputs, Targets};
use crate::data::raw::Samples;
use crate::error::{DataFault, Result};

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
    /// Text of this number of characters, of four bytes each; zeros fill it up.
    Text(usize),
    /// Text of this number of bytes; zeros fill it up.
    Bytes(usize),
}

impl Element {
    /// Its size in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Text(characters) => characters.saturating_mul(4),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Text(_) | Self::Bytes(_))
    }
}

/// How an array lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub element: Element,
    pub is_big_endian: bool,
    /// The first dimension varies fastest, as in Fortran.
    pub is_fortran: bool,
    pub dims: Vec<usize>,
}

impl Layout {
    /// The number of elements.
    ///
    /// # Errors
    /// For more bytes than can be counted.
    fn count(&self) -> Result<usize, DataFault> {
        let size = self.element.size().max(1);
        let mut dims = self.dims.iter();
        let bytes = dims.try_fold(size, |product, &dim| product.checked_mul(dim));
        match bytes {
            Some(bytes) => Ok(bytes / size),
            None => Err(DataFault::BeyondMemory {
                needed_mib: u64::MAX >> 20,
                available_mib: crate::memory::available() >> 20,
            }),
        }
    }
}

/// The purpose of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Bytes of images, and numbers.
    Inputs,
    /// Whole numbers, numbers and names.
    Targets,
}

/// The elements of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    Bytes(Vec<u8>),
    Integers(Vec<i64>),
    Floats(Vec<f32>),
    Names(Vec<String>),
}

/// An array in memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub name: String,
    pub dims: Vec<usize>,
    pub elements: Elements,
}

/// Reads the array `name` of `layout`. The input has `length` bytes, if that is known; then memory is
/// taken at once, and otherwise as the bytes come.
///
/// # Errors
/// The outer result is the reader's own error, the inner one describes the fault of the array.
pub fn read(
    mut reader: impl Read,
    name: &str,
    layout: Layout,
    length: Option<u64>,
    role: Role,
) -> io::Result<Result<Array, DataFault>> {
    let prepared = prepare(name, &layout, length, role);
    let count = match prepared {
        Ok(count) => count,
        Err(fault) => return Ok(Err(fault)),
    };
    let known = if length.is_some() { count } else { 0 };
    let element = layout.element;
    let (read, elements) = if element.is_text() {
        let mut names = Vec::with_capacity(known);
        let read = each(&mut reader, count, element.size(), |bytes| {
            names.push(name_of(element, bytes, layout.is_big_endian));
        })?;
        (read, Elements::Names(names))
    } else if role == Role::Inputs && element == Element::U8 && layout.dims.len() > 2 {
        let mut bytes = Vec::with_capacity(known);
        reader.by_ref().take(count as u64).read_to_end(&mut bytes)?;
        (bytes.len(), Elements::Bytes(bytes))
    } else if role == Role::Targets && !element.is_float() {
        let mut integers = Vec::with_capacity(known);
        let read = each(&mut reader, count, element.size(), |bytes| {
            integers.push(integer(element, bytes, layout.is_big_endian));
        })?;
        (read, Elements::Integers(integers))
    } else {
        let mut floats = Vec::with_capacity(known);
        let read = each(&mut reader, count, element.size(), |bytes| {
            floats.push(float(element, bytes, layout.is_big_endian));
        })?;
        (read, Elements::Floats(floats))
    };
    let expected = (count * element.size()) as u64;
    if read < count {
        return Ok(Err(DataFault::Truncated {
            expected,
            found: (read * element.size()) as u64,
            unpacked: length.is_none(),
        }));
    }
    // Compressed data show their length only now.
    if length.is_none() && reader.by_ref().take(1).read_to_end(&mut Vec::new())? > 0 {
        return Ok(Err(DataFault::TooLong {
            expected,
            unpacked: true,
        }));
    }
    let dims = layout.dims;
    let elements = match (layout.is_fortran && dims.len() > 1, elements) {
        (false, elements) => elements,
        (true, Elements::Bytes(all)) => Elements::Bytes(row_major(&all, &dims)),
        (true, Elements::Integers(all)) => Elements::Integers(row_major(&all, &dims)),
        (true, Elements::Floats(all)) => Elements::Floats(row_major(&all, &dims)),
        (true, Elements::Names(all)) => Elements::Names(row_major(&all, &dims)),
    };
    let name = name.to_owned();
    Ok(Ok(Array {
        name,
        dims,
        elements,
    }))
}

/// The number of elements to read.
fn prepare(
    name: &str,
    layout: &Layout,
    length: Option<u64>,
    role: Role,
) -> Result<usize, DataFault> {
    let element = layout.element;
    if element.is_text() && (role == Role::Inputs || layout.dims.len() != 1 || element.size() == 0)
    {
        return Err(DataFault::ArrayType {
            array: name.to_owned(),
            dtype: "text".to_owned(),
            needed: "text is read as the names of classes in an array of one dimension, and inputs \
                     are numbers",
        });
    }
    let count = layout.count()?;
    let bytes = (count as u64).saturating_mul(element.size() as u64);
    if let Some(found) = length.filter(|&found| found != bytes) {
        return Err(match found < bytes {
            true => DataFault::Truncated {
                expected: bytes,
                found,
                unpacked: false,
            },
            false => DataFault::TooLong {
                expected: bytes,
                unpacked: false,
            },
        });
    }
    let kept = match role {
        _ if element.is_text() => element.size() + size_of::<String>(),
        Role::Inputs if element == Element::U8 && layout.dims.len() > 2 => 1,
        Role::Targets if !element.is_float() => size_of::<i64>(),
        _ => size_of::<f32>(),
    };
    let copies = if layout.is_fortran { 2 } else { 1 };
    check_memory((count as u64).saturating_mul((copies * kept) as u64))?;
    Ok(count)
}

/// Calls `f` for each of `count` elements of `size` bytes; returns the number of whole ones that were
/// there.
fn each(
    reader: &mut impl Read,
    count: usize,
    size: usize,
    mut f: impl FnMut(&[u8]),
) -> io::Result<usize> {
    let block = (1 << 16) / size.max(1);
    let block = block.clamp(1, count.max(1)) as u64 * size as u64;
    let mut bytes = Vec::new();
    let mut done = 0;
    while done < count {
        bytes.clear();
        let left = (count - done) as u64 * size as u64;
        reader
            .by_ref()
            .take(block.min(left))
            .read_to_end(&mut bytes)?;
        bytes.chunks_exact(size).for_each(&mut f);
        done += bytes.len() / size;
        if (bytes.len() as u64) < block.min(left) {
            break;
        }
    }
    Ok(done)
}

/// The `N` bytes of a number, little-endian.
fn little<const N: usize>(bytes: &[u8], is_big_endian: bool) -> [u8; N] {
    let mut own = [0; N];
    own.copy_from_slice(&bytes[..N]);
    if is_big_endian {
        own.reverse();
    }
    own
}

fn integer(element: Element, bytes: &[u8], big: bool) -> i64 {
    match element {
        Element::Bool => i64::from(bytes[0] != 0),
        Element::U8 => bytes[0].into(),
        Element::I8 => i8::from_le_bytes([bytes[0]]).into(),
        Element::U16 => u16::from_le_bytes(little(bytes, big)).into(),
        Element::I16 => i16::from_le_bytes(little(bytes, big)).into(),
        Element::U32 => u32::from_le_bytes(little(bytes, big)).into(),
        Element::I32 => i32::from_le_bytes(little(bytes, big)).into(),
        // Larger ones are too large for a class in any case.
        Element::U64 => {
            let number = u64::from_le_bytes(little(bytes, big));
            i64::try_from(number).unwrap_or(i64::MAX)
        }
        Element::I64 => i64::from_le_bytes(little(bytes, big)),
        _ => float(element, bytes, big) as i64,
    }
}

fn float(element: Element, bytes: &[u8], big: bool) -> f32 {
    match element {
        Element::F16 => f16::from_le_bytes(little(bytes, big)).to_f32(),
        Element::Bf16 => bf16::from_le_bytes(little(bytes, big)).to_f32(),
        Element::F32 => f32::from_le_bytes(little(bytes, big)),
        Element::F64 => f64::from_le_bytes(little(bytes, big)) as f32,
        _ => integer(element, bytes, big) as f32,
    }
}

fn name_of(element: Element, bytes: &[u8], big: bool) -> String {
    let text: String = match element {
        Element::Text(_) => bytes
            .chunks_exact(4)
            .map(|bytes| u32::from_le_bytes(little(bytes, big)))
            .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.trim_end_matches('\0').to_owned()
}

/// The elements of an array whose first dimension varies fastest, so that its last one does.
fn row_major<T: Clone>(all: &[T], dims: &[usize]) -> Vec<T> {
    let mut index = vec![0; dims.len()];
    let mut at = 0;
    let mut sorted = Vec::with_capacity(all.len());
    for _ in 0..all.len() {
        sorted.push(all[at].clone());
        // The next index: the last dimension that is not at its end advances, those after it restart.
        let mut stride = all.len();
        for (dim, place) in dims.iter().zip(&mut index).rev() {
            stride /= dim;
            *place += 1;
            at += stride;
            if *place < *dim {
                break;
            }
            at -= *dim * stride;
            *place = 0;
        }
    }
    sorted
}

/// Samples of the array `x` with the targets `y`, and notes about them.
///
/// Of images, (samples, height, width) or with 1 or 3 channels before or behind these two, bytes stay
/// bytes. `y` has classes, (samples) or (samples, 1), or numbers, (samples) or (samples, outputs); names
/// are classes in the order of `class_names` if there are any, and else in alphabetical order.
///
/// # Errors
/// [`Error::Data`](crate::error::Error::Data).
pub fn samples(
    path: &Path,
    x: Array,
    y: Option<Array>,
    class_names: Option<&[String]>,
    notes: &mut Vec<String>,
) -> Result<Samples> {
    let fault = fault(path);
    let (samples, shape, last) = shape_of(&x).map_err(&fault)?;
    if samples == 0 {
        return Err(fault(DataFault::NoSamples));
    }
    let features = shape.iter().product();
    let inputs = match x.elements {
        Elements::Bytes(bytes) => Inputs::Bytes(channels_first(bytes, shape, last)),
        Elements::Floats(floats) => {
            check_finite(&x.name, &floats, features).map_err(&fault)?;
            Inputs::Numbers(channels_first(floats, shape, last))
        }
        // Inputs are read as bytes or floats.
        Elements::Integers(_) | Elements::Names(_) => Inputs::Numbers(Vec::new()),
    };
    let mut names = Vec::new();
    let targets = match y {
        None => None,
        Some(y) => {
            if y.dims.first() != Some(&samples) {
                let found = y.dims.first().copied().unwrap_or_default();
                return Err(fault(DataFault::Disagreement {
                    names: Box::new([x.name, y.name].map(|name| format!("array {name:?}"))),
                    values: Box::new([samples, found].map(|count| format!("{count} samples"))),
                }));
            }
            Some(targets_of(y, class_names, &mut names, notes).map_err(&fault)?)
        }
    };
    Ok(Samples {
        path: path.to_owned(),
        shape,
        inputs,
        targets,
        class_names: names,
    })
}

/// The number of samples, channels, height and width, and whether channels are the last dimension.
fn shape_of(x: &Array) -> Result<(usize, [usize; 3], bool), DataFault> {
    let is_colour = |channels| channels == 1 || channels == 3;
    let found = match x.dims[..] {
        [n] => Some((n, [1, 1, 1], false)),
        [n, width] => Some((n, [1, 1, width], false)),
        [n, height, width] => Some((n, [1, height, width], false)),
        [n, height, width, c] if is_colour(c) => Some((n, [c, height, width], true)),
        [n, c, height, width] if is_colour(c) => Some((n, [c, height, width], false)),
        _ => None,
    };
    found
        .filter(|(n, shape, _)| *n == 0 || !shape.contains(&0))
        .ok_or_else(|| DataFault::ArrayShape {
            array: x.name.clone(),
            shape: x.dims.clone(),
            needed: "inputs are (samples, features), (samples, height, width), or images with 1 or 3 \
                     channels, (samples, height, width, channels) or (samples, channels, height, \
                     width), none of them 0",
        })
}

/// Images whose channels are the first dimension of each.
fn channels_first<T: Copy>(
    all: Vec<T>,
    [channels, height, width]: [usize; 3],
    last: bool,
) -> Vec<T> {
    if !last || channels == 1 {
        return all;
    }
    let mut sorted = Vec::with_capacity(all.len());
    for image in all.chunks_exact(channels * height * width) {
        for channel in 0..channels {
            sorted.extend(image[channel..].iter().step_by(channels));
        }
    }
    sorted
}

fn check_finite(array: &str, floats: &[f32], width: usize) -> Result<(), DataFault> {
    match floats.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => Err(DataFault::NotFinite {
            array: array.to_owned(),
            sample: at / width.max(1),
            position: at % width.max(1),
            value: floats[at].to_string(),
        }),
    }
}

fn targets_of(
    y: Array,
    class_names: Option<&[String]>,
    names: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Result<Targets, DataFault> {
    let width = match y.dims[..] {
        [_] => 1,
        [_, width] if width > 0 => width,
        _ => {
            return Err(DataFault::ArrayShape {
                array: y.name,
                shape: y.dims,
                needed: "targets are (samples) or (samples, outputs)",
            });
        }
    };
    match y.elements {
        Elements::Names(all) => {
            let (known, classes) = class_indices(&all, class_names)?;
            *names = known;
            Ok(Targets::Classes(classes))
        }
        Elements::Integers(all) if width == 1 && all.iter().all(|&class| class >= 0) => {
            let class = |(sample, &class): (usize, &i64)| match u32::try_from(class) {
                Ok(class) if class <= LARGEST_CLASS => Ok(class),
                _ => Err(DataFault::ClassTooLarge {
                    array: y.name.clone(),
                    sample,
                    class: class.unsigned_abs(),
                    largest: LARGEST_CLASS,
                }),
            };
            let classes = all.iter().enumerate().map(class);
            Ok(Targets::Classes(classes.collect::<Result<_, _>>()?))
        }
        Elements::Integers(all) => {
            if width == 1 {
                notes.push(format!(
                    "array {:?} has negative whole numbers, so that its targets are taken as numbers \
                     to predict; classes are numbered from 0",
                    y.name
                ));
            }
            Ok(Targets::Values(all.iter().map(|&x| x as f32).collect()))
        }
        Elements::Floats(all) => {
            check_finite(&y.name, &all, width)?;
            Ok(Targets::Values(all))
        }
        // Only inputs are read as bytes.
        Elements::Bytes(all) => Ok(Targets::Classes(all.into_iter().map(u32::from).collect())),
    }
}

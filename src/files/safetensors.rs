//! The one reader and writer of safetensors files: named arrays and strings.
//!
//! A file is written so that a crash leaves the old file or the new one ([`super::atomic`]), and its contents are
//! not trusted when it is read. One state gives one sequence of bytes: names are in alphabetical order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use safetensors::tensor::{Dtype, Metadata};
use serde_json::{Map, Value, json};

use super::atomic::{AtomicFile, Disk, System};
use crate::error::{CheckpointFault, Error, Result};

/// The largest header that is read, in bytes: that of a preprocessing of a hundred thousand columns. Together
/// with the length of the file it bounds the memory that a malformed file can make the reader allocate.
pub const MAX_HEADER: u64 = 16 << 20;

/// Number of bytes that are written at once.
const BLOCK: usize = 1 << 16;

/// Named arrays and strings. The arrays may be borrowed, so that nothing is copied to be saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<'a> {
    /// Strings by name.
    pub metadata: BTreeMap<String, String>,
    /// Arrays by name.
    pub arrays: BTreeMap<String, Array<'a>>,
}

/// An array: numbers and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<'a> {
    /// The dimensions; none for a single number.
    pub dims: Vec<usize>,
    /// The numbers, row-major.
    pub numbers: Numbers<'a>,
}

/// The numbers of an array, which are kept bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers<'a> {
    /// float32.
    F32(Cow<'a, [f32]>),
    /// float64.
    F64(Cow<'a, [f64]>),
    /// Unsigned integers.
    U64(Cow<'a, [u64]>),
}

impl Numbers<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::U64(_) => Dtype::U64,
        }
    }

    /// The number of numbers.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F64(numbers) => numbers.len(),
            Self::U64(numbers) => numbers.len(),
        }
    }

    /// Whether the array has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

macro_rules! numbers {
    ($($variant:ident $type:ty),+) => {
        $(impl From<Vec<$type>> for Numbers<'_> {
            fn from(numbers: Vec<$type>) -> Self {
                Self::$variant(numbers.into())
            }
        }

        impl<'a> From<&'a [$type]> for Numbers<'a> {
            fn from(numbers: &'a [$type]) -> Self {
                Self::$variant(numbers.into())
            }
        }

        impl<'a> TryFrom<Numbers<'a>> for Vec<$type> {
            type Error = Dtype;

            /// The numbers, or their type if it is a different one.
            fn try_from(numbers: Numbers<'a>) -> std::result::Result<Self, Dtype> {
                match numbers {
                    Numbers::$variant(numbers) => Ok(numbers.into_owned()),
                    other => Err(other.dtype()),
                }
            }
        })+

        /// Hands the numbers to `write` as little-endian bytes, block by block.
        fn write_numbers<E>(
            numbers: &Numbers<'_>,
            write: &mut impl FnMut(&[u8]) -> Result<(), E>,
        ) -> Result<(), E> {
            match numbers {
                $(Numbers::$variant(numbers) => {
                    for block in numbers.chunks(BLOCK / size_of::<$type>()) {
                        let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
                        write(&bytes)?;
                    }
                    Ok(())
                })+
            }
        }

        /// Reads `len` numbers of `dtype`; gives `None` for a type that [`Numbers`] does not have.
        fn read(reader: &mut impl Read, dtype: Dtype, len: usize) -> std::io::Result<Option<Numbers<'static>>> {
            Ok(match dtype {
                $(Dtype::$variant => {
                    let mut numbers = Vec::with_capacity(len);
                    let mut bytes = [0; size_of::<$type>()];
                    for _ in 0..len {
                        reader.read_exact(&mut bytes)?;
                        numbers.push(<$type>::from_le_bytes(bytes));
                    }
                    Some(numbers.into())
                })+
                _ => None,
            })
        }
    };
}
numbers!(F32 f32, F64 f64, U64 u64);

impl<'a> State<'a> {
    /// Adds an array.
    ///
    /// # Panics
    /// If the number of numbers is not the product of `dims`.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        dims: &[usize],
        numbers: impl Into<Numbers<'a>>,
    ) {
        let (dims, numbers) = (dims.to_vec(), numbers.into());
        assert_eq!(dims.iter().product::<usize>(), numbers.len());
        self.arrays.insert(name.into(), Array { dims, numbers });
    }

    /// Removes and returns the array `name`, which must have the shape `dims`.
    ///
    /// # Errors
    /// [`CheckpointFault::MissingTensor`], [`CheckpointFault::Shape`] or
    /// [`CheckpointFault::NumberType`].
    pub fn take<T>(&mut self, name: &str, dims: &[usize]) -> Result<Vec<T>, CheckpointFault>
    where
        Vec<T>: TryFrom<Numbers<'a>, Error = Dtype>,
    {
        let tensor = name.to_owned();
        let Some(array) = self.arrays.remove(name) else {
            let expected = format!("shape {dims:?}");
            return Err(CheckpointFault::MissingTensor { tensor, expected });
        };
        if array.dims != dims {
            return Err(CheckpointFault::Shape {
                tensor,
                expected: dims.to_vec(),
                found: array.dims,
            });
        }
        Vec::try_from(array.numbers).map_err(|found| CheckpointFault::NumberType {
            tensor,
            found: found.to_string(),
        })
    }

    /// The string called `key`.
    ///
    /// # Errors
    /// [`CheckpointFault::MissingMetadata`].
    pub fn text(&self, key: &'static str) -> Result<&str, CheckpointFault> {
        let text = self.metadata.get(key).map(String::as_str);
        text.ok_or(CheckpointFault::MissingMetadata { key })
    }

    /// The string called `key`, converted by `parse`.
    ///
    /// # Errors
    /// [`CheckpointFault::MissingMetadata`]; [`CheckpointFault::Metadata`] if `parse` fails.
    pub fn parse_by<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, CheckpointFault> {
        let value = self.text(key)?;
        parse(value).map_err(|e| CheckpointFault::Metadata {
            key,
            value: value.to_owned(),
            reason: e.to_string(),
        })
    }

    /// The string called `key`, as a value of type `T`.
    ///
    /// # Errors
    /// Those of [`Self::parse_by`].
    pub fn parse<T: FromStr<Err: Display>>(&self, key: &'static str) -> Result<T, CheckpointFault> {
        self.parse_by(key, str::parse)
    }

    /// The string called `key`, as a finite number.
    ///
    /// # Errors
    /// Those of [`Self::parse_by`].
    pub fn finite(&self, key: &'static str) -> Result<f32, CheckpointFault> {
        self.parse_by(key, |value| match value.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err("a finite number is needed"),
        })
    }

    /// The rows and columns of the matrix `name`. Its shape may have `leading` dimensions before these
    /// two, which are skipped.
    ///
    /// # Errors
    /// [`CheckpointFault::MissingTensor`]; [`CheckpointFault::NotAMatrix`] for another number of
    /// dimensions, or if one of the two is 0.
    pub fn matrix(&self, name: &str, leading: usize) -> Result<[usize; 2], CheckpointFault> {
        let tensor = name.to_owned();
        let Some(array) = self.arrays.get(name) else {
            let expected = "a matrix (out, in)".to_owned();
            return Err(CheckpointFault::MissingTensor { tensor, expected });
        };
        match array.dims.get(leading..) {
            Some(&[rows, columns]) if rows > 0 && columns > 0 => Ok([rows, columns]),
            _ => Err(CheckpointFault::NotAMatrix {
                tensor,
                found: array.dims.clone(),
            }),
        }
    }

    /// Writes the state to `path`; see [`super::atomic`] for the files after a failure.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<PathBuf> {
        self.save_on(System, path)
    }

    /// [`Self::save`] on `disk`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save_on<D: Disk>(&self, disk: D, path: &Path) -> Result<PathBuf> {
        let mut file = AtomicFile::create_on(disk, path)?;
        self.write_to(&mut file)?;
        file.commit()
    }

    /// Writes the state's bytes to `file`, which is not committed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_to<D: Disk>(&self, file: &mut AtomicFile<D>) -> Result<()> {
        self.write(&mut |bytes| file.write_all(bytes))
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let Ok(()) = self.write(&mut |bytes| {
            all.extend_from_slice(bytes);
            Ok::<(), Infallible>(())
        });
        all
    }

    /// Hands the bytes of the file to `write`, part by part.
    fn write<E>(&self, write: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let header = self.header();
        write(&(header.len() as u64).to_le_bytes())?;
        write(header.as_bytes())?;
        self.in_order()
            .try_for_each(|(_, array)| write_numbers(&array.numbers, write))
    }

    /// The arrays in the order of the file: eight-byte numbers first, so that all are aligned.
    fn in_order(&self) -> impl Iterator<Item = (&String, &Array<'a>)> {
        let wide = |array: &Array<'_>| array.numbers.dtype().bitsize() == 64;
        let first = self.arrays.iter().filter(move |(_, a)| wide(a));
        first.chain(self.arrays.iter().filter(move |(_, a)| !wide(a)))
    }

    fn header(&self) -> String {
        let mut entries = Map::new();
        entries.insert("__metadata__".to_owned(), json!(self.metadata));
        let mut end = 0;
        for (name, array) in self.in_order() {
            let begin = end;
            end += array.numbers.len() * array.numbers.dtype().bitsize() / 8;
            let entry = json!({
                "dtype": array.numbers.dtype(),
                "shape": array.dims,
                "data_offsets": [begin, end],
            });
            entries.insert(name.clone(), entry);
        }
        let mut header = Value::Object(entries).to_string();
        header.extend(std::iter::repeat_n(
            ' ',
            header.len().next_multiple_of(8) - header.len(),
        ));
        header
    }
}

impl State<'static> {
    /// Reads the state in `path`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] if it is not a safetensors file.
    pub fn load(path: &Path) -> Result<Self> {
        let io = || Error::io("read", path);
        let file = File::open(path).map_err(io())?;
        let found = file.metadata().map_err(io())?;
        if !found.is_file() {
            let reason = std::io::Error::other("it is not a regular file");
            return Err(io()(reason));
        }
        Self::read(BufReader::with_capacity(BLOCK, file), found.len())
            .map_err(io())?
            .map_err(|fault| Error::Checkpoint {
                path: path.to_owned(),
                fault,
            })
    }

    /// Reads the state in the bytes of a file.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, CheckpointFault> {
        let read = Self::read(bytes, bytes.len() as u64);
        read.unwrap_or_else(|e| {
            Err(CheckpointFault::Malformed {
                reason: e.to_string(),
            })
        })
    }

    /// Reads the state in the `len` bytes of `reader`. The memory taken is at most `len` bytes and a
    /// few times [`MAX_HEADER`].
    ///
    /// # Errors
    /// The outer result is the reader's own error, the inner one describes the fault of the bytes.
    pub fn read(mut reader: impl Read, len: u64) -> std::io::Result<Result<Self, CheckpointFault>> {
        let header = match read_header(&mut reader, len)? {
            Ok((header, _)) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let mut state = Self {
            metadata: header
                .metadata()
                .iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            arrays: BTreeMap::new(),
        };
        // In the order of the file, without gaps: parsing the header has checked that.
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else {
                continue;
            };
            let numbers = info.shape.iter().product();
            let Some(numbers) = read(&mut reader, info.dtype, numbers)? else {
                return Ok(Err(CheckpointFault::NumberType {
                    tensor: name,
                    found: info.dtype.to_string(),
                }));
            };
            let dims = info.shape.clone();
            state.arrays.insert(name, Array { dims, numbers });
        }
        Ok(Ok(state))
    }
}

/// Reads the header of the `len` bytes of `reader`, and the position of the first number. The arrays
/// fill the rest of the file without gaps.
///
/// # Errors
/// The outer result is the reader's own error, the inner one describes the fault of the header.
pub fn read_header(
    reader: &mut impl Read,
    len: u64,
) -> std::io::Result<Result<(Metadata, u64), CheckpointFault>> {
    let malformed = |reason: String| Ok(Err(CheckpointFault::Malformed { reason }));
    let mut header_len = [0; 8];
    if len < 8 {
        return malformed(format!(
            "{len} bytes are fewer than the 8 of a header's length"
        ));
    }
    reader.read_exact(&mut header_len)?;
    let header_len = u64::from_le_bytes(header_len);
    if header_len > MAX_HEADER.min(len - 8) {
        return malformed(format!("it claims a header of {header_len} bytes"));
    }
    let mut header = vec![0; header_len as usize];
    reader.read_exact(&mut header)?;
    let header: Metadata = match serde_json::from_slice(&header) {
        Ok(header) => header,
        Err(e) => return malformed(e.to_string()),
    };
    let data = header.data_len() as u64;
    if data != len - 8 - header_len {
        let found = len - 8 - header_len;
        return malformed(format!(
            "its header describes {data} bytes of numbers, not {found}"
        ));
    }
    Ok(Ok((header, 8 + header_len)))
}

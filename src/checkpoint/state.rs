//! The state of a run as a file: named arrays and strings, written so that a crash leaves the old
//! file or the new one, and read without trust.
//!
//! The format is safetensors, which other programs read. What a run keeps is up to the run; see
//! [`super::Run`] for the networks' own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};
use serde_json::{Map, Value, json};

use crate::error::{CheckpointFault, Error, Result};
use crate::files::atomic::{AtomicFile, Disk, System};

/// The largest header that is read: names and shapes of ten thousand tensors. It bounds what is
/// allocated for a file that claims more.
pub const MAX_HEADER: u64 = 1 << 20;

/// Bytes that are written at once.
const BLOCK: usize = 1 << 16;

/// Named arrays and strings; the arrays may be those of the run itself, so that nothing is copied to
/// be saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<'a> {
    /// Strings by name.
    pub metadata: BTreeMap<String, String>,
    /// Arrays by name.
    pub arrays: BTreeMap<String, Array<'a>>,
}

/// An array: row-major numbers and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<'a> {
    /// Its dimensions; none for a single number.
    pub dims: Vec<usize>,
    /// Its numbers.
    pub numbers: Numbers<'a>,
}

/// The numbers of an array, kept to the bit.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F64(numbers) => numbers.len(),
            Self::U64(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
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

            /// The numbers, or the type that they have instead.
            fn try_from(numbers: Numbers<'a>) -> std::result::Result<Self, Dtype> {
                match numbers {
                    Numbers::$variant(numbers) => Ok(numbers.into_owned()),
                    other => Err(other.dtype()),
                }
            }
        })+

        /// Writes the numbers' bytes, little-endian, block by block.
        fn write<D: Disk>(file: &mut AtomicFile<D>, numbers: &Numbers<'_>) -> Result<()> {
            match numbers {
                $(Numbers::$variant(numbers) => {
                    for block in numbers.chunks(BLOCK / size_of::<$type>()) {
                        let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
                        file.write_all(&bytes)?;
                    }
                    Ok(())
                })+
            }
        }

        /// Reads `len` numbers of `dtype`; none if it is no type of [`Numbers`].
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
    /// If there are not as many numbers as `dims` say.
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

    /// Takes the array `name` out, which must have the shape `dims`.
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

    /// The string called `key`, as a value of another type.
    ///
    /// # Errors
    /// [`CheckpointFault::MissingMetadata`] or [`CheckpointFault::Metadata`].
    pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        key: &'static str,
    ) -> Result<T, CheckpointFault> {
        let value = self.text(key)?;
        value
            .parse()
            .map_err(|e: T::Err| CheckpointFault::Metadata {
                key,
                value: value.to_owned(),
                reason: e.to_string(),
            })
    }

    /// Writes the state to `path`; see [`crate::files::atomic`] for what a failure leaves behind.
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
        let header = self.header();
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for (_, array) in self.in_order() {
            write(&mut file, &array.numbers)?;
        }
        file.commit()
    }

    /// The arrays as the file has them: those of eight-byte numbers first, so that all are aligned.
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
    /// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] if it is no such file.
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

    /// Reads the state in the `len` bytes of `reader`. No more memory is taken than the bytes there
    /// are, and [`MAX_HEADER`] a few times over.
    ///
    /// # Errors
    /// The outer result is the reader's own error, the inner one what is wrong with the bytes.
    pub fn read(mut reader: impl Read, len: u64) -> std::io::Result<Result<Self, CheckpointFault>> {
        let malformed = |reason: String| Ok(Err(CheckpointFault::Malformed { reason }));
        let mut header_len = [0; 8];
        if len < 8 {
            return malformed(format!("{len} bytes are too few"));
        }
        reader.read_exact(&mut header_len)?;
        let header_len = u64::from_le_bytes(header_len);
        if header_len > MAX_HEADER.min(len - 8) {
            return malformed(format!("its header is said to have {header_len} bytes"));
        }
        let mut header = vec![0; header_len as usize];
        reader.read_exact(&mut header)?;
        let header: Metadata = match serde_json::from_slice(&header) {
            Ok(header) => header,
            Err(e) => return malformed(e.to_string()),
        };
        let data = header.data_len() as u64;
        if data != len - 8 - header_len {
            return malformed(format!("its header is of {data} bytes of numbers"));
        }
        let mut state = Self {
            metadata: header
                .metadata()
                .iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            arrays: BTreeMap::new(),
        };
        // In the order of the file, without gaps: the header was checked for that.
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

//! Files, plain or compressed with gzip.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{DataFault, Error, Result};
use crate::memory;

/// The bytes of a file, decompressed if its name ends in `.gz`.
pub struct Input {
    reader: Box<dyn Read + Send>,
    /// The number of bytes; unknown for a compressed file.
    pub length: Option<u64>,
}

impl Input {
    /// Opens the file `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        Ok(match is_gz(path) {
            true => Self {
                reader: Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
                    1 << 16,
                    file,
                ))),
                length: None,
            },
            false => Self {
                reader: Box::new(file),
                length: metadata.is_file().then_some(metadata.len()),
            },
        })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// Whether the name of the file says that it is compressed.
pub fn is_gz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// The name of the file in lower case, without `.gz`.
pub fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

/// The error for a failed read of `path`: a damaged archive, or a fault of the system.
pub fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData
            if is_gz(path) =>
        {
            fault(path)(DataFault::Gzip {
                reason: match error.kind() {
                    ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
                    _ => error.to_string(),
                },
            })
        }
        _ => Error::io("read", path)(error),
    }
}

/// Names the file of a fault.
pub fn fault(path: &Path) -> impl Fn(DataFault) -> Error {
    move |fault| Error::Data {
        path: path.to_owned(),
        fault,
    }
}

/// Fails if data of `bytes` do not fit into memory.
///
/// # Errors
/// [`DataFault::BeyondMemory`].
pub fn check_memory(bytes: u64) -> Result<(), DataFault> {
    // Querying the free memory takes longer than reading a small file.
    if bytes < 64 << 20 {
        return Ok(());
    }
    let available = memory::available();
    match bytes <= available {
        true => Ok(()),
        false => Err(DataFault::BeyondMemory {
            needed_mib: bytes >> 20,
            available_mib: available >> 20,
        }),
    }
}

/// The contents of `folder`, sorted by name; names that start with a dot are left out.
///
/// # Errors
/// [`Error::Io`].
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io("read folder", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("read folder", folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

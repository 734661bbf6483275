//! The IDX format of MNIST: a big-endian header (magic, number of samples, for images height and
//! width), then one byte for each pixel or label.
//!
//! The header is compared with the released file's before anything is allocated, and at most one byte
//! beyond the expected size is read or decompressed. A gzip file may have several members (RFC 1952).

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::source::{self, DataFile, Part, Source};
use crate::error::{DataFault, Error, Result};

/// Height and width of every image.
pub const IMAGE: [usize; 2] = [28, 28];
/// Number of classes.
pub const CLASSES: u8 = 10;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// The pixels or labels of a file.
pub struct Contents {
    /// The pixels, (samples, height × width) row-major, or the labels, (samples).
    pub bytes: Vec<u8>,
    /// Whether they are those of the released file, independent of the compression.
    pub released: bool,
}

/// Reads a file of `source`, plain or (if its name ends in `.gz`) compressed, and checks its format.
///
/// The contents may differ from the released ones, unless they are those of a different data set.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read_file(path: &Path, source: Source, file: &DataFile) -> Result<Contents> {
    let reader = BufReader::with_capacity(1 << 16, open(path)?);
    let fault = |fault| Error::Data {
        path: path.to_owned(),
        fault,
    };
    let (bytes, sha256) = parse_hashed(reader, is_gz(path), file.part, file.samples)
        .map_err(Error::io("read", path))?
        .map_err(fault)?;
    match source::owner(&sha256) {
        Some(owner) if owner != source => Err(fault(DataFault::OtherDataset {
            wanted: source.name(),
            found: owner.name(),
        })),
        _ => Ok(Contents {
            bytes,
            released: sha256 == file.sha256,
        }),
    }
}

fn is_gz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(Error::io("read", path))
}

/// Reads `samples` images (as pixels, (samples, height × width) row-major) or labels, (samples),
/// from IDX bytes, gzip-compressed if `is_gz`. The memory taken depends on `samples` only, not on the
/// header.
///
/// # Errors
/// The outer result is the reader's own error, the inner one describes the fault of the bytes.
pub fn parse(
    reader: impl BufRead,
    is_gz: bool,
    part: Part,
    samples: u32,
) -> io::Result<Result<Vec<u8>, DataFault>> {
    let parsed = parse_hashed(reader, is_gz, part, samples)?;
    Ok(parsed.map(|(bytes, _)| bytes))
}

/// [`parse`], with the sha256 of the whole uncompressed file.
fn parse_hashed(
    mut reader: impl BufRead,
    is_gz: bool,
    part: Part,
    samples: u32,
) -> io::Result<Result<(Vec<u8>, String), DataFault>> {
    if reader.fill_buf()?.is_empty() {
        return Ok(Err(DataFault::Empty));
    }
    if !is_gz {
        return parse_plain(reader, part, samples, false);
    }
    match parse_plain(MultiGzDecoder::new(reader), part, samples, true) {
        Err(error) => match error.kind() {
            ErrorKind::UnexpectedEof => Ok(Err(DataFault::Gzip {
                reason: "it ends too early".to_owned(),
            })),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => Ok(Err(DataFault::Gzip {
                reason: error.to_string(),
            })),
            _ => Err(error),
        },
        parsed => parsed,
    }
}

fn parse_plain(
    reader: impl Read,
    part: Part,
    samples: u32,
    unpacked: bool,
) -> io::Result<Result<(Vec<u8>, String), DataFault>> {
    let mut reader = Hashed::new(reader);
    let (magic, header_bytes, sample_bytes) = match part {
        Part::Images => (IMAGES_MAGIC, 16, IMAGE[0] * IMAGE[1]),
        Part::Labels => (LABELS_MAGIC, 8, 1),
    };
    let body_bytes = samples as usize * sample_bytes;
    let expected = (header_bytes + body_bytes) as u64;
    let truncated = |found: usize| DataFault::Truncated {
        expected,
        found: found as u64,
        unpacked,
    };

    let mut header = Vec::with_capacity(header_bytes);
    (&mut reader)
        .take(header_bytes as u64)
        .read_to_end(&mut header)?;
    let mut fields = header.chunks_exact(4).map(|field| {
        let field = field.try_into().expect("chunks of 4 bytes");
        u32::from_be_bytes(field)
    });
    // Fields are checked in order; a missing field means that the file is truncated.
    let mut field = || fields.next().ok_or_else(|| truncated(header.len()));
    let checked = (|| {
        match field()? {
            found if found != magic => {
                let expected = magic;
                return Err(DataFault::Magic { expected, found });
            }
            _ => {}
        }
        match field()? {
            found if found != samples => {
                let expected = samples;
                return Err(DataFault::Count { expected, found });
            }
            _ => {}
        }
        if part == Part::Images {
            let expected = IMAGE.map(|pixels| pixels as u32);
            let found = [field()?, field()?];
            if found != expected {
                return Err(DataFault::ImageSize { expected, found });
            }
        }
        Ok(())
    })();
    if let Err(fault) = checked {
        return Ok(Err(fault));
    }

    let mut body = Vec::with_capacity(body_bytes + 1);
    (&mut reader)
        .take(body_bytes as u64 + 1)
        .read_to_end(&mut body)?;
    if body.len() < body_bytes {
        return Ok(Err(truncated(header_bytes + body.len())));
    }
    if body.len() > body_bytes {
        return Ok(Err(DataFault::TooLong { expected, unpacked }));
    }
    if part == Part::Labels
        && let Some(sample) = body.iter().position(|&label| label >= CLASSES)
    {
        return Ok(Err(DataFault::Label {
            sample,
            label: body[sample],
            classes: CLASSES,
        }));
    }
    Ok(Ok((body, reader.sha256())))
}

/// More than the size of any uncompressed file in bytes.
const LARGEST: u64 = 1 << 26;

/// The data set that has a file with the contents of this one. A damaged file belongs to none.
///
/// # Errors
/// [`Error::Io`].
pub fn owner_of(path: &Path) -> Result<Option<Source>> {
    let file = BufReader::with_capacity(1 << 16, open(path)?);
    let sha256 = match is_gz(path) {
        true => sha256_of(MultiGzDecoder::new(file)),
        false => sha256_of(file),
    };
    match sha256 {
        Ok(sha256) => Ok(source::owner(&sha256)),
        Err(_) if is_gz(path) => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn sha256_of(reader: impl Read) -> io::Result<String> {
    let mut reader = Hashed::new(reader.take(LARGEST));
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.sha256())
}

/// A reader that computes the sha256 of the bytes read through it.
pub struct Hashed<R> {
    reader: R,
    sha256: Sha256,
}

impl<R: Read> Hashed<R> {
    /// Reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            sha256: Sha256::new(),
        }
    }

    /// The sha256 of the bytes read so far, in hexadecimal digits.
    pub fn sha256(self) -> String {
        hex(&self.sha256.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        Ok(count)
    }
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The IDX format of MNIST: a big-endian header (magic, number of samples, for images height and
//! width), then one byte for each pixel or label.
//!
//! The header is compared with the released file's before anything is allocated, and at most one byte
//! beyond the expected size is read or decompressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};

use super::source::{self, DataFile, Part, Source};
use crate::error::{DataFault, Error, Result};

/// Height and width of every image.
pub const IMAGE: [usize; 2] = [28, 28];
/// Number of classes.
pub const CLASSES: u8 = 10;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Reads a file of `source`, plain or (if its name ends in `.gz`) compressed, and checks it: first its
/// format, so that an error names the fault, then its checksum. Returns the pixels,
/// (samples, height × width) row-major, or the labels, (samples).
///
/// A plain file may differ from the released one, unless it belongs to a different data set.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn read_file(path: &Path, source: Source, file: &DataFile) -> Result<Vec<u8>> {
    let is_gz = path.extension().is_some_and(|extension| extension == "gz");
    let opened = File::open(path).map_err(Error::io("read", path))?;
    let mut reader = BufReader::with_capacity(1 << 16, Hashed::new(opened));
    let fault = |fault| Error::Data {
        path: path.to_owned(),
        fault,
    };
    let bytes = parse(&mut reader, is_gz, file.part, file.samples)
        .map_err(Error::io("read", path))?
        .map_err(fault)?;
    // Bytes after the compressed stream count towards the checksum.
    io::copy(&mut reader, &mut io::sink()).map_err(Error::io("read", path))?;
    let found = reader.into_inner().sha256();
    match source::owner(&found) {
        Some(owner) if owner != source => Err(fault(DataFault::OtherDataset {
            wanted: source.name(),
            found: owner.name(),
        })),
        _ if is_gz && found != file.gz_sha256 => Err(fault(DataFault::Checksum {
            expected: file.gz_sha256,
            found,
        })),
        _ => Ok(bytes),
    }
}

/// Reads `samples` images (as pixels, (samples, height × width) row-major) or labels, (samples),
/// from IDX bytes, gzip-compressed if `is_gz`. The memory taken depends on `samples` only, not on the
/// header.
///
/// # Errors
/// The outer result is the reader's own error, the inner one what is wrong with the bytes.
pub fn parse(
    mut reader: impl BufRead,
    is_gz: bool,
    part: Part,
    samples: u32,
) -> io::Result<Result<Vec<u8>, DataFault>> {
    if reader.fill_buf()?.is_empty() {
        return Ok(Err(DataFault::Empty));
    }
    if !is_gz {
        return parse_plain(reader, part, samples, false);
    }
    match parse_plain(GzDecoder::new(reader), part, samples, true) {
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
    mut reader: impl Read,
    part: Part,
    samples: u32,
    unpacked: bool,
) -> io::Result<Result<Vec<u8>, DataFault>> {
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
    reader.take(body_bytes as u64 + 1).read_to_end(&mut body)?;
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
    Ok(Ok(body))
}

/// The sha256 of a file, in hexadecimal digits.
///
/// # Errors
/// [`Error::Io`].
pub fn sha256_of(path: &Path) -> Result<String> {
    let mut reader = Hashed::new(File::open(path).map_err(Error::io("read", path))?);
    io::copy(&mut reader, &mut io::sink()).map_err(Error::io("read", path))?;
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

//! What can be wrong with a data file, and with its download.

use std::path::PathBuf;
use std::time::Duration;

use super::prepare::PrepareFault;

/// What is wrong with a data file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataFault {
    /// The file has no bytes.
    #[error("it is empty")]
    Empty,
    /// The file ends too early.
    #[error("it is truncated: {found} bytes of {expected}{}", unpacked_note(*.unpacked))]
    Truncated {
        /// The size of header and samples in bytes.
        expected: u64,
        /// The size of the file in bytes.
        found: u64,
        /// Whether these are counted after gzip's decompression.
        unpacked: bool,
    },
    /// There are more bytes after the last sample.
    #[error("it is longer than the {expected} bytes of its samples{}", unpacked_note(*.unpacked))]
    TooLong {
        /// The size of header and samples in bytes.
        expected: u64,
        /// Whether these are counted after gzip's decompression.
        unpacked: bool,
    },
    /// The first four bytes are not those of an IDX file of this kind.
    #[error(
        "it starts with {found:#010x}, where IDX files of this kind start with {expected:#010x}"
    )]
    Magic {
        /// The right number.
        expected: u32,
        /// The number found, big-endian.
        found: u32,
    },
    /// Another number of samples.
    #[error("its header says {found} samples, where {expected} are needed")]
    Count {
        /// The number of samples that this file has as released.
        expected: u32,
        /// The number in the header.
        found: u32,
    },
    /// Images of another size.
    #[error("its images are {}×{} pixels, where {}×{} are needed", found[0], found[1], expected[0], expected[1])]
    ImageSize {
        /// Height and width needed.
        expected: [u32; 2],
        /// Height and width in the header.
        found: [u32; 2],
    },
    /// A label that is not a class.
    #[error("sample {sample} has label {label}; labels go from 0 to {}", classes - 1)]
    Label {
        /// The position of the sample.
        sample: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: u8,
    },
    /// The size is not a whole number of CIFAR-10's records.
    #[error("its {bytes} bytes are not a whole number of records of {record} bytes")]
    Records {
        /// The size of the file in bytes.
        bytes: u64,
        /// Bytes of a record: a label and the pixels.
        record: u64,
    },
    /// A file that the archive should hold is not in it.
    #[error("it does not contain {name}")]
    MissingMember {
        /// The file's name.
        name: &'static str,
    },
    /// The decompression failed.
    #[error("it is not a complete gzip file ({reason})")]
    Gzip {
        /// The decompressor's own words.
        reason: String,
    },
    /// A file where a folder is needed.
    #[error(
        "it is a file, and `data_dir` is the folder that has the files, which may be {}",
        folder.display()
    )]
    NotAFolder {
        /// The folder that the file is in.
        folder: PathBuf,
    },
    /// CIFAR-10's Python version.
    #[error(
        "this is CIFAR-10's Python version, and only the binary version is read: put {archive} \
         beside it, or name another `dataset`"
    )]
    PythonVersion {
        /// The address of the binary version.
        archive: String,
    },
    /// A different data set, whose files have the same names.
    #[error(
        "this is {found}, where {wanted} was asked for; use `dataset` {found} or another `data_dir`"
    )]
    OtherDataset {
        /// The data set asked for.
        wanted: &'static str,
        /// The data set that is there.
        found: &'static str,
    },
    /// Samples that cannot be prepared for a network.
    #[error(transparent)]
    Prepare(#[from] PrepareFault),
}

fn unpacked_note(unpacked: bool) -> &'static str {
    if unpacked { " (decompressed)" } else { "" }
}

/// Why a mirror was abandoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorFailure {
    /// The address of the file asked for.
    pub url: String,
    /// What went wrong.
    pub fault: DownloadFault,
}

/// What went wrong with a download.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadFault {
    /// The crate was built without its feature `download`.
    #[error("this program was built without the cargo feature download")]
    NotBuilt,
    /// The server answered with an error.
    #[error("it answered with HTTP status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The server did not answer, or stopped in the middle.
    #[error("no answer within {} s", .patience.as_secs_f32())]
    TimedOut {
        /// How long the program waited.
        patience: Duration,
    },
    /// The server sends too slowly.
    #[error("it sends less than 4 KiB a second")]
    TooSlow,
    /// The server cannot be reached, or the connection broke.
    #[error("{reason}")]
    Connection {
        /// The system's own words.
        reason: String,
    },
    /// The file is not as long as it should be.
    #[error("it sent {} {expected} bytes", if *.longer { "more than the file's" } else { "fewer than the file's" })]
    Size {
        /// The right number of bytes.
        expected: u64,
        /// Whether there were more.
        longer: bool,
    },
    /// The server sent a different file.
    #[error("the file it sent has sha256 {found}, not {expected}")]
    Checksum {
        /// The right one, in hexadecimal digits.
        expected: &'static str,
        /// The sha256 of the file sent.
        found: String,
    },
}

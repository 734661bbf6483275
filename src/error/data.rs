//! Faults of data files, and of their downloads.

use std::path::PathBuf;
use std::time::Duration;

use super::prepare::PrepareFault;

/// A fault of a data file.
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
    /// A wrong number of samples.
    #[error(
        "its header says {found} samples, where {expected} are needed{}",
        OWN_DATA
    )]
    Count {
        /// The number of samples that this file has as released.
        expected: u32,
        /// The number in the header.
        found: u32,
    },
    /// Images of a wrong size.
    #[error(
        "its images are {}×{} pixels, where {}×{} are needed{}",
        found[0], found[1], expected[0], expected[1], OWN_DATA
    )]
    ImageSize {
        /// Height and width needed.
        expected: [u32; 2],
        /// Height and width in the header.
        found: [u32; 2],
    },
    /// A label that is not a class of the named data set.
    #[error("sample {sample} has label {label}; labels go from 0 to {}{}", classes - 1, OWN_DATA)]
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
        /// The data set that was found.
        found: &'static str,
    },
    /// Samples that cannot be prepared for a network.
    #[error(transparent)]
    Prepare(#[from] PrepareFault),

    /// The table or the arrays have no samples.
    #[error("it has no samples")]
    NoSamples,
    /// A row of a table with too few or too many cells.
    #[error(
        "line {line} has {found} cells, where the header has {expected}: correct the line, or put \
         quotes around cells that contain the delimiter {delimiter:?}"
    )]
    Ragged {
        /// The line of the file on which the row starts, from 1.
        line: u64,
        /// Cells of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
        /// The delimiter of cells.
        delimiter: char,
    },
    /// A quote that opens a cell and is never closed.
    #[error("line {line} has a quote that is not closed up to the end of the file: close it")]
    OpenQuote {
        /// The line of the quote, from 1.
        line: u64,
    },
    /// Text that is not UTF-8.
    #[error("line {line} is not UTF-8 text: save the file as UTF-8")]
    NotUtf8 {
        /// The line, from 1.
        line: u64,
    },
    /// The first row has numbers instead of names.
    #[error(
        "its first row has numbers ({row}), where a table starts with the names of its columns: put a \
         row with names first"
    )]
    NoHeader {
        /// The start of the row.
        row: String,
    },
    /// A column without a name.
    #[error("column {column} has no name in the header: give it one, or delete the column")]
    UnnamedColumn {
        /// The position of the column, from 1.
        column: usize,
    },
    /// Two columns with one name.
    #[error("columns {} and {} are both called {name:?}: rename one of them", columns[0], columns[1])]
    DuplicateColumn {
        /// The name.
        name: String,
        /// The positions of the columns, from 1.
        columns: [usize; 2],
    },
    /// Columns that are needed and missing.
    #[error("it has no column {}; its columns are {}", list(names), list(known))]
    MissingColumns {
        /// The columns that are needed.
        names: Vec<String>,
        /// The columns that exist.
        known: Vec<String>,
    },
    /// An infinite number in a table.
    #[error(
        "line {line}, column {column:?}: {value} is not a finite number: correct it, or leave the \
         cell empty, which marks it as missing"
    )]
    InfiniteCell {
        /// The line on which the row starts, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The text of the cell.
        value: String,
    },
    /// Text in a column that holds numbers in the training data.
    #[error(
        "line {line}, column {column:?}: {value:?} is not a number, and the training data have \
         numbers in this column: correct it, or leave the cell empty, which marks it as missing"
    )]
    NotANumber {
        /// The line on which the row starts, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The text of the cell.
        value: String,
    },
    /// The bytes are not those of the format.
    #[error("it is not a valid {format} file: {reason}")]
    Malformed {
        /// The format: "NPY", "IDX".
        format: &'static str,
        /// The fault.
        reason: String,
    },
    /// An array that is needed and missing.
    #[error("it has no array {needed}; {}", found_arrays(found))]
    MissingArray {
        /// The names that are accepted.
        needed: String,
        /// The names that exist.
        found: Vec<String>,
    },
    /// An array of Python objects.
    #[error(
        "array {array:?} holds pickled Python objects, which are not read since they can run code: \
         save it with a number type, such as array.astype(\"float32\")"
    )]
    Pickled {
        /// The array.
        array: String,
    },
    /// An array of a type that is not read.
    #[error("array {array:?} has the type {dtype}; {needed}")]
    ArrayType {
        /// The array.
        array: String,
        /// Its type.
        dtype: String,
        /// The types that can be read.
        needed: &'static str,
    },
    /// An array of a shape that is not read.
    #[error("array {array:?} has the shape {shape:?}; {needed}")]
    ArrayShape {
        /// The array.
        array: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The shapes that can be read.
        needed: &'static str,
    },
    /// Inputs and targets of different numbers of samples, or parts of different shapes.
    #[error("{} has {}, where {} has {}", names[0], values[0], names[1], values[1])]
    Disagreement {
        /// The two arrays or files.
        names: Box<[String; 2]>,
        /// Their contents: "3 samples".
        values: Box<[String; 2]>,
    },
    /// A number of an array that is not finite.
    #[error(
        "array {array:?}, sample {sample}, number {position} (both from 0): {value} is not finite as \
         a 32-bit float: remove or replace it"
    )]
    NotFinite {
        /// The array.
        array: String,
        /// The sample, from 0.
        sample: usize,
        /// The number within the sample, from 0.
        position: usize,
        /// The number.
        value: String,
    },
    /// A whole number that cannot be a class.
    #[error(
        "array {array:?} has the class {class} at sample {sample} (from 0); classes are numbered from \
         0 to {largest}: renumber them, or store numbers to predict as floats"
    )]
    ClassTooLarge {
        /// The array.
        array: String,
        /// The sample, from 0.
        sample: usize,
        /// The class.
        class: u64,
        /// The largest allowed.
        largest: u32,
    },
    /// The data do not fit into memory.
    #[error(
        "it needs {needed_mib} MiB of memory, and {available_mib} MiB are free: use a part of it, or \
         a smaller type of numbers"
    )]
    BeyondMemory {
        /// The size of the data in memory.
        needed_mib: u64,
        /// The memory that is free.
        available_mib: u64,
    },
    /// A file or folder of no known form.
    #[error("{reason}; supported are: {}", known)]
    UnknownForm {
        /// A description of the file or folder.
        reason: String,
        /// The forms that are read.
        known: &'static str,
    },
    /// A broken image.
    #[error("{reason}; `skip_broken` leaves such images out")]
    BrokenImage {
        /// The fault.
        reason: String,
    },
    /// Images of different sizes.
    #[error(
        "it is {}×{} pixels (height × width), where {} is {}×{}: give the size to which images are \
         scaled with `image_size`",
        sizes[0][0], sizes[0][1], other.display(), sizes[1][0], sizes[1][1]
    )]
    MixedSizes {
        /// The other image.
        other: PathBuf,
        /// Height and width of this image and of the other.
        sizes: [[usize; 2]; 2],
    },
    /// A folder of a class without images.
    #[error("it is the folder of a class and has no PNG or JPEG file: delete it, or add images")]
    EmptyClass,
    /// A class that the training data do not have.
    #[error("{name:?} is no class of the training data, which are {}", list(known))]
    UnknownClass {
        /// The class.
        name: String,
        /// The classes of the training data.
        known: Vec<String>,
    },
}

/// Where a file is well-formed, and only not that of the named data set.
const OWN_DATA: &str =
    "; data of your own, of any size and number of classes, are read with `data`";

/// Names in quotes, at most ten.
fn list(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(10).map(|n| format!("{n:?}")).collect();
    if names.len() > shown.len() {
        shown.push(format!("{} more", names.len() - shown.len()));
    }
    shown.join(", ")
}

fn found_arrays(found: &[String]) -> String {
    match found {
        [] => "it has none at all".to_owned(),
        _ => format!("it has {}", list(found)),
    }
}

fn unpacked_note(unpacked: bool) -> &'static str {
    if unpacked { " (decompressed)" } else { "" }
}

/// Why a mirror was abandoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorFailure {
    /// The address of the file asked for.
    pub url: String,
    /// The fault.
    pub fault: DownloadFault,
}

/// A fault of a download.
#[doc(hidden)]
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
        /// The time that the program waited.
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

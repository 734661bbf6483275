//! Event files for TensorBoard: scalars by step.
//!
//! A file is a sequence of records (TFRecord), each with a length, its checksum, a protobuf message
//! `Event` and its checksum. The file is only appended to. If a crash cuts off the last record,
//! TensorBoard still reads the earlier ones.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::error::{Error, Result};

/// The beginning of the names of event files; the time in seconds follows.
const PREFIX: &str = "events.out.tfevents.";

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Number", tags = "2")]
    number: Option<Number>,
}

/// A oneof, so that zeros are written too.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum Number {
    #[prost(float, tag = "2")]
    SimpleValue(f32),
}

/// `tensorflow.SessionLog`.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1 is START.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// An event file being written.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Creates a file in `folder` for the steps from `first` on. The folder is created if it does not
    /// exist. TensorBoard ignores these steps in earlier files of the folder, so that a run that was
    /// killed and resumed is shown as one run.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(folder: &Path, first: u32) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        // TensorBoard reads the files of a folder in the order of their names; the clock may have been
        // set back since the last one.
        let now = since_epoch() as u64;
        let seconds = newest(folder)
            .filter(|&newest| newest > now)
            .map_or(now, |newest| newest.saturating_add(1));
        let mut path = PathBuf::new();
        let mut opened = None;
        for number in 0..1000 {
            path = folder.join(format!("{PREFIX}{seconds:010}.bregman.{number:03}"));
            match File::create_new(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => {
                    opened = Some(other.map_err(Error::io("create", &path))?);
                    break;
                }
            }
        }
        let Some(file) = opened else {
            let reason = std::io::Error::other("a thousand files of this second exist");
            return Err(Error::io("create", path)(reason));
        };
        let mut events = Self { path, file };
        events.write(0, What::FileVersion("brain.Event:2".to_owned()))?;
        events.write(first, What::SessionLog(SessionLog { status: 1 }))?;
        Ok(events)
    }

    /// Adds scalars of a step, by tag.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scalars(
        &mut self,
        step: u32,
        scalars: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<()> {
        let value = scalars.into_iter().map(|(tag, number)| Scalar {
            tag,
            number: Some(Number::SimpleValue(number as f32)),
        });
        let value = value.collect();
        self.write(step, What::Summary(Summary { value }))
    }

    fn write(&mut self, step: u32, what: What) -> Result<()> {
        let event = Event {
            wall_time: since_epoch(),
            step: i64::from(step),
            what: Some(what),
        };
        self.file
            .write_all(&record(&event.encode_to_vec()))
            .map_err(Error::io("write", &self.path))
    }
}

/// The seconds in the name of the last event file in `folder`.
fn newest(folder: &Path) -> Option<u64> {
    let files = fs::read_dir(folder).ok()?.flatten();
    let seconds = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let (seconds, _) = name.strip_prefix(PREFIX)?.split_once('.')?;
        seconds.parse().ok()
    });
    seconds.max()
}

/// A TFRecord.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked(message).to_le_bytes());
    record
}

/// CRC-32C, masked as TFRecord requires.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn since_epoch() -> f64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_framed_as_tensorflow_does() {
        // CRC-32C of the check string, from its definition (RFC 3720).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let framed = record(b"abc");
        assert_eq!(framed.len(), 8 + 4 + 3 + 4);
        assert_eq!(framed[..8], 3u64.to_le_bytes());
        assert_eq!(framed[8..12], masked(&3u64.to_le_bytes()).to_le_bytes());
        assert_eq!(&framed[12..15], b"abc");
    }

    #[test]
    fn a_file_comes_after_those_that_are_there() {
        let folder = tempfile::tempdir().expect("temporary folder");
        // The clock showed the year 2065, and was set back.
        fs::write(
            folder.path().join("events.out.tfevents.3000000000.host"),
            "",
        )
        .expect("write");
        let names = [1, 2, 3].map(|first| {
            let events = Events::create(folder.path(), first).expect("a file");
            events.path.file_name().map(std::ffi::OsStr::to_owned)
        });
        assert!(names.is_sorted() && names[0] != names[1], "{names:?}");
        assert!(names[0] > Some("events.out.tfevents.3000000000.host".into()));
    }

    #[test]
    fn zeros_are_written() {
        let scalar = Scalar {
            tag: "t".to_owned(),
            number: Some(Number::SimpleValue(0.0)),
        };
        assert_eq!(scalar.encode_to_vec(), [10, 1, b't', 21, 0, 0, 0, 0]);
    }
}

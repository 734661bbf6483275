//! The experiments of the paper: options in, rows and pictures out.
//!
//! Nothing here prints or reads a command line. Events are passed to a callback, and
//! another callback is asked whether to stop. The commands of `cli` read options for these modules and print.

pub mod depth;
pub mod spirals;
pub mod stats;
pub mod table2;
pub mod theory;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::files::atomic;

/// Fractions as per cent: mean ± standard deviation, or the mean alone.
fn percent(mean: f64, deviation: Option<f64>) -> String {
    match deviation {
        Some(deviation) => format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation),
        None => format!("{:.2}", 100.0 * mean),
    }
}

/// The machine: its processor's model, the number of its logical processors, and the system.
fn host() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let value = |name: &str| {
            let lines = info.lines().filter_map(|line| line.split_once(':'));
            let mut of_name = lines.filter(|(key, _)| key.trim() == name);
            of_name.next().map(|(_, value)| value.trim().to_owned())
        };
        let (model, family) = (value("model name")?, value("cpu family")?);
        Some(format!("{model} (family {family})"))
    });
    format!(
        "{}, {} logical processors, {} {}",
        model.unwrap_or_else(|| "processor of an unknown model".to_owned()),
        std::thread::available_parallelism().map_or(1, usize::from),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// JSON on several lines.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("numbers and strings serialize")
}

/// Replaces `path` by `value` as JSON; returns the path.
///
/// # Errors
/// [`Error::Io`].
fn write_json(path: &Path, value: &impl Serialize) -> Result<PathBuf> {
    atomic::write(path, (json(value) + "\n").as_bytes())
}

/// An array of results in `path`; empty if there is no such file.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read or holds something else.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    serde_json::from_str(&text).map_err(|error| {
        let reason = format!("it holds no results of this experiment ({error}); move it away");
        Error::io("read", path)(io::Error::other(reason))
    })
}

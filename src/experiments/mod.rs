//! The experiments of the paper: options in, rows and pictures out.
//!
//! Nothing here prints or reads a command line. What happens on the way is told to a callback, and
//! another callback is asked whether to stop. The commands of `cli` are thin faces of these modules.

pub mod depth;
pub mod spirals;
pub mod table2;
pub mod theory;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Result;
use crate::files::atomic;

/// Fractions as per cent: mean ± standard deviation, or the mean alone.
fn percent(mean: f64, deviation: Option<f64>) -> String {
    match deviation {
        Some(deviation) => format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation),
        None => format!("{:.2}", 100.0 * mean),
    }
}

/// JSON on several lines.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("numbers and strings serialize")
}

/// Replaces `path` by `value` as JSON; returns the path.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
fn write_json(path: &Path, value: &impl Serialize) -> Result<PathBuf> {
    atomic::write(path, (json(value) + "\n").as_bytes())
}

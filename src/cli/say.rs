//! Messages on standard error, results on standard output, and numbers as text.

use std::io::{self, Write};
use std::time::Duration;

use super::args::{flags, message};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::train::{mean, present, standard_deviation};

/// Prints a line to standard error. A closed pipe is ignored.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints an error to standard error.
pub fn say_error(error: &Error) {
    say(format_args!("error: {}", message(error)));
}

/// Prints an error that does not end the command to standard error.
pub fn warn(error: &Error) {
    say(format_args!("warning: {}", message(error)));
}

/// Prints a warning of the library to standard error.
pub fn say_warning(warning: &str) {
    say(format_args!("warning: {}", flags(warning)));
}

/// Says which device was chosen and why, and what to beware of.
pub fn announce_device(device: &Device) {
    say(format_args!("device: {}", device.description));
    if let Some(warning) = &device.warning {
        say_warning(warning);
    }
}

/// Prints a note for the user to standard error.
pub fn note(text: &str) {
    say(format_args!("note: {}", flags(text)));
}

/// Writes to standard output. A closed pipe (`| head`) is not an error.
///
/// # Errors
/// [`Error::Io`] for anything else, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_all(text.as_bytes());
    written(printed.and_then(|()| stdout.flush()))
}

/// The error of writing to standard output, unless it is that of a closed pipe.
///
/// # Errors
/// [`Error::Io`].
pub fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output")(e))
        }
        _ => Ok(()),
    }
}

/// Fractions as a mean in percent, ± the sample standard deviation if there are several. Those that are
/// NaN are left out, and the number of the others is given.
pub fn percent(fractions: &[f64]) -> String {
    let percents: Vec<f64> = fractions.iter().map(|f| 100.0 * f).collect();
    format!(
        "{} %{}",
        mean_and_deviation(&present(&percents), |value| format!("{value:.2}")),
        share_present(&percents)
    )
}

/// A mean, ± the sample standard deviation if there are several values, each as `format` writes it. Values
/// that are NaN are left out, and the number of the others is given.
pub fn with_deviation(values: &[f64], format: impl Fn(f64) -> String) -> String {
    mean_and_deviation(&present(values), format) + &share_present(values)
}

fn mean_and_deviation(values: &[f64], format: impl Fn(f64) -> String) -> String {
    let mean = format(mean(values));
    match standard_deviation(values) {
        Some(deviation) => format!("{mean} ± {}", format(deviation)),
        None => mean,
    }
}

/// The number of values that are not NaN, unless it is that of all.
fn share_present(values: &[f64]) -> String {
    match (present(values).len(), values.len()) {
        (present, all) if present == all => String::new(),
        (present, all) => format!(" ({present} of {all})"),
    }
}

/// A duration in seconds, or in minutes and seconds.
pub fn duration(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds).as_secs();
    match whole {
        0..60 => format!("{seconds:.1} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

/// An integer with commas between its thousands.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// A number of things: `1 epoch`, `2 epochs`.
pub fn plural(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// Cells as a line of CSV (RFC 4180).
pub fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

//! The command line: options, messages, progress and the commands themselves.

pub mod args;
pub mod say;
pub mod stop;

use std::process::ExitCode;

use crate::error::{Error, Result};
use say::say;

/// How a command ended that met no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did all that was asked.
    Whole,
    /// Ctrl-C or SIGTERM stopped it.
    Stopped,
    /// It ran, and what it checked did not hold.
    Failed,
}

/// The exit code of a command, the same rule for all: 0 for success, 1 for an error or a failed
/// check, 2 for options that cannot work, 130 for a stop. Prints the error.
pub fn exit(result: Result<Ended>) -> ExitCode {
    match result {
        Ok(Ended::Whole) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Ok(Ended::Stopped) => ExitCode::from(stop::STOPPED),
        Err(error) => {
            say(format_args!("error: {error}"));
            match error {
                // As clap's own exit code for usage errors.
                Error::InvalidOption { .. } | Error::UnknownName { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

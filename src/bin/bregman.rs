//! `bregman`: trains, uses and checks Bregman networks. Its commands are in [`bregman::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bregman::cli::bregman()
}

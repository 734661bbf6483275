//! `train_mnist`: `bregman train` as a program of its own. See [`bregman::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bregman::cli::train_mnist()
}

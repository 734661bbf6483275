//! `train_mnist`: `bregman train` as a program of its own. See [`bregman::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: bregman::cli::Allocator = bregman::cli::Allocator;

fn main() -> ExitCode {
    bregman::cli::train_mnist()
}

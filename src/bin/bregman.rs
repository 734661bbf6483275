//! `bregman`: trains, uses and checks Bregman networks. Its commands are in [`bregman::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: bregman::cli::Allocator = bregman::cli::Allocator;

fn main() -> ExitCode {
    bregman::cli::bregman()
}

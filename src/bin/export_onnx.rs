//! Writes a network that train_mnist saved as ONNX.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use bregman::error::Result;
use bregman::{atomic_file, checkpoint, onnx};
use clap::Parser;

/// Write a network that train_mnist saved as ONNX: standard operators alone, a batch of any size.
///
/// The input `pixels` is float32 (batch, features) within [0, 1], the output `logits` float32
/// (batch, classes).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The network, a safetensors file of train_mnist --save
    #[arg(long, value_name = "FILE")]
    load: PathBuf,
    /// The ONNX file [default: FILE.onnx, beside the network]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let (line, code) = match run(&options) {
        Ok(path) => (format!("wrote {}", path.display()), ExitCode::SUCCESS),
        Err(error) => (format!("error: {error}"), ExitCode::FAILURE),
    };
    // If standard error is closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
    code
}

fn run(options: &Options) -> Result<PathBuf> {
    let checkpoint = checkpoint::load(&options.load)?;
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| options.load.with_extension("onnx"));
    atomic_file::write(&out, &onnx::export(&checkpoint)?)
}

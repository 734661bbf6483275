//! What a trained network sees in pictures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bregman::checkpoint::{self, Checkpoint};
use bregman::data::picture;
use bregman::error::Result;
use bregman::predict::{outputs, probabilities, ranked};
use clap::Parser;

/// Say what a network that train_mnist saved sees in pictures of any size.
///
/// A picture is made into what the network was trained on: grey, bright on dark, cropped, scaled and
/// centred. Standard output has a line a picture, standard error what was done to it.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The network, a safetensors file of train_mnist --save
    #[arg(long, value_name = "FILE")]
    load: PathBuf,
    /// PNG or JPEG files
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error. If that is closed there is nobody left to tell.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn run(options: &Options) -> Result<()> {
    let checkpoint = checkpoint::load(&options.load)?;
    let style = picture::Style::of_dataset(&checkpoint.dataset)?;
    // The faults of all pictures are told, and the others are looked at.
    let mut result = Ok(());
    for path in &options.pictures {
        match look(&checkpoint, style, path) {
            Ok(line) => {
                // A reader that has gone away has what it wanted.
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }
            Err(error) if result.is_ok() => result = Err(error),
            Err(error) => say(format_args!("error: {error}")),
        }
    }
    result
}

fn look(checkpoint: &Checkpoint, style: picture::Style, path: &Path) -> Result<String> {
    let picture = picture::read(path, style)?;
    say(format_args!("{}: {}", path.display(), picture.done));
    let model = &checkpoint.model;
    let outputs = outputs(model, &checkpoint.parameters, &picture.pixels);
    let probabilities = probabilities(model.loss, &outputs);
    let best = ranked(&probabilities);
    let guesses = best.iter().take(3).map(|&(class, probability)| {
        let name = style.class_name(class);
        format!("{name} ({:.1} %)", 100.0 * probability)
    });
    let guesses: Vec<String> = guesses.collect();
    Ok(format!("{}: {}", path.display(), guesses.join(", ")))
}

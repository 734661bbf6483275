//! `bregman predict`: classifies pictures with a trained network.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::args::RESULT;
use super::say::{print, say, say_error, say_warning};
use super::{Command, Ended};
use crate::checkpoint::{self, Checkpoint};
use crate::data::picture;
use crate::error::Result;
use crate::predict::{outputs, probabilities, ranked};

/// Classify pictures of any size with a trained network.
///
/// Each picture is first made into what the network was trained on: grey, bright on dark, cropped,
/// scaled and centred; an image of the data set's own form is taken as it is. Standard output has one
/// line for each picture with the three most probable classes; standard error says how the picture was
/// changed, and warns where the answer may mean nothing.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The network: a safetensors file that `bregman train --save` wrote
    #[arg(long, value_name = "FILE", group = RESULT)]
    load: PathBuf,
    /// PNG or JPEG files
    #[arg(required = true, value_name = "PICTURE", group = RESULT)]
    pictures: Vec<PathBuf>,
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let checkpoint = checkpoint::load(&self.load)?;
        let style = picture::Style::of_dataset(&checkpoint.dataset)?;
        // A picture that cannot be read does not keep the others from being classified.
        let mut ended = Ended::Whole;
        for path in &self.pictures {
            match classify(&checkpoint, style, path) {
                Ok(line) => print(&(line + "\n"))?,
                Err(error) => {
                    say_error(&error);
                    ended = Ended::Failed;
                }
            }
        }
        Ok(ended)
    }
}

/// The line of one picture: its path and the three most probable classes.
fn classify(checkpoint: &Checkpoint, style: picture::Style, path: &Path) -> Result<String> {
    let picture = picture::read(path, style)?;
    say(format_args!("{}: {}", path.display(), picture.done));
    for doubt in &picture.doubts {
        say_warning(&format!("{}: {doubt}", path.display()));
    }
    let model = &checkpoint.model;
    let outputs = outputs(model, &checkpoint.parameters, &picture.pixels.into());
    let probabilities = probabilities(model.loss, &outputs);
    let best = ranked(&probabilities);
    let guesses = best.iter().take(3).map(|&(class, probability)| {
        let name = style.class_name(class);
        format!("{name} ({:.1} %)", 100.0 * probability)
    });
    let guesses: Vec<String> = guesses.collect();
    Ok(format!("{}: {}", path.display(), guesses.join(", ")))
}

//! Options of the user's own data: the source, the target, and the held-out samples.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use crate::cli::args::{FREE, RESULT, invalid, parse_held_out};
use crate::data::prepare::{HeldOut, Input};
use crate::error::Result;
use crate::files::path_text;

/// The options of the user's own data.
#[derive(Clone, Debug, Default, Args)]
pub struct Own {
    /// Data of your own in place of a named data set: a CSV or TSV table with a header, plain or .gz; a folder
    /// of PNG and JPEG images with a folder for each class; .npz, .npy, .safetensors and IDX files; folders of
    /// CIFAR-10 and CIFAR-100
    #[arg(long, value_name = "PATH", conflicts_with_all = ["dataset", "data_dir"], group = FREE)]
    pub data: Option<PathBuf>,
    /// With --data: the column of a table to predict, by name or by number from 1; a column of text holds
    /// classes, a column of numbers holds values for regression, unless --classes is passed
    #[arg(long, value_name = "COLUMN", requires = "data", group = RESULT)]
    pub target: Option<String>,
    /// With --data: take a target of numbers as classes, one for each different number
    #[arg(long, requires = "data", group = RESULT)]
    pub classes: bool,
    /// With --data: columns of a table that are left out, by name or by number from 1
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', requires = "data", group = RESULT)]
    pub drop: Vec<String>,
    /// With --data: replace missing numbers by the mean of their column in the training samples; without it
    /// they are an error
    #[arg(long, value_name = "HOW", value_parser = ["mean"], requires = "data", group = RESULT)]
    pub impute: Option<String>,
    /// With --data: how numbers become inputs: dual is z = ρ(x) of standardised numbers x, range maps the
    /// range of the training samples to --input-range [default: dual]
    #[arg(long, value_name = "HOW", value_parser = input_parser(), requires = "data", group = RESULT)]
    pub input: Option<Input>,
    /// With --data: the samples held out for the test: a number of samples, a share of them such as 0.2, or a
    /// file like that of --data [default: the test set of the data, or else 0.2]
    #[arg(long, value_name = "N|SHARE|PATH", value_parser = parse_held_out, requires = "data", group = RESULT)]
    pub test: Option<HeldOut>,
    /// With --data: seed of the choice of samples that are held out, the same share of each class [default: 0]
    #[arg(long, value_name = "SEED", requires = "data", group = RESULT)]
    pub split_seed: Option<u64>,
    /// With --data: the size to which images are scaled, as HEIGHT,WIDTH or one number for both; without it all
    /// must have one size
    #[arg(long, value_name = "H,W", value_parser = parse_size, requires = "data", group = RESULT)]
    pub image_size: Option<[usize; 2]>,
    /// With --data: 1 to read images as grey, 3 as red, green and blue [default: grey if all are]
    #[arg(long, value_name = "N", value_parser = parse_channels, requires = "data", group = RESULT)]
    pub channels: Option<usize>,
    /// With --data: leave out images that cannot be read, and name them
    #[arg(long, requires = "data", group = RESULT)]
    pub skip_broken: bool,
}

/// Parses a height and a width.
fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let mut sides = text
        .split(',')
        .map(|side| side.trim().parse().ok().filter(|side| *side > 0));
    match (sides.next().flatten(), sides.next(), sides.next()) {
        (Some(side), None, None) => Ok([side, side]),
        (Some(height), Some(Some(width)), None) => Ok([height, width]),
        _ => Err("a size is HEIGHT,WIDTH in pixels, or one number for both".to_owned()),
    }
}

/// Parses a number of channels.
fn parse_channels(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("images have 1 channel or 3".to_owned()),
    }
}

/// Parses [`Input`] by its name.
fn input_parser() -> impl TypedValueParser<Value = Input> {
    let names = Input::ALL.iter().map(|input| input.name());
    PossibleValuesParser::new(names).try_map(|name| Input::by_name(&name))
}

/// The options as resolved, for `summary.json`.
#[derive(Clone, Debug, Serialize)]
pub struct ResolvedOwn {
    data: String,
    target: Option<String>,
    classes: bool,
    drop: Vec<String>,
    impute: Option<String>,
    input: &'static str,
    test: Option<HeldOut>,
    split_seed: u64,
    image_size: Option<[usize; 2]>,
    channels: Option<usize>,
    skip_broken: bool,
}

impl Own {
    /// The options as resolved; none without the user's own data.
    pub fn resolved(&self) -> Option<ResolvedOwn> {
        let data = self.data.as_deref()?;
        Some(ResolvedOwn {
            data: path_text::to_text(data),
            target: self.target.clone(),
            classes: self.classes,
            drop: self.drop.clone(),
            impute: self.impute.clone(),
            input: self.input.unwrap_or_default().name(),
            test: self.test.clone(),
            split_seed: self.split_seed.unwrap_or(0),
            image_size: self.image_size,
            channels: self.channels,
            skip_broken: self.skip_broken,
        })
    }

    /// Whether shares and counts are possible.
    ///
    /// # Errors
    /// [`InvalidValue`](crate::error::Error::InvalidValue).
    pub fn check(&self) -> Result<()> {
        match self.test {
            Some(HeldOut::Share(share)) if !(share > 0.0 && share < 1.0) => Err(invalid(
                "test",
                share,
                "a share must be above 0 and below 1",
            )),
            Some(HeldOut::Samples(0)) => Err(invalid("test", 0, "must be at least 1")),
            _ => Ok(()),
        }
    }
}

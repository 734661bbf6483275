//! `bregman predict`: the predictions of a trained network for pictures, tables and arrays.

use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::args::RESULT;
use super::say::{csv_line, note, print, say, say_error, say_warning};
use super::{Command, Ended};
use crate::checkpoint::{self, Checkpoint};
use crate::data::picture;
use crate::data::prepare::{Counts, Preparation, TargetRule};
use crate::data::raw::Raw;
use crate::data::reader::{self, Rows};
use crate::error::{DataFault, Error, PrepareFault, Result};
use crate::files::json;
use crate::kind::names;
use crate::predict::{self, outputs, probabilities, ranked};

/// Rows of a table that are read and predicted at once.
const AT_ONCE: usize = 4096;

/// Predict with a trained network: classes of pictures, or classes or values for the rows of tables and
/// arrays.
///
/// A network that was trained on data of your own takes raw data like them, and gives one line for each sample
/// on standard output: the class and the probability of each class, or the values in their own units. For a
/// network of a named data set, pictures of any size are first converted to the form of its training images:
/// grey, bright on dark, cropped, scaled and centred; an image in the data set's own form is used unchanged.
/// Standard output has one line for each picture with the three most probable classes; standard error says how
/// the picture was changed, and warns if the answer may be meaningless.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The network: a safetensors file that `bregman train --save` wrote
    #[arg(long, value_name = "FILE", group = RESULT)]
    load: PathBuf,
    /// How predictions are written: csv with a header, or jsonl, an object of JSON in each line [default: csv;
    /// for pictures and a network of a named data set, sentences]
    #[arg(long, value_name = "FORM", value_parser = format_parser(), group = RESULT)]
    format: Option<Format>,
    /// PNG or JPEG files; for a network that was trained on data of your own, data in any form that training
    /// takes, and - for a table on standard input
    #[arg(required = true, value_name = "SOURCE", group = RESULT)]
    sources: Vec<PathBuf>,
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// With a header.
    Csv,
    /// An object in each line.
    JsonLines,
}

names!(
    Format,
    "form of predictions",
    Csv = "csv",
    JsonLines = "jsonl"
);

/// Parses [`Format`] by its name.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.iter().map(|format| format.name());
    PossibleValuesParser::new(names).try_map(|name| Format::by_name(&name))
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let checkpoint = checkpoint::load(&self.load)?;
        if let Some(preparation) = &checkpoint.model.preparation {
            let mut predictor = Predictor {
                checkpoint: &checkpoint,
                preparation,
                lines: Lines::new(self.format.unwrap_or(Format::Csv), &preparation.target),
                counts: Counts::default(),
            };
            let predicted = self
                .sources
                .iter()
                .try_for_each(|path| predictor.source(path));
            for text in predictor.counts.notes("the samples") {
                note(&text);
            }
            return predicted.map(|()| Ended::Whole);
        }
        let style = picture::Style::of_dataset(&checkpoint.dataset)?;
        let mut lines = self.format.map(|format| {
            let classes = checkpoint.model.head.outputs.max(2);
            let names = (0..classes).map(|class| style.class_name(class));
            Lines::of_pictures(format, names.collect())
        });
        // If a picture cannot be read, the others are still classified.
        let mut ended = Ended::Whole;
        for path in &self.sources {
            match classify(&checkpoint, style, path) {
                Ok(probabilities) => print(&match &mut lines {
                    Some(lines) => lines.classes(Some(path), &probabilities),
                    None => sentence(path, style, &probabilities),
                })?,
                Err(error) => {
                    say_error(&error);
                    ended = Ended::Failed;
                }
            }
        }
        Ok(ended)
    }
}

/// The probabilities of the classes of a picture.
fn classify(checkpoint: &Checkpoint, style: picture::Style, path: &Path) -> Result<Vec<f64>> {
    let picture = picture::read(path, style)?;
    say(format_args!("{}: {}", path.display(), picture.done));
    for doubt in &picture.doubts {
        say_warning(&format!("{}: {doubt}", path.display()));
    }
    let model = &checkpoint.model;
    let outputs = outputs(model, &checkpoint.parameters, &picture.pixels.into());
    Ok(probabilities(model.loss, &outputs))
}

/// The line of a picture: its path and the three most probable classes.
fn sentence(path: &Path, style: picture::Style, probabilities: &[f64]) -> String {
    let best = ranked(probabilities);
    let guesses = best.iter().take(3).map(|&(class, probability)| {
        let name = style.class_name(class);
        format!("{name} ({:.1} %)", 100.0 * probability)
    });
    let guesses: Vec<String> = guesses.collect();
    format!("{}: {}\n", path.display(), guesses.join(", "))
}

/// Predicts from raw samples.
struct Predictor<'a> {
    checkpoint: &'a Checkpoint,
    preparation: &'a Preparation,
    lines: Lines,
    counts: Counts,
}

impl Predictor<'_> {
    /// Predicts from all samples of a source.
    fn source(&mut self, path: &Path) -> Result<()> {
        let read = self.preparation.read_options(false);
        let kinds = read.kinds.as_deref();
        if let (true, Some(kinds)) = (path == Path::new("-"), kinds) {
            return self.rows(path, Rows::new(io::stdin(), path, kinds)?);
        }
        if let (true, Some(kinds)) = (reader::is_table(path), kinds) {
            return self.rows(path, reader::rows(path, kinds)?);
        }
        if self.preparation.inputs.is_pixels() && path.is_file() && is_picture(path) {
            return self.raw(path, &reader::image(path, &read)?, 0);
        }
        let parts = reader::open(path, &read)?;
        for text in parts.notes {
            note(&text);
        }
        let parts = [Some(parts.train), parts.validation, parts.test];
        let mut parts = parts.into_iter().flatten();
        parts.try_for_each(|raw| self.raw(path, &raw, 0))
    }

    fn rows<R: io::Read>(&mut self, path: &Path, mut rows: Rows<R>) -> Result<()> {
        let mut done = 0;
        while let Some(table) = rows.next(AT_ONCE)? {
            let raw = Raw::Table(table);
            self.raw(path, &raw, done)?;
            done += raw.len();
        }
        Ok(())
    }

    /// Predicts from samples, before which there were `done` others in the same source.
    fn raw(&mut self, path: &Path, raw: &Raw, done: usize) -> Result<()> {
        let fault = |fault: PrepareFault| Error::Data {
            path: path.to_owned(),
            fault: DataFault::Prepare(fault.after(done)),
        };
        let (inputs, counts) = self.preparation.inputs(raw).map_err(fault)?;
        self.counts.add(counts);
        if inputs.is_empty() {
            return Ok(());
        }
        let model = &self.checkpoint.model;
        let logits = predict::logits(model, &self.checkpoint.parameters, inputs)?;
        let width = model.head.outputs;
        let text: String = match &self.preparation.target {
            TargetRule::Values { .. } => {
                let values = predict::values(model, &logits);
                values
                    .chunks_exact(width)
                    .map(|row| self.lines.values(row))
                    .collect()
            }
            TargetRule::Classes { .. } => {
                let of_row = |row: &[f32]| {
                    let outputs: Vec<f64> = row.iter().map(|&y| f64::from(y)).collect();
                    self.lines
                        .classes(None, &probabilities(model.loss, &outputs))
                };
                logits.chunks_exact(width).map(of_row).collect()
            }
        };
        print(&text)
    }
}

/// Whether the name of a file is that of a picture.
fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].iter().any(|known| ending == *known)
}

/// Predictions as text.
struct Lines {
    format: Format,
    /// The names of the classes, or of the values.
    names: Vec<String>,
    /// The line before the first one of CSV.
    header: Option<String>,
}

impl Lines {
    fn new(format: Format, target: &TargetRule) -> Self {
        let names = target.names().to_vec();
        let header = match target {
            TargetRule::Classes { .. } => class_header(&names),
            TargetRule::Values { .. } => csv_line(names.iter().cloned()),
        };
        Self {
            format,
            names,
            header: (format == Format::Csv).then_some(header),
        }
    }

    fn of_pictures(format: Format, names: Vec<String>) -> Self {
        let header = format!("picture,{}", class_header(&names));
        Self {
            format,
            names,
            header: (format == Format::Csv).then_some(header),
        }
    }

    /// The line of a sample with classes, after the header if it is the first.
    fn classes(&mut self, picture: Option<&Path>, probabilities: &[f64]) -> String {
        let best = ranked(probabilities).first().map_or(0, |&(class, _)| class);
        let class = self.names[best].clone();
        let picture = picture.map(|path| path.display().to_string());
        // As exact as float32, in which the network computes.
        let numbers = probabilities.iter().map(|&p| p as f32);
        match self.format {
            Format::Csv => {
                let cells = picture.into_iter().chain([class]);
                let line = csv_line(cells.chain(numbers.map(|p| p.to_string())));
                self.header.take().unwrap_or_default() + &line
            }
            Format::JsonLines => {
                let mut object = serde_json::Map::new();
                object.extend(picture.map(|picture| ("picture".to_owned(), picture.into())));
                object.insert("class".to_owned(), class.into());
                object.insert("probabilities".to_owned(), named(&self.names, numbers));
                format!("{}\n", serde_json::Value::Object(object))
            }
        }
    }

    /// The line of a sample with values, after the header if it is the first.
    fn values(&mut self, values: &[f64]) -> String {
        match self.format {
            Format::Csv => {
                let line = csv_line(values.iter().map(f64::to_string));
                self.header.take().unwrap_or_default() + &line
            }
            Format::JsonLines => {
                let values = named(&self.names, values.iter().copied());
                format!("{}\n", serde_json::json!({ "values": values }))
            }
        }
    }
}

/// `class`, and the probability of each class.
fn class_header(names: &[String]) -> String {
    let each = names.iter().map(|name| format!("p({name})"));
    csv_line(["class".to_owned()].into_iter().chain(each))
}

/// An object with these numbers.
fn named<T: Serialize>(names: &[String], numbers: impl Iterator<Item = T>) -> serde_json::Value {
    let pairs = names.iter().zip(numbers);
    let pairs = pairs.map(|(name, number)| (name.clone(), json::value(&number)));
    serde_json::Value::Object(pairs.collect())
}

//! The contents of a source of data, before they are prepared for a network.

use std::path::PathBuf;

use super::dataset::{Inputs, Targets};

/// The parts of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// The training samples; all samples of a source that names no parts.
    pub train: Raw,
    /// The samples that the source itself holds out to choose between networks.
    pub validation: Option<Raw>,
    /// The samples that the source itself holds out for the test.
    pub test: Option<Raw>,
    /// Notes for the user about the source, each a sentence.
    pub notes: Vec<String>,
}

/// A part of a source as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// Rows with named columns, the target among them.
    Table(Table),
    /// Arrays and images, whose targets stand apart from them.
    Samples(Samples),
}

/// Rows with named columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file, for messages.
    pub path: PathBuf,
    /// In the order of the file, all of one length, each with a name of its own.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// From the header.
    pub name: String,
    /// One for each row.
    pub cells: Cells,
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Numbers; NaN where a cell is missing. Infinities are refused when they are read.
    Numbers(Vec<f64>),
    /// Text.
    Text {
        /// The different texts, in the order in which they first occur.
        distinct: Vec<String>,
        /// The place of each row's text in `distinct`; `u32::MAX` where a cell is missing.
        codes: Vec<u32>,
    },
}

/// Arrays or images with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// The file or folder, for messages.
    pub path: PathBuf,
    /// Channels, height and width; [1, 1, n] for rows of n numbers.
    pub shape: [usize; 3],
    /// (samples, channels, height, width), row-major.
    pub inputs: Inputs,
    /// Classes or numbers, if the source has any.
    pub targets: Option<Targets>,
    /// The names of the classes, such as the folders of images; empty if they have none.
    pub class_names: Vec<String>,
}

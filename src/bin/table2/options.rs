//! The command line.

use std::path::PathBuf;

use bregman::device::DeviceKind;
use bregman::error::{Error, Result};
use bregman::nn::LayerKind;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::recipe::{ROWS, Row};

/// Train the cells of Table 2 (7 networks × 3 layers) and compare them with the paper.
///
/// Each finished cell is kept in OUT_DIR/table2.json and not trained again with the same recipe (if
/// more runs are asked for, those are added), and a cell that is under way is saved after each epoch
/// and on Ctrl-C, so the program can be ended and started again at any time. table2.csv and table2.md
/// are written beside it.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Options {
    /// One row alone
    #[arg(long, value_name = "ROW", value_parser = row_parser())]
    row: Option<&'static Row>,
    /// One layer alone
    #[arg(long, value_name = "KIND", value_parser = layer_parser())]
    layer: Option<LayerKind>,
    /// Folder with the data, as for train_mnist
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "runs/table2")]
    pub out_dir: PathBuf,
    /// Runs a cell, with seeds 0, 1, …
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Epochs in all, in place of the recipe's; its phases keep their parts
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Where to train; auto takes a hardware adapter if there is one, else the processor
    #[arg(long, value_parser = bregman::cli::args::device_parser(), default_value = DeviceKind::Auto.name())]
    pub device: DeviceKind,
    /// One run of one epoch on 2,000 images, to see that all works
    #[arg(long)]
    pub quick: bool,
    /// Instead of the table: the accuracy on the validation split at each learning rate of a grid,
    /// after a third of the recipe's epochs at that rate
    #[arg(long)]
    pub learning_rates: bool,
    /// Instead of the table: the accuracy on the validation split of every recipe that was tried, with
    /// one Bregman network each
    #[arg(long, conflicts_with = "learning_rates")]
    pub grid: bool,
    /// Instead of the table: train the deep networks of two more figures, unless they are there, and
    /// draw all figures that there are results for
    #[arg(long, conflicts_with_all = ["learning_rates", "grid"])]
    pub figures: bool,
}

impl Options {
    /// Reads the command line; ends the program, as clap does, on one that it does not understand.
    pub fn read() -> Self {
        Self::parse()
    }

    /// Whether the counts can work.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for counts of zero.
    pub fn check(&self) -> Result<()> {
        let zero = |option| Error::InvalidValue {
            field: option,
            value: "0".to_owned(),
            reason: "must be at least 1".to_owned(),
        };
        match (self.runs, self.epochs) {
            (0, _) => Err(zero("--runs")),
            (_, Some(0)) => Err(zero("--epochs")),
            _ => Ok(()),
        }
    }

    /// The rows asked for.
    pub fn rows(&self) -> Vec<&'static Row> {
        self.row
            .map_or_else(|| ROWS.iter().collect(), |row| vec![row])
    }

    /// The layers asked for.
    pub fn layers(&self) -> Vec<LayerKind> {
        self.layer
            .map_or_else(|| LayerKind::ALL.to_vec(), |layer| vec![layer])
    }

    /// Runs a cell.
    pub fn runs(&self) -> usize {
        if self.quick { 1 } else { self.runs }
    }
}

fn row_parser() -> impl TypedValueParser<Value = &'static Row> {
    PossibleValuesParser::new(ROWS.iter().map(|row| row.name)).try_map(|name| {
        ROWS.iter()
            .find(|row| row.name == name)
            .ok_or("no such row")
    })
}

fn layer_parser() -> impl TypedValueParser<Value = LayerKind> {
    let names = LayerKind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).try_map(|name| LayerKind::by_name(&name))
}

//! `bregman table2`: trains the cells of the paper's Table 2.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::args::{FREE, REQUEST, RESULT, device_parser, layer_parser};
use super::say::{announce_device, print, say, warn};
use super::{Command, Ended, same_command_line, stop};
use crate::device::{Device, DeviceKind};
use crate::error::Result;
use crate::experiments::table2::{self, Deep, Event, Experiment, ROWS, Results, Row, Task, Watch};
use crate::kind::LayerKind;

/// Train the cells of Table 2 (7 networks × 3 layers) and compare them with the paper.
///
/// Each finished cell is kept in OUT_DIR/table2.json and not trained again with the same recipe (if more runs are
/// requested, they are added). A cell in progress is saved after each epoch and on Ctrl-C, so the command can be
/// stopped and started again at any time. table2.csv and table2.md are written beside it.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Train only this row
    #[arg(long, value_name = "ROW", value_parser = row_parser(), group = REQUEST)]
    row: Option<&'static Row>,
    /// Train only this kind of layer
    #[arg(long, value_name = "KIND", value_parser = layer_parser(), group = REQUEST)]
    layer: Option<LayerKind>,
    /// Folder with the data, as for `bregman train`
    #[arg(long, value_name = "DIR", group = FREE)]
    data_dir: Option<PathBuf>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "runs/table2", group = FREE)]
    out_dir: PathBuf,
    /// Runs of each cell, with seeds 0, 1, …
    #[arg(long, default_value_t = 5, group = RESULT)]
    runs: usize,
    /// Number of epochs, in place of the recipe's; its phases keep their shares
    #[arg(long, group = RESULT)]
    epochs: Option<u32>,
    /// Where to train; auto takes a hardware adapter if there is one, else the processor
    #[arg(long, default_value = "auto", value_parser = device_parser(), group = FREE)]
    device: DeviceKind,
    /// One run of one epoch on 2,000 images, to check that everything works
    #[arg(long, group = RESULT)]
    quick: bool,
    /// Instead of the table: the accuracy on the validation split at each learning rate of a grid,
    /// after a third of the recipe's epochs at that rate
    #[arg(long, group = REQUEST)]
    learning_rates: bool,
    /// Instead of the table: the accuracy on the validation split of each row's recipe and of those
    /// that it was compared with at the end, with one Bregman network each
    #[arg(long, conflicts_with = "learning_rates", group = REQUEST)]
    grid: bool,
    /// Instead of the table: train the deep networks of two more figures, unless they have been
    /// trained, and draw all figures whose results exist
    #[arg(long, conflicts_with_all = ["learning_rates", "grid"], group = REQUEST)]
    figures: bool,
}

fn row_parser() -> impl TypedValueParser<Value = &'static Row> {
    let names = ROWS.iter().map(|row| row.name);
    PossibleValuesParser::new(names).try_map(|name| Row::by_name(&name))
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let task = match (self.figures, self.grid, self.learning_rates) {
            (true, ..) => Task::Deep,
            (_, true, _) => Task::Grid,
            (.., true) => Task::LearningRates,
            _ => Task::Cells,
        };
        let options = table2::Options {
            rows: self
                .row
                .map_or_else(|| ROWS.iter().collect(), |row| vec![row]),
            layers: self
                .layer
                .map_or_else(|| LayerKind::ALL.to_vec(), |layer| vec![layer]),
            runs: self.runs,
            epochs: self.epochs,
            quick: self.quick,
            data_dir: self.data_dir,
            out_dir: self.out_dir,
        };
        options.check()?;
        let device = pollster::block_on(Device::choose(self.device, None))?;
        announce_device(&device);
        stop::listen();
        let experiment = Experiment {
            options: &options,
            device: &device,
            watch: Watch {
                tell: &|event| match event {
                    Event::NotSaved(error) => warn(error),
                    event => say(event),
                },
                stop: &stop::requested,
            },
        };
        let whole = pollster::block_on(experiment.run(task))?;
        let folder = &options.out_dir;
        if task == Task::Deep {
            let figures = table2::figures(&Results::read(folder)?, &Deep::read(folder)?);
            for (name, figure) in figures {
                for path in figure.save(&folder.join(name))? {
                    say(format_args!("drew {}", path.display()));
                }
            }
        }
        if !whole {
            say(format_args!(
                "stopped; finished results are in {}; continue with\n  {}",
                folder.display(),
                same_command_line()
            ));
            return Ok(Ended::Stopped);
        }
        if task != Task::Deep {
            // Written even if nothing was left to train: a table of the existing results.
            let results = Results::update(folder, |_| {})?;
            print(&results.markdown())?;
        }
        Ok(Ended::Whole)
    }
}

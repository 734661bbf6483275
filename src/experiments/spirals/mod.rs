//! The paper's two spirals: networks of two neurons per layer, many runs side by side, and what its
//! Figures 4, 5 and 6 show of them.
//!
//! ```text
//! Options      what replaces the settings of the figures
//!   → Figure   an entry of FIGURES: its settings, its sweeps, its drawing, its tables
//!   → Trainer  trains the sweeps on a device, checks them first, and saves them meanwhile
//!   → Drawing  pictures with their numbers, and a Row for each layer and setting
//!   → Claim    what a test over pairs of runs says of a claim of the paper
//! ```

mod claims;
mod figures;
mod results;
mod saved;
mod settings;
mod train;

use std::path::{Path, PathBuf};

pub use claims::{ALPHA, Claim, Order, Question, Test, Tested, page};
pub use figures::{Drawing, FIGURES, Figure, Picture, Results, tables};
pub use results::{Outcome, Quantity, Row, STUCK, Table};
pub use saved::Saved;
pub use settings::{Options, Points, Settings};

pub use crate::data::spirals::Draw;
pub use train::{Earlier, Event, Trained, Trainer, Watch};

use serde::Serialize;
use serde_json::Value;

use super::{host, read_json, write_json};
use crate::device::Device;
use crate::error::Result;
use crate::files::atomic;
use crate::files::lock::{self, Lock};

/// Figures to make, and the folder for their pictures, their numbers and the saved sweeps.
#[derive(Clone, Debug)]
pub struct Experiment {
    figures: Vec<(&'static Figure, Settings)>,
    points: Points,
    folder: PathBuf,
    earlier: Earlier,
}

impl Experiment {
    /// `figures` with `options`, in `folder`; `earlier` says what becomes of the sweeps that are saved
    /// there.
    ///
    /// # Errors
    /// Those of [`Options::check`]; [`OutOfMemory`](crate::error::Error::OutOfMemory) for more runs than
    /// this machine can hold; [`Error::Io`](crate::error::Error::Io) if nothing can be written into the
    /// folder.
    pub fn new(
        figures: &[&'static Figure],
        options: &Options,
        folder: &Path,
        earlier: Earlier,
    ) -> Result<Self> {
        options.check()?;
        let figures: Vec<_> = figures.iter().map(|&f| (f, f.settings(options))).collect();
        let settings = || figures.iter().map(|(_, settings)| settings);
        settings().try_for_each(Settings::check_memory)?;
        let runs = settings().map(|settings| settings.runs).max();
        let experiment = Self {
            points: Points::draw(options, runs.unwrap_or(1)),
            figures,
            folder: folder.to_owned(),
            earlier,
        };
        for path in [
            experiment.results(),
            experiment.claims(),
            experiment.timing(),
        ] {
            atomic::check_writable(&path)?;
            read_json::<Value>(&path)?;
        }
        atomic::remove_stale(folder);
        Ok(experiment)
    }

    /// The file of the rows, `results.json`.
    pub fn results(&self) -> PathBuf {
        self.folder.join("results.json")
    }

    /// The file of what the tests say of the paper's claims, `claims.json`.
    pub fn claims(&self) -> PathBuf {
        self.folder.join("claims.json")
    }

    /// The file of the time that training took, and of the machine, `timing.json`.
    pub fn timing(&self) -> PathBuf {
        self.folder.join("timing.json")
    }

    /// Checks that no sweeps of other settings would be lost, unless that is asked for. Returns the figures of
    /// which a part is saved that would be trained again.
    ///
    /// # Errors
    /// [`Error::Occupied`](crate::error::Error::Occupied) if they would;
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn check_vacant(&self) -> Result<Vec<&'static str>> {
        let mut begun = Vec::new();
        if self.earlier == Earlier::Keep {
            for (figure, settings) in &self.figures {
                let path = saved::path(&self.folder, figure.name);
                if saved::is_begun(&path, &settings.described(), &settings.sweeps()?)? {
                    begun.push(figure.name);
                }
            }
        }
        Ok(begun)
    }

    /// Trains, draws and writes all figures, then their rows and claims; none if it was stopped before. What
    /// the files have of other figures stays in them.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::error::Error::Locked) if another process makes one of the figures in the
    /// same folder, or has the folder for itself; those of [`Self::check_vacant`] and
    /// [`Trainer::saved`], before anything is trained; those of [`Trainer::train`] and of
    /// writing files.
    pub fn run(&self, device: Device, watch: Watch<'_>) -> Result<Option<Results>> {
        let _folder = lock::share_folder(&self.folder)?;
        let names = self.figures.iter().map(|(figure, _)| figure.name);
        let _figures: Vec<Lock> = names
            .map(|name| lock::own_file(&saved::path(&self.folder, name)))
            .collect::<Result<_>>()?;
        for figure in self.check_vacant()? {
            (watch.tell)(Event::NotResumed { figure });
        }
        let mut trainer = Trainer::new(device, &self.points, &self.folder, self.earlier, watch);
        let mut found = false;
        for (_, settings) in &self.figures {
            let sweeps = settings.sweeps()?;
            found |= trainer.saved(settings, &sweeps)?.is_some();
        }
        if self.earlier == Earlier::Resume && !found {
            let folder = &self.folder;
            (watch.tell)(Event::NothingSaved { folder });
        }
        let mut results = Results::default();
        let mut timings = Vec::new();
        for (figure, settings) in &self.figures {
            let sweeps = settings.sweeps()?;
            let Some(trained) = trainer.train(settings, &sweeps)? else {
                return Ok(None);
            };
            let drawing = figure.draw(settings, &sweeps, &trained, &self.points);
            for picture in &drawing.pictures {
                picture.save(&self.folder)?;
            }
            for of_table in drawing.rows.chunk_by(|a, b| a.figure == b.figure) {
                let path = self.folder.join(format!("runs-{}.csv", of_table[0].figure));
                atomic::write(&path, results::csv_of_runs(of_table).as_bytes())?;
            }
            results
                .claims
                .extend(figure.claims(settings, &drawing.rows));
            results.rows.extend(drawing.rows);
            timings.push(Timing {
                figure: figure.name,
                steps: trained.steps,
                seconds: trained.seconds,
                steps_per_second: trained.steps as f64 / trained.seconds.max(1e-9),
                device: trained.device,
                host: host(),
            });
        }
        let replaced: Vec<&str> = (self.figures.iter())
            .flat_map(|(figure, _)| figure.tables.iter().map(|table| table.name))
            .collect();
        add_to(&self.results(), &replaced, &results.rows)?;
        add_to(&self.claims(), &replaced, &results.claims)?;
        let names: Vec<&str> = self.figures.iter().map(|(figure, _)| figure.name).collect();
        add_to(&self.timing(), &names, &timings)?;
        Ok(Some(results))
    }
}

/// The time that the training of a figure took. It is beside the results, which are the same on any machine.
#[derive(Clone, Debug, Serialize)]
struct Timing {
    figure: &'static str,
    /// Of all runs together.
    steps: u64,
    seconds: f64,
    steps_per_second: f64,
    /// "cpu", or the adapter's name.
    device: String,
    host: String,
}

/// Puts `new` in place of what the file has of the figures or tables `replaced`, in the order of the figures;
/// other processes that do so wait.
fn add_to(path: &Path, replaced: &[&str], new: &[impl Serialize]) -> Result<()> {
    let _turn = lock::turn_at_file(path)?;
    let mut all: Vec<Value> = read_json(path)?;
    all.retain(|old| replaced.iter().all(|&name| old["figure"] != name));
    let new = new.iter().map(serde_json::to_value);
    all.extend(new.map(|row| row.expect("numbers and strings serialize")));
    all.sort_by_key(|row| {
        let of_row = |figure: &&Figure| {
            let mut tables = figure.tables.iter();
            row["figure"] == figure.name || tables.any(|table| row["figure"] == table.name)
        };
        let figure = FIGURES.iter().position(|figure| of_row(&figure));
        let tables = figure.map_or(&[][..], |figure| FIGURES[figure].tables);
        let table = tables.iter().position(|table| row["figure"] == table.name);
        (figure, table)
    });
    write_json(path, &all).map(drop)
}

//! The paper's two spirals: networks of two neurons per layer, many runs side by side, and what its
//! Figures 4, 5 and 6 show of them.
//!
//! ```text
//! Options      what replaces the settings of the figures
//!   → Figure   an entry of FIGURES: its settings, its sweeps, its drawing, its tables
//!   → Trainer  trains the sweeps on a device, checks them first, and saves them meanwhile
//!   → Drawing  pictures with their numbers, and a Row for each layer and setting
//! ```

mod figures;
mod results;
mod saved;
mod settings;
mod train;

use std::path::{Path, PathBuf};

pub use figures::{Drawing, FIGURES, Figure, Picture, tables};
pub use results::{Claim, Quantity, Row, STUCK, Table};
pub use saved::Saved;
pub use settings::{Draw, Options, Points, Settings};
pub use train::{Earlier, Event, Trained, Trainer, Watch};

use serde_json::Value;

use super::{read_json, write_json};
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
        atomic::check_writable(&experiment.results())?;
        read_json::<Value>(&experiment.results())?;
        atomic::remove_stale(folder);
        Ok(experiment)
    }

    /// The file of the rows, `results.json`.
    pub fn results(&self) -> PathBuf {
        self.folder.join("results.json")
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

    /// Trains, draws and writes all figures, then their rows; none if it was stopped before. Rows of other
    /// figures stay in the file of the rows.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::error::Error::Locked) if another process makes one of the figures in the
    /// same folder, or has the folder for itself; those of [`Self::check_vacant`] and
    /// [`Trainer::saved`], before anything is trained; those of [`Trainer::train`] and of
    /// writing files.
    pub fn run(&self, device: Device, watch: Watch<'_>) -> Result<Option<Vec<Row>>> {
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
        let mut rows = Vec::new();
        for (figure, settings) in &self.figures {
            let sweeps = settings.sweeps()?;
            let Some(trained) = trainer.train(settings, &sweeps)? else {
                return Ok(None);
            };
            let drawing = figure.draw(settings, &sweeps, &trained, &self.points);
            for picture in &drawing.pictures {
                picture.save(&self.folder)?;
            }
            rows.extend(drawing.rows);
        }
        self.add_to_results(&rows)?;
        Ok(Some(rows))
    }

    /// Puts `rows` in place of those of the same tables, in the order of the figures; other processes
    /// that do so wait.
    fn add_to_results(&self, rows: &[Row]) -> Result<()> {
        let path = self.results();
        let _turn = lock::turn_at_file(&path)?;
        let mut all: Vec<Value> = read_json(&path)?;
        all.retain(|old| rows.iter().all(|row| old["figure"] != row.figure));
        let new = rows.iter().map(serde_json::to_value);
        all.extend(new.map(|row| row.expect("numbers and strings serialize")));
        let tables = FIGURES.iter().flat_map(|figure| figure.tables);
        all.sort_by_key(|row| tables.clone().position(|table| row["figure"] == table.name));
        write_json(&path, &all).map(drop)
    }
}

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
pub use settings::{Options, Points, Settings};
pub use train::{Event, Trained, Trainer, Watch};

use crate::device::Device;
use crate::error::Result;
use crate::files::atomic;

/// Figures to make, and the folder for their pictures, their numbers and the saved sweeps.
#[derive(Clone, Debug)]
pub struct Experiment {
    figures: Vec<(&'static Figure, Settings)>,
    points: Points,
    folder: PathBuf,
    resume: bool,
}

impl Experiment {
    /// `figures` with `options`, in `folder`; with `resume`, from the sweeps that are saved there.
    ///
    /// # Errors
    /// Those of [`Options::check`]; [`Error::Io`](crate::error::Error::Io) if nothing can be written
    /// into the folder.
    pub fn new(
        figures: &[&'static Figure],
        options: &Options,
        folder: &Path,
        resume: bool,
    ) -> Result<Self> {
        options.check()?;
        let experiment = Self {
            figures: figures.iter().map(|&f| (f, f.settings(options))).collect(),
            points: Points::draw(options),
            folder: folder.to_owned(),
            resume,
        };
        atomic::check_writable(&experiment.results())?;
        atomic::remove_stale(folder);
        Ok(experiment)
    }

    /// The file of the rows, `results.json`.
    pub fn results(&self) -> PathBuf {
        self.folder.join("results.json")
    }

    /// Trains, draws and writes all figures, then their rows; none if it was stopped before.
    ///
    /// # Errors
    /// Those of [`Trainer::saved`], before anything is trained; those of [`Trainer::train`] and of
    /// writing files.
    pub fn run(&self, device: Device, watch: Watch<'_>) -> Result<Option<Vec<Row>>> {
        let mut trainer = Trainer::new(device, &self.points, &self.folder, self.resume, watch);
        let mut found = false;
        for (_, settings) in &self.figures {
            found |= trainer.saved(settings, &settings.sweeps()?)?.is_some();
        }
        if self.resume && !found {
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
        super::write_json(&self.results(), &rows)?;
        Ok(Some(rows))
    }
}

//! The results: JSON from which training continues, CSV and Markdown for the user.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::recipe::{LEARNING_RATES, ROWS, Recipe, Row};
use crate::error::Result;
use crate::experiments::{read_json, write_json};
use crate::files::{atomic, lock};
use crate::kind::LayerKind;
use crate::train::{mean, standard_deviation};

/// A cell of the table. Accuracies are fractions, of the last epoch and never of the best.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// The row's name.
    pub row: String,
    /// The kind of layer.
    pub layer: String,
    /// Number of networks that were trained.
    pub runs: usize,
    /// Test accuracy of each.
    pub accuracies: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation; none for one run.
    pub sd: Option<f64>,
    /// The paper's accuracy.
    pub paper: f64,
    /// Seconds of training, without evaluation.
    pub seconds: f64,
    /// The device that trained the last runs.
    pub device: String,
    /// How they were trained.
    pub recipe: Recipe,
    /// Images of the test set.
    pub test_images: usize,
    /// Mean test accuracy after each epoch, for the figure; nothing is chosen by it.
    pub test_accuracy_by_epoch: Vec<f64>,
}

impl Cell {
    /// A cell without runs.
    pub fn new(row: &Row, layer: LayerKind, recipe: Recipe) -> Self {
        Self {
            row: row.name.to_owned(),
            layer: layer.name().to_owned(),
            runs: 0,
            accuracies: Vec::new(),
            mean: 0.0,
            sd: None,
            paper: row.paper(layer),
            seconds: 0.0,
            device: String::new(),
            recipe,
            test_images: 0,
            test_accuracy_by_epoch: Vec::new(),
        }
    }

    /// Adds runs, with their accuracies by epoch.
    pub fn add(&mut self, epochs: &[Vec<f64>], seconds: f64) {
        let Some(last) = epochs.last() else { return };
        let before = self.runs as f64;
        self.runs += last.len();
        self.accuracies.extend(last);
        self.mean = mean(&self.accuracies);
        self.sd = standard_deviation(&self.accuracies);
        self.seconds += seconds;
        self.test_accuracy_by_epoch.resize(epochs.len(), 0.0);
        for (mean, accuracies) in self.test_accuracy_by_epoch.iter_mut().zip(epochs) {
            *mean = (before * *mean + accuracies.iter().sum::<f64>()) / self.runs as f64;
        }
    }
}

/// A network that was trained to choose a recipe, or for a point of the second table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The row's name.
    pub row: String,
    /// The kind of layer.
    pub layer: String,
    /// Accuracy on the validation split, a fraction; none where training diverged.
    pub validation_accuracy: Option<f64>,
    /// Seconds of training and evaluation.
    pub seconds: f64,
    /// How it was trained.
    pub recipe: Recipe,
}

impl Trial {
    /// The learning rate of the first phase.
    pub fn learning_rate(&self) -> f32 {
        self.recipe.phases.first().map_or(0.0, |p| p.learning_rate)
    }
}

/// All results so far.
#[derive(Debug, Default)]
pub struct Results {
    /// `table2.json`.
    pub cells: Vec<Cell>,
    /// `learning_rates.json`.
    pub rates: Vec<Trial>,
    /// `grid.json`.
    pub grid: Vec<Trial>,
}

const CELLS: &str = "table2.json";
const CSV: &str = "table2.csv";
const MARKDOWN: &str = "table2.md";
const RATES: &str = "learning_rates.json";
const GRID: &str = "grid.json";

impl Results {
    /// The results in `folder`, which need not exist.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) for a file that cannot be read or holds something else.
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self {
            cells: read_json(&folder.join(CELLS))?,
            rates: read_json(&folder.join(RATES))?,
            grid: read_json(&folder.join(GRID))?,
        })
    }

    /// Checks, before anything is trained, that [`Self::update`] can write its files.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) if not.
    pub fn check_writable(folder: &Path) -> Result<()> {
        let mut names = [CELLS, CSV, MARKDOWN, RATES, GRID].into_iter();
        names.try_for_each(|name| atomic::check_writable(&folder.join(name)))
    }

    /// Reads the results in `folder`, adds what `add` adds, and writes them; other processes that do so
    /// wait. Returns the results.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn update(folder: &Path, add: impl FnOnce(&mut Self)) -> Result<Self> {
        let _turn = lock::turn_at_file(&folder.join(CELLS))?;
        let mut results = Self::read(folder)?;
        add(&mut results);
        results.write(folder)?;
        Ok(results)
    }

    /// Writes the files, each whole or not at all.
    fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(CELLS), &self.cells)?;
        atomic::write(&folder.join(CSV), self.csv().as_bytes())?;
        atomic::write(&folder.join(MARKDOWN), self.markdown().as_bytes())?;
        for (file, trials) in [(RATES, &self.rates), (GRID, &self.grid)] {
            if !trials.is_empty() {
                write_json(&folder.join(file), trials)?;
            }
        }
        Ok(())
    }

    /// The cell of a row and layer.
    pub fn cell(&self, row: &Row, layer: LayerKind) -> Option<&Cell> {
        let mut cells = self.cells.iter();
        cells.find(|cell| cell.row == row.name && cell.layer == layer.name())
    }

    /// Adds a cell, in place of an earlier one, in the table's order.
    pub fn add(&mut self, cell: Cell) {
        self.cells
            .retain(|other| (&other.row, &other.layer) != (&cell.row, &cell.layer));
        self.cells.push(cell);
        self.cells.sort_by_key(|cell| {
            let row = ROWS.iter().position(|row| row.name == cell.row);
            let layer = LayerKind::ALL.iter().position(|k| k.name() == cell.layer);
            (row, layer)
        });
    }

    /// Whether there is a point of the second table for `recipe`.
    pub fn has_rate(&self, row: &Row, layer: LayerKind, recipe: &Recipe) -> bool {
        let mut rates = self.rates.iter();
        rates.any(|r| r.row == row.name && r.layer == layer.name() && r.recipe == *recipe)
    }

    /// Whether a recipe of a row's grid was tried.
    pub fn has_trial(&self, row: &Row, recipe: &Recipe) -> bool {
        let mut grid = self.grid.iter();
        grid.any(|trial| trial.row == row.name && trial.recipe == *recipe)
    }

    /// Adds a recipe of the grid, in place of the same one.
    pub fn add_trial(&mut self, trial: Trial) {
        self.grid
            .retain(|other| (&other.row, &other.recipe) != (&trial.row, &trial.recipe));
        self.grid.push(trial);
        let place = |trial: &Trial| ROWS.iter().position(|row| row.name == trial.row);
        self.grid.sort_by_key(place);
    }

    /// Adds a point of the second table, in place of an earlier one.
    pub fn add_rate(&mut self, rate: Trial) {
        let key = |r: &Trial| (r.row.clone(), r.layer.clone(), r.learning_rate().to_bits());
        self.rates.retain(|other| key(other) != key(&rate));
        self.rates.push(rate);
    }

    /// The cells as CSV.
    pub fn csv(&self) -> String {
        let mut text = "row,layer,runs,mean,sd,paper,difference,seconds,device\n".to_owned();
        for cell in &self.cells {
            let sd = cell.sd.map_or(String::new(), |sd| format!("{sd:.5}"));
            let _ = writeln!(
                text,
                "{},{},{},{:.5},{sd},{:.4},{:.5},{:.1},\"{}\"",
                cell.row,
                cell.layer,
                cell.runs,
                cell.mean,
                cell.paper,
                cell.mean - cell.paper,
                cell.seconds,
                cell.device.replace('"', "\"\""),
            );
        }
        text
    }

    /// Markdown: the table, its recipes, and the trials.
    pub fn markdown(&self) -> String {
        let mut text = "Test accuracy after the last epoch, %: ours, mean ± standard deviation \
                        (number of runs); the paper's; the difference in points.\n\n\
                        | network | standard | Euclidean | Bregman |\n|---|---|---|---|\n"
            .to_owned();
        for row in &ROWS {
            let cells = LayerKind::ALL
                .iter()
                .map(|&layer| match self.cell(row, layer) {
                    None => format!("not run; {:.2}", 100.0 * row.paper(layer)),
                    Some(cell) => format!(
                        "{} ({}); {:.2}; {:+.2}",
                        percent(&cell.accuracies),
                        cell.runs,
                        100.0 * cell.paper,
                        100.0 * (cell.mean - cell.paper),
                    ),
                });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(text, "| {} | {} |", row.title, cells.join(" | "));
        }
        text += "\nEach row has one recipe, the same for its three layers: plain SGD, random \
                 initial weights, dual form, as many neurons in a layer as inputs.\n\n\
                 | network | recipe | test images | seconds of each cell |\n|---|---|---|---|\n";
        for row in &ROWS {
            let cells: Vec<&Cell> = LayerKind::ALL
                .iter()
                .filter_map(|&layer| self.cell(row, layer))
                .collect();
            let mut recipes: Vec<String> = cells.iter().map(|c| c.recipe.describe()).collect();
            recipes.dedup();
            if let Some(first) = cells.first() {
                let seconds: Vec<String> =
                    cells.iter().map(|c| format!("{:.0}", c.seconds)).collect();
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} |",
                    row.title,
                    recipes.join("; "),
                    first.test_images,
                    seconds.join(", "),
                );
            }
        }
        if !self.grid.is_empty() {
            text += &self.grid_markdown();
        }
        if !self.rates.is_empty() {
            text += &self.rates_markdown();
        }
        text
    }

    fn grid_markdown(&self) -> String {
        let mut text =
            "\nRecipes that were compared: accuracy of one Bregman network on the validation \
                        split, %; the chosen recipe in bold.\n\n\
                        | network | recipe | accuracy |\n|---|---|---|\n"
                .to_owned();
        for trial in &self.grid {
            let row = ROWS.iter().find(|row| row.name == trial.row);
            let taken = self
                .cells
                .iter()
                .any(|cell| cell.row == trial.row && cell.recipe == trial.recipe);
            let accuracy = match trial.validation_accuracy {
                None => "diverged".to_owned(),
                Some(accuracy) if taken => format!("**{:.2}**", 100.0 * accuracy),
                Some(accuracy) => format!("{:.2}", 100.0 * accuracy),
            };
            let title = row.map_or(trial.row.as_str(), |row| row.title);
            let _ = writeln!(
                text,
                "| {title} | {} | {accuracy} |",
                trial.recipe.describe()
            );
        }
        text
    }

    fn rates_markdown(&self) -> String {
        let mut text =
            "\nAccuracy on the validation split at a constant learning rate, %, one run; the \
                        best of each line in bold.\n\n| network | layer |"
                .to_owned();
        for rate in LEARNING_RATES {
            let _ = write!(text, " {rate} |");
        }
        text += &format!("\n|---|---|{}\n", "---|".repeat(LEARNING_RATES.len()));
        for row in &ROWS {
            for layer in LayerKind::ALL {
                let own: Vec<&Trial> = self
                    .rates
                    .iter()
                    .filter(|r| r.row == row.name && r.layer == layer.name())
                    .collect();
                if own.is_empty() {
                    continue;
                }
                let best = own.iter().filter_map(|r| r.validation_accuracy);
                let best = best.fold(0.0, f64::max);
                let _ = write!(text, "| {} | {} |", row.title, layer.name());
                for rate in LEARNING_RATES {
                    let point = own.iter().find(|r| r.learning_rate() == rate);
                    let shown = match point.map(|r| r.validation_accuracy) {
                        None => "not run".to_owned(),
                        Some(None) => "diverged".to_owned(),
                        Some(Some(accuracy)) if accuracy == best => {
                            format!("**{:.2}**", 100.0 * accuracy)
                        }
                        Some(Some(accuracy)) => format!("{:.2}", 100.0 * accuracy),
                    };
                    let _ = write!(text, " {shown} |");
                }
                text.push('\n');
            }
        }
        text
    }
}

/// Fractions as per cent: their mean, ± the sample standard deviation if there are several.
pub(super) fn percent(fractions: &[f64]) -> String {
    crate::experiments::percent(mean(fractions), standard_deviation(fractions))
}

//! The numbers: one row for each figure, layer and setting, and the tables beside the paper's.

use serde::Serialize;

use super::settings::Points;
use crate::data::spirals::Spirals;
use crate::experiments::percent;
use crate::experiments::stats::{Share, Summary};
use crate::kind::{Init, LayerKind};
use crate::nn::Parameters;
use crate::reference::forward;
use crate::sweep::{Record, Run, Samples, Sweep, reference};

/// A run whose final training loss is above this counts as stuck.
pub const STUCK: f64 = 0.1;

/// What one run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The run's seed.
    pub seed: u64,
    /// Training loss; NaN, as are the accuracies, where the run has diverged.
    pub loss: f64,
    /// Training accuracy.
    pub accuracy: f64,
    /// Test accuracy.
    pub test_accuracy: f64,
    /// In 6-right and depth100: ‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖ of the last layer over that of the first, each the mean over
    /// the training points.
    pub last_over_first: Option<f64>,
}

/// The results of the runs of one setting. Losses and accuracies (fractions) are on a run's whole training
/// set after the last epoch, but for the test accuracy.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The name of the table, `5-left`.
    pub figure: &'static str,
    /// The kind of layer.
    pub layer: &'static str,
    /// The kind of initial weights.
    pub init: &'static str,
    /// The learning rate.
    pub lr: f32,
    /// Hidden layers.
    pub layers: usize,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples in a mini-batch.
    pub batch_size: usize,
    /// Number of runs.
    pub runs: usize,
    /// The seed of the first run.
    pub seed: u64,
    /// Whether each run has points of its own: `own` or `shared`.
    pub points: &'static str,
    /// Training loss.
    pub loss: Summary,
    /// Training accuracy.
    pub accuracy: Summary,
    /// Test accuracy.
    pub test_accuracy: Summary,
    /// Runs whose final loss is above [`STUCK`].
    pub stuck: Share,
    /// Runs that ended in NaN or infinity.
    pub diverged: Share,
    /// [`Outcome::last_over_first`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_over_first: Option<Summary>,
    /// What each run came to; `runs-5-left.csv` has it.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// What the run in place `r` of a sweep came to.
pub(super) fn outcome(sweep: &Sweep, record: &Record, r: usize, points: &Points) -> Outcome {
    let run = &sweep.runs[r];
    let last = record.metrics[r].last().copied().unwrap_or_default();
    let finite = |value: f64| {
        if last.loss.is_finite() {
            value
        } else {
            f64::NAN
        }
    };
    let parameters = record.parameters[r].map(f64::from);
    let test = of_run(points.test(), run);
    let right = reference::evaluate(&sweep.model, &parameters, test).correct;
    Outcome {
        seed: run.seed,
        loss: f64::from(last.loss),
        accuracy: finite(f64::from(last.correct) / points.train().len() as f64),
        test_accuracy: finite(f64::from(right) / test.len() as f64),
        last_over_first: None,
    }
}

/// The row of runs of a sweep at one learning rate, with what they came to.
pub(super) fn row(
    figure: &'static str,
    sweep: &Sweep,
    lr: f32,
    points: &'static str,
    outcomes: Vec<Outcome>,
) -> Row {
    let all = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).collect::<Vec<_>>();
    let accuracy = |of| Summary::of(&all(of), f64::NEG_INFINITY);
    let (runs, losses) = (outcomes.len(), all(|o| o.loss));
    let ratios: Option<Vec<f64>> = outcomes.iter().map(|o| o.last_over_first).collect();
    let count = |is: fn(f64) -> bool| losses.iter().filter(|&&loss| is(loss)).count();
    Row {
        figure,
        layer: sweep.model.kind_name(),
        init: sweep.init.name(),
        lr,
        layers: sweep.model.layers.len(),
        epochs: sweep.epochs,
        batch_size: sweep.batch_size,
        runs,
        seed: outcomes[0].seed,
        points,
        loss: Summary::of(&losses, f64::INFINITY),
        accuracy: accuracy(|o| o.accuracy),
        test_accuracy: accuracy(|o| o.test_accuracy),
        stuck: Share::of(count(|loss| loss.is_finite() && loss > STUCK), runs),
        diverged: Share::of(count(|loss| !loss.is_finite()), runs),
        last_over_first: ratios.map(|ratios| Summary::of(&ratios, f64::INFINITY)),
        outcomes,
    }
}

/// What each run of `rows` came to, as CSV.
pub(super) fn csv_of_runs(rows: &[Row]) -> String {
    let mut csv = String::from("layer,init,lr,seed,loss,accuracy,test_accuracy,last_over_first\n");
    for row in rows {
        for o in &row.outcomes {
            let ratio = o
                .last_over_first
                .map_or(String::new(), |ratio| ratio.to_string());
            csv += &format!(
                "{},{},{},{},{},{},{},{ratio}\n",
                row.layer, row.init, row.lr, o.seed, o.loss, o.accuracy, o.test_accuracy
            );
        }
    }
    csv
}

/// The samples of a run that was trained.
pub(super) fn of_run<'a>(samples: Samples<'a>, run: &Run) -> &'a Spirals {
    samples.of(run.seed).expect("trained runs have samples")
}

/// ‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖ by layer, the mean over the training points, for each run.
pub fn differences(sweep: &Sweep, record: &Record, points: &Points) -> Vec<Vec<f64>> {
    let of_pair = |(run, parameters): (&Run, &Parameters)| {
        let data = of_run(points.train(), run);
        let indices: Vec<u32> = (0..data.len() as u32).collect();
        let (x, _) = reference::batch(data, &indices);
        let z = forward(&sweep.model, &parameters.map(f64::from), &x).z;
        let distance = |pair: &[Vec<f64>]| {
            let norms = pair[0].chunks_exact(2).zip(pair[1].chunks_exact(2));
            let norms = norms.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
            norms.sum::<f64>() / indices.len() as f64
        };
        z.windows(2).map(distance).collect()
    };
    let pairs = sweep.runs.iter().zip(&record.parameters);
    pairs.map(of_pair).collect()
}

/// The paper's Figure 5, final losses: left (random), right (deterministic).
const PAPER_5: [(Init, [f64; 3]); 2] = [
    (Init::Random, [0.10, 0.072, 0.028]),
    (Init::Deterministic, [0.05, 0.05, 0.012]),
];

/// The paper's Figure 6, left: training accuracies in per cent at these rates.
pub const RATES: [f32; 6] = [1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1];
const PAPER_6: [(LayerKind, [f64; 6]); 3] = [
    (LayerKind::Standard, [79.6, 88.2, 86.3, 88.6, 85.7, 78.8]),
    (LayerKind::Euclidean, [89.7, 90.8, 86.3, 90.8, 92.8, 77.5]),
    (LayerKind::Bregman, [96.5, 94.7, 94.4, 98.7, 98.4, 83.9]),
];

/// Test accuracies in per cent at 100 layers (ICML 2022).
const PAPER_100: [(Init, [&str; 3]); 2] = [
    (Init::Random, ["50.00", "–", "96.36 ± 4.85"]),
    (Init::Deterministic, ["74.62", "–", "98.16 ± 1.74"]),
];

/// The columns that a table lists for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The training loss.
    TrainingLoss,
    /// The training accuracy, in per cent.
    TrainingAccuracy,
    /// The test accuracy, in per cent.
    TestAccuracy,
}

impl Quantity {
    fn title(self) -> &'static str {
        match self {
            Self::TrainingLoss => "training loss",
            Self::TrainingAccuracy => "training accuracy %",
            Self::TestAccuracy => "test accuracy %",
        }
    }

    /// That of a run, in the table's unit; a run that has diverged has the worst.
    pub(super) fn of_run(self, outcome: &Outcome) -> f64 {
        let (value, worst) = match self {
            Self::TrainingLoss => (outcome.loss, f64::INFINITY),
            Self::TrainingAccuracy => (100.0 * outcome.accuracy, f64::NEG_INFINITY),
            Self::TestAccuracy => (100.0 * outcome.test_accuracy, f64::NEG_INFINITY),
        };
        if value.is_finite() { value } else { worst }
    }

    /// Mean ± standard deviation, and the median with the quartiles.
    fn of_row(self, row: &Row) -> [String; 2] {
        match self {
            Self::TrainingLoss => [
                format!("{:.4} ± {:.4}", row.loss.mean, row.loss.sd),
                in_brackets(&row.loss, |loss| format!("{loss:.4}")),
            ],
            Self::TrainingAccuracy => Self::of_accuracy(&row.accuracy),
            Self::TestAccuracy => Self::of_accuracy(&row.test_accuracy),
        }
    }

    fn of_accuracy(accuracy: &Summary) -> [String; 2] {
        [
            percent(accuracy.mean, Some(accuracy.sd)),
            in_brackets(accuracy, |share| format!("{:.1}", 100.0 * share)),
        ]
    }
}

/// The median, and the quartiles in brackets.
fn in_brackets(summary: &Summary, number: impl Fn(f64) -> String) -> String {
    let number = |x: f64| match x.is_finite() {
        true => number(x),
        false => "diverged".to_owned(),
    };
    let [first, third] = summary.quartiles.map(&number);
    format!("{} [{first}, {third}]", number(summary.median))
}

/// A table of a figure: its rows beside the paper's numbers.
#[derive(Debug)]
pub struct Table {
    /// [`Row::figure`] of its rows.
    pub name: &'static str,
    /// The settings that are compared.
    pub quantity: Quantity,
    /// The paper's number for a row, if it has one.
    pub paper: fn(&Row) -> Option<String>,
}

impl Table {
    /// No numbers of the paper's.
    pub(super) fn no_paper(_: &Row) -> Option<String> {
        None
    }

    /// The rows, of which there is at least one, as text.
    pub(super) fn text(&self, rows: &[Row]) -> String {
        let first = &rows[0];
        let mut text = format!(
            "Figure {}: {} after {} epochs of batches of {}, {} layers, {} runs\n\
             {:10} {:13} {:>6} {:>17} {:>27} {:>13} {:>19} {:>8}\n",
            self.name,
            self.quantity.title(),
            first.epochs,
            first.batch_size,
            first.layers,
            first.runs,
            "layer",
            "init",
            "lr",
            "mean ± s. d.",
            "median [quartiles]",
            "paper",
            "stuck % (95 %)",
            "diverged"
        );
        for row in rows {
            let [mean, median] = self.quantity.of_row(row);
            let [low, high] = row.stuck.interval.map(|end| 100.0 * end);
            let stuck = format!("{:.1} ({low:.1}, {high:.1})", 100.0 * row.stuck.share);
            text += &format!(
                "{:10} {:13} {:>6} {mean:>17} {median:>27} {:>13} {stuck:>19} {:>8}\n",
                row.layer,
                row.init,
                row.lr,
                (self.paper)(row).unwrap_or_else(|| "–".to_owned()),
                row.diverged.count
            );
        }
        text
    }
}

/// The place of a row's layer in the paper's numbers.
fn column(row: &Row) -> usize {
    let mut kinds = LayerKind::ALL.iter();
    kinds.position(|kind| kind.name() == row.layer).unwrap_or(0)
}

/// The paper's final losses of Figure 5.
pub(super) fn paper_5(row: &Row) -> Option<String> {
    let (_, losses) = PAPER_5.iter().find(|(init, _)| init.name() == row.init)?;
    Some(format!("{:.3}", losses[column(row)]))
}

/// The paper's training accuracies of Figure 6, left.
pub(super) fn paper_6_left(row: &Row) -> Option<String> {
    let rate = RATES.iter().position(|&rate| rate == row.lr)?;
    Some(format!("{:.1}", PAPER_6[column(row)].1[rate]))
}

/// The test accuracies at 100 layers.
pub(super) fn paper_depth_100(row: &Row) -> Option<String> {
    let (_, accuracies) = PAPER_100.iter().find(|(init, _)| init.name() == row.init)?;
    Some(accuracies[column(row)].to_owned())
}

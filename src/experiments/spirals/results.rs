//! The numbers: one row for each figure, layer and setting, and the tables beside the paper's.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::settings::Points;
use super::train::Trained;
use crate::data::spirals::Spirals;
use crate::experiments::percent;
use crate::kind::{Init, LayerKind};
use crate::nn::Parameters;
use crate::reference::forward;
use crate::sweep::{Record, Run, Samples, Sweep, reference};
use crate::train::{mean, standard_deviation};

/// A run whose final training loss is above this counts as stuck.
pub const STUCK: f64 = 0.1;

/// The results of the runs of one setting. Means and sample standard deviations are over the runs
/// that did not diverge; losses and accuracies (fractions) are on the whole training set after the
/// last epoch, but for the test accuracy.
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
    /// Mean training loss.
    pub loss_mean: f64,
    /// Its standard deviation.
    pub loss_sd: f64,
    /// Mean training accuracy.
    pub accuracy_mean: f64,
    /// Its standard deviation.
    pub accuracy_sd: f64,
    /// Mean test accuracy.
    pub test_accuracy_mean: f64,
    /// Its standard deviation.
    pub test_accuracy_sd: f64,
    /// Number of runs whose final loss is above [`STUCK`].
    pub stuck: usize,
    /// Number of runs that ended in NaN or infinity.
    pub diverged: usize,
    /// In 6-right and depth100: ‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖ of the last layer over that of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_over_first: Option<f64>,
    /// The device that trained them: "cpu", or the adapter's name.
    pub device: String,
    /// Steps of all sweeps of the figure together, by the time that they took.
    pub steps_per_second: f64,
}

/// Mean and sample standard deviation; 0 of a single value, NaN of none.
pub fn spread(values: &[f64]) -> (f64, f64) {
    match values {
        [] => (f64::NAN, f64::NAN),
        _ => (mean(values), standard_deviation(values).unwrap_or(0.0)),
    }
}

/// The row of the runs `which` of a sweep, whose `record` is one of those that were `trained`.
pub fn row(
    figure: &'static str,
    sweep: &Sweep,
    (record, trained): (&Record, &Trained),
    which: Range<usize>,
    points: &Points,
) -> Row {
    let samples = points.train().len() as f64;
    let last = |run: usize| record.metrics[run].last().copied().unwrap_or_default();
    let finite: Vec<usize> = which
        .clone()
        .filter(|&r| last(r).loss.is_finite())
        .collect();
    let of_finite = |f: &dyn Fn(usize) -> f64| finite.iter().map(|&r| f(r)).collect::<Vec<_>>();
    let losses = of_finite(&|r| f64::from(last(r).loss));
    let accuracies = of_finite(&|r| f64::from(last(r).correct) / samples);
    let tested = of_finite(&|r| {
        let parameters = record.parameters[r].map(f64::from);
        let test = of_run(points.test(), &sweep.runs[r]);
        let correct = reference::evaluate(&sweep.model, &parameters, test).correct;
        f64::from(correct) / test.len() as f64
    });
    let (loss_mean, loss_sd) = spread(&losses);
    let (accuracy_mean, accuracy_sd) = spread(&accuracies);
    let (test_accuracy_mean, test_accuracy_sd) = spread(&tested);
    Row {
        figure,
        layer: sweep.model.kind_name(),
        init: sweep.init.name(),
        lr: sweep.runs[which.start].learning_rate,
        layers: sweep.model.layers.len(),
        epochs: sweep.epochs,
        batch_size: sweep.batch_size,
        runs: which.len(),
        loss_mean,
        loss_sd,
        accuracy_mean,
        accuracy_sd,
        test_accuracy_mean,
        test_accuracy_sd,
        stuck: losses.iter().filter(|&&loss| loss > STUCK).count(),
        diverged: which.len() - finite.len(),
        last_over_first: None,
        device: trained.device.clone(),
        steps_per_second: trained.steps_per_second,
    }
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

/// What a table lists of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Mean ± standard deviation of the training loss.
    TrainingLoss,
    /// That of the training accuracy, in per cent.
    TrainingAccuracy,
    /// That of the test accuracy, in per cent.
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

    fn of(self, row: &Row) -> String {
        match self {
            Self::TrainingLoss => format!("{:.4} ± {:.4}", row.loss_mean, row.loss_sd),
            Self::TrainingAccuracy => percent(row.accuracy_mean, Some(row.accuracy_sd)),
            Self::TestAccuracy => percent(row.test_accuracy_mean, Some(row.test_accuracy_sd)),
        }
    }
}

/// A table of a figure: its rows beside the paper's numbers, and the paper's claims about them.
#[derive(Debug)]
pub struct Table {
    /// [`Row::figure`] of its rows.
    pub name: &'static str,
    /// What is compared.
    pub quantity: Quantity,
    /// The paper's number for a row, if it has one.
    pub paper: fn(&Row) -> Option<String>,
    /// The paper's claims, each with whether it holds of the rows.
    pub claims: fn(&[Row]) -> Vec<Claim>,
}

/// A claim of the paper, and whether it was reproduced.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The claim.
    pub text: String,
    /// Whether it holds of the rows.
    pub holds: bool,
    /// The numbers that decide.
    pub numbers: String,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.holds { "" } else { "not " };
        write!(f, "{}: {not}reproduced ({})", self.text, self.numbers)
    }
}

impl Table {
    /// The claims of nothing.
    pub(super) fn no_claims(_: &[Row]) -> Vec<Claim> {
        Vec::new()
    }

    /// No numbers of the paper's.
    pub(super) fn no_paper(_: &Row) -> Option<String> {
        None
    }

    /// The rows, of which there is at least one, as text, and the claims about them.
    pub(super) fn text(&self, rows: &[Row]) -> String {
        let first = &rows[0];
        let mut text = format!(
            "Figure {}: {} after {} epochs of batches of {}, {} layers, {} runs\n\
             {:10} {:13} {:>6} {:>17} {:>13} {:>6} {:>9}\n",
            self.name,
            self.quantity.title(),
            first.epochs,
            first.batch_size,
            first.layers,
            first.runs,
            "layer",
            "init",
            "lr",
            "ours",
            "paper",
            "stuck",
            "diverged"
        );
        for row in rows {
            text += &format!(
                "{:10} {:13} {:>6} {:>17} {:>13} {:>6} {:>9}\n",
                row.layer,
                row.init,
                row.lr,
                self.quantity.of(row),
                (self.paper)(row).unwrap_or_else(|| "–".to_owned()),
                row.stuck,
                row.diverged
            );
        }
        for claim in (self.claims)(rows) {
            text += &format!("{claim}\n");
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

/// `of` the rows of standard, Euclidean and Bregman layers among those that `which` takes; none if
/// one is missing.
fn of_each(
    rows: &[Row],
    which: impl Fn(&Row) -> bool,
    of: impl Fn(&Row) -> f64,
) -> Option<[f64; 3]> {
    let find = |kind: LayerKind| {
        let mut rows = rows.iter();
        rows.find(|row| row.layer == kind.name() && which(row))
            .map(&of)
    };
    Some([
        find(LayerKind::Standard)?,
        find(LayerKind::Euclidean)?,
        find(LayerKind::Bregman)?,
    ])
}

/// What Figure 5 says of random initial weights.
pub(super) fn claims_5_left(rows: &[Row]) -> Vec<Claim> {
    let losses = of_each(rows, |_| true, |row| row.loss_mean);
    let claim = losses.map(|[s, e, b]| Claim {
        text: "Bregman < Euclidean < standard loss with random init".to_owned(),
        holds: b < e && e < s,
        numbers: format!("{b:.4}, {e:.4}, {s:.4}"),
    });
    claim.into_iter().collect()
}

/// What Figure 5 says of deterministic initial weights.
pub(super) fn claims_5_right(rows: &[Row]) -> Vec<Claim> {
    let Some([s, e, b]) = of_each(rows, |_| true, |row| row.loss_mean) else {
        return Vec::new();
    };
    vec![
        Claim {
            text: "standard = Euclidean with deterministic init".to_owned(),
            // The two are one network; rounding drives single runs apart in the end.
            holds: (s - e).abs() < 0.1 * s,
            numbers: format!("{s:.4}, {e:.4}"),
        },
        Claim {
            text: "Bregman below both".to_owned(),
            holds: b < s.min(e),
            numbers: format!("{b:.4}"),
        },
    ]
}

/// What Figure 6, left, says of low learning rates.
pub(super) fn claims_6_left(rows: &[Row]) -> Vec<Claim> {
    let low = RATES.into_iter().filter(|&rate| rate <= 1e-2);
    let claim = |rate: f32| {
        let accuracy = |row: &Row| 100.0 * row.accuracy_mean;
        let [s, e, b] = of_each(rows, |row| row.lr == rate, accuracy)?;
        Some(Claim {
            text: format!("Bregman best at rate {rate}"),
            holds: b > s.max(e),
            numbers: format!("{b:.1}, Euclidean {e:.1}, standard {s:.1}"),
        })
    };
    low.filter_map(claim).collect()
}

/// What Figure 6, right, says of the differences of consecutive layers.
pub(super) fn claims_6_right(rows: &[Row]) -> Vec<Claim> {
    let claim = |init: &Init| {
        let ratio = |row: &Row| row.last_over_first.unwrap_or(f64::NAN);
        let [s, e, b] = of_each(rows, |row| row.init == init.name(), ratio)?;
        Some(Claim {
            text: format!(
                "only Bregman's differences of layers go to 0, {} init",
                init.name()
            ),
            holds: b < VANISHED && s >= VANISHED && e >= VANISHED,
            numbers: format!("last over first: {b:.1e}, Euclidean {e:.1e}, standard {s:.1e}"),
        })
    };
    Init::ALL.iter().filter_map(claim).collect()
}

/// A last difference of layers below this fraction of the first counts as gone to 0.
const VANISHED: f64 = 1e-2;

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of each kind of layer with these losses and ratios of differences.
    fn rows(losses: [f64; 3], ratios: [f64; 3]) -> Vec<Row> {
        let kinds = [
            LayerKind::Standard,
            LayerKind::Euclidean,
            LayerKind::Bregman,
        ];
        let row = |i: usize| Row {
            figure: "5-left",
            layer: kinds[i].name(),
            init: Init::Random.name(),
            lr: 0.1,
            layers: 3,
            epochs: 10,
            batch_size: 10,
            runs: 2,
            loss_mean: losses[i],
            loss_sd: 0.0,
            accuracy_mean: 1.0 - losses[i],
            accuracy_sd: 0.0,
            test_accuracy_mean: 1.0 - losses[i],
            test_accuracy_sd: 0.0,
            stuck: 0,
            diverged: 0,
            last_over_first: Some(ratios[i]),
            device: "cpu".to_owned(),
            steps_per_second: 1.0,
        };
        (0..3).map(row).collect()
    }

    fn verdicts(claims: &[Claim]) -> Vec<bool> {
        claims.iter().map(|claim| claim.holds).collect()
    }

    #[test]
    fn claims_depend_on_the_order_of_the_layers() {
        let ratios = [1.0, 0.5, 1e-3];
        let paper = rows([0.10, 0.07, 0.03], ratios);
        let swapped = rows([0.07, 0.10, 0.03], ratios);
        assert_eq!(verdicts(&claims_5_left(&paper)), [true]);
        assert_eq!(verdicts(&claims_5_left(&swapped)), [false]);
        let equal = rows([0.05, 0.051, 0.06], [1.0, 0.001, 0.001]);
        assert_eq!(verdicts(&claims_5_right(&equal)), [true, false]);
        // Of the rates of Figure 6, none is in these rows.
        assert_eq!(claims_6_left(&paper), []);
        assert_eq!(verdicts(&claims_6_right(&paper)), [true]);
        assert_eq!(verdicts(&claims_6_right(&equal)), [false]);
        // A claim about three kinds of layer says nothing about two.
        assert_eq!(claims_5_left(&paper[..2]), []);
    }

    #[test]
    fn a_claim_that_fails_says_so() {
        let claim = claims_5_left(&rows([0.07, 0.10, 0.03], [1.0; 3])).remove(0);
        let text = "Bregman < Euclidean < standard loss with random init: not reproduced \
                    (0.0300, 0.1000, 0.0700)";
        assert_eq!(claim.to_string(), text);
    }
}

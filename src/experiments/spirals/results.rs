//! The numbers: a row a figure, layer and setting, and the tables beside the paper's.

use bregman::nn::{Init, LayerKind};
use bregman::reference::forward;
use bregman::sweep::{Record, Sweep, reference};
use bregman::train::{mean, standard_deviation};
use serde::Serialize;

use crate::train::Trainer;

/// Final training loss above which a run counts as stuck.
pub const STUCK: f64 = 0.1;

/// What the runs of one setting came to. Means are over the runs that did not diverge; accuracies
/// are fractions.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub figure: &'static str,
    pub layer: &'static str,
    pub init: &'static str,
    pub lr: f32,
    pub layers: usize,
    pub epochs: u32,
    pub batch_size: usize,
    pub runs: usize,
    /// On the whole training set after the last epoch.
    pub loss_mean: f64,
    pub loss_sd: f64,
    pub accuracy_mean: f64,
    pub accuracy_sd: f64,
    pub test_accuracy_mean: f64,
    pub test_accuracy_sd: f64,
    /// Runs whose final loss is above 0.1, and those that ended in NaN or infinity.
    pub stuck: usize,
    pub diverged: usize,
    /// Figure 6, right, and depth100: ‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖ of the last layer over that of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_over_first: Option<f64>,
    pub device: String,
    pub steps_per_second: f64,
}

/// Mean and sample standard deviation; 0 of a single value, NaN of none.
pub fn spread(values: &[f64]) -> (f64, f64) {
    match values {
        [] => (f64::NAN, f64::NAN),
        _ => (mean(values), standard_deviation(values).unwrap_or(0.0)),
    }
}

/// The row of the runs `which` of a sweep.
pub fn row(
    figure: &'static str,
    sweep: &Sweep,
    record: &Record,
    which: std::ops::Range<usize>,
    trainer: &Trainer,
) -> Row {
    let samples = trainer.data.len() as f64;
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
        let correct = reference::evaluate(&sweep.model, &parameters, &trainer.test).correct;
        f64::from(correct) / trainer.test.len() as f64
    });
    let (loss_mean, loss_sd) = spread(&losses);
    let (accuracy_mean, accuracy_sd) = spread(&accuracies);
    let (test_accuracy_mean, test_accuracy_sd) = spread(&tested);
    Row {
        figure,
        layer: sweep.model.kind.name(),
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
        device: String::new(),
        steps_per_second: 0.0,
    }
}

/// ‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖ by layer, the mean over the training points, for each run.
pub fn differences(sweep: &Sweep, record: &Record, trainer: &Trainer) -> Vec<Vec<f64>> {
    let indices: Vec<u32> = (0..trainer.data.len() as u32).collect();
    let (x, _) = reference::batch(&trainer.data, &indices);
    let of_run = |parameters: &bregman::nn::Parameters| {
        let z = forward(&sweep.model, &parameters.map(f64::from), &x).z;
        let distance = |pair: &[Vec<f64>]| {
            let norms = pair[0].chunks_exact(2).zip(pair[1].chunks_exact(2));
            let norms = norms.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
            norms.sum::<f64>() / indices.len() as f64
        };
        z.windows(2).map(distance).collect()
    };
    record.parameters.iter().map(of_run).collect()
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

fn position(layer: &str) -> usize {
    let kinds = LayerKind::ALL.iter();
    kinds
        .clone()
        .position(|kind| kind.name() == layer)
        .unwrap_or(0)
}

/// What the paper has for a row, if the settings are its own.
fn paper(row: &Row) -> String {
    let found = match row.figure {
        "5-left" | "5-right" => PAPER_5
            .iter()
            .find(|(init, _)| init.name() == row.init)
            .map(|(_, losses)| format!("{:.3}", losses[position(row.layer)])),
        "6-left" => PAPER_6
            .iter()
            .find(|(kind, _)| kind.name() == row.layer)
            .and_then(|(_, accuracies)| {
                let place = RATES.iter().position(|&rate| rate == row.lr)?;
                Some(format!("{:.1}", accuracies[place]))
            }),
        "depth100" => PAPER_100
            .iter()
            .find(|(init, _)| init.name() == row.init)
            .map(|(_, accuracies)| accuracies[position(row.layer)].to_owned()),
        _ => None,
    };
    found.unwrap_or_else(|| "–".to_owned())
}

/// The tables, and what they say of the paper's claims, for people.
pub fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut figures: Vec<&str> = rows.iter().map(|row| row.figure).collect();
    figures.dedup();
    for figure in figures {
        let of_figure: Vec<&Row> = rows.iter().filter(|row| row.figure == figure).collect();
        text += &table(figure, &of_figure);
        for claim in claims(figure, &of_figure) {
            text += &format!("{claim}\n");
        }
        text += "\n";
    }
    text
}

fn table(figure: &str, rows: &[&Row]) -> String {
    let quantity = match figure {
        "4" | "5-left" | "5-right" => "training loss",
        "depth100" => "test accuracy %",
        _ => "training accuracy %",
    };
    let first = rows[0];
    let mut text = format!(
        "Figure {figure}: {quantity} after {} epochs of batches of {}, {} layers, {} runs\n\
         {:10} {:13} {:>6} {:>17} {:>13} {:>6} {:>9}\n",
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
        let ours = match quantity {
            "training loss" => format!("{:.4} ± {:.4}", row.loss_mean, row.loss_sd),
            "test accuracy %" => percent(row.test_accuracy_mean, row.test_accuracy_sd),
            _ => percent(row.accuracy_mean, row.accuracy_sd),
        };
        text += &format!(
            "{:10} {:13} {:>6} {ours:>17} {:>13} {:>6} {:>9}\n",
            row.layer,
            row.init,
            row.lr,
            paper(row),
            row.stuck,
            row.diverged
        );
    }
    text
}

fn percent(mean: f64, deviation: f64) -> String {
    format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation)
}

/// The paper's orderings, each as reproduced or not, with the numbers.
fn claims(figure: &str, rows: &[&Row]) -> Vec<String> {
    let verdict = |holds: bool| {
        if holds {
            "reproduced"
        } else {
            "not reproduced"
        }
    };
    let find = |kind: LayerKind, init: Option<Init>, lr: Option<f32>| {
        rows.iter().find(|row| {
            row.layer == kind.name()
                && init.is_none_or(|init| row.init == init.name())
                && lr.is_none_or(|lr| row.lr == lr)
        })
    };
    let of_each = |init, lr| {
        let [standard, euclidean, bregman] = [
            LayerKind::Standard,
            LayerKind::Euclidean,
            LayerKind::Bregman,
        ]
        .map(|kind| find(kind, init, lr));
        Some([standard?, euclidean?, bregman?])
    };
    let mut claims = Vec::new();
    match figure {
        "5-left" => {
            if let Some([standard, euclidean, bregman]) = of_each(None, None) {
                let [s, e, b] = [standard, euclidean, bregman].map(|row| row.loss_mean);
                let held = verdict(b < e && e < s);
                claims.push(format!(
                    "Bregman < Euclidean < standard loss with random init: {held} ({b:.4}, {e:.4}, \
                     {s:.4})"
                ));
            }
        }
        "5-right" => {
            if let Some([standard, euclidean, bregman]) = of_each(None, None) {
                let [s, e, b] = [standard, euclidean, bregman].map(|row| row.loss_mean);
                // The two are one network; rounding drives single runs apart in the end.
                let held = verdict((s - e).abs() < 0.1 * s);
                claims.push(format!(
                    "standard = Euclidean with deterministic init: {held} ({s:.4}, {e:.4})"
                ));
                claims.push(format!(
                    "Bregman below both: {} ({b:.4})",
                    verdict(b < s.min(e))
                ));
            }
        }
        "6-left" => {
            for rate in RATES.iter().copied().filter(|&rate| rate <= 1e-2) {
                if let Some([standard, euclidean, bregman]) = of_each(None, Some(rate)) {
                    let [s, e, b] =
                        [standard, euclidean, bregman].map(|row| 100.0 * row.accuracy_mean);
                    claims.push(format!(
                        "Bregman best at rate {rate}: {} ({b:.1}, Euclidean {e:.1}, standard {s:.1})",
                        verdict(b > s.max(e))
                    ));
                }
            }
        }
        "6-right" => {
            for &init in Init::ALL {
                if let Some(all) = of_each(Some(init), None) {
                    let [s, e, b] = all.map(|row| row.last_over_first.unwrap_or(f64::NAN));
                    let held = b < VANISHED && s >= VANISHED && e >= VANISHED;
                    claims.push(format!(
                        "only Bregman's differences of layers go to 0, {} init: {} (last over \
                         first: {b:.1e}, Euclidean {e:.1e}, standard {s:.1e})",
                        init.name(),
                        verdict(held)
                    ));
                }
            }
        }
        _ => {}
    }
    claims
}

/// Last over first difference of layers below which they count as gone to 0.
const VANISHED: f64 = 1e-2;

//! The figures, drawn from the results alone.

use super::deep::Deep;
use super::recipe::ROWS;
use super::report::Results;
use crate::kind::LayerKind;
use crate::plot::{Axis, Corner, Figure, Marks, Panel, Series, layer_color, layer_name};

/// The figures whose results exist, each with the name of its files.
pub fn figures(results: &Results, deep: &[Deep]) -> Vec<(&'static str, Figure)> {
    let mut figures = vec![
        ("accuracy_by_epoch", by_epoch(results)),
        ("accuracy_by_learning_rate", by_rate(results)),
        ("weight_norms", norms(deep)),
        ("deep_sigmoid", sigmoid(deep)),
    ];
    figures.retain(|(_, figure)| !figure.panels.is_empty());
    figures
}

fn axis(label: &str, log: bool) -> Axis {
    Axis {
        label: label.to_owned(),
        log,
        range: None,
    }
}

fn series(layer: LayerKind, marks: Marks, points: Vec<[f64; 2]>) -> Series {
    Series {
        name: layer_name(layer).to_owned(),
        color: layer_color(layer),
        marks,
        points,
        envelope: Vec::new(),
    }
}

/// A series of `points` for each kind of layer that has any.
fn by_layer(marks: Marks, points: impl Fn(LayerKind) -> Vec<[f64; 2]>) -> Vec<Series> {
    let all = LayerKind::ALL
        .iter()
        .map(|&layer| series(layer, marks, points(layer)));
    all.filter(|series| !series.points.is_empty()).collect()
}

fn figure(title: &str, caption: String, panels: Vec<Panel>) -> Figure {
    Figure {
        title: title.to_owned(),
        caption,
        columns: panels.len().clamp(1, 2),
        panels,
    }
}

/// (1, a), (2, b), … for a, b, ….
fn numbered(values: &[f64], factor: f64) -> Vec<[f64; 2]> {
    let points = values.iter().enumerate();
    points
        .map(|(i, value)| [i as f64 + 1.0, factor * value])
        .collect()
}

fn by_epoch(results: &Results) -> Figure {
    let mut panels = Vec::new();
    for row in &ROWS {
        let series = by_layer(Marks::Line, |layer| {
            let cell = results.cell(row, layer);
            cell.map_or(Vec::new(), |cell| {
                numbered(&cell.test_accuracy_by_epoch, 100.0)
            })
        });
        if !series.is_empty() {
            panels.push(Panel {
                title: row.title.to_owned(),
                x: axis("epoch", false),
                y: axis("test accuracy (%)", false),
                series,
                legend: Corner::BottomRight,
                ..Panel::default()
            });
        }
    }
    let caption = "Mean over the runs of each cell. The learning rate falls twice to a fifth, and \
                   the noise of mini-batches falls with it. Nothing was chosen by these curves.";
    figure(
        "Table 2: test accuracy by epoch",
        caption.to_owned(),
        panels,
    )
}

fn by_rate(results: &Results) -> Figure {
    let mut panels = Vec::new();
    for row in &ROWS {
        let series = by_layer(Marks::LineAndDots, |layer| {
            let own = results.rates.iter();
            let mut points: Vec<[f64; 2]> = own
                .filter(|rate| rate.row == row.name && rate.layer == layer.name())
                .filter_map(|rate| {
                    let accuracy = rate.validation_accuracy?;
                    Some([f64::from(rate.learning_rate()), 100.0 * accuracy])
                })
                .collect();
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            points
        });
        if !series.is_empty() {
            panels.push(Panel {
                title: row.title.to_owned(),
                x: axis("learning rate", true),
                y: axis("validation accuracy (%)", false),
                series,
                legend: Corner::BottomLeft,
                ..Panel::default()
            });
        }
    }
    let caption = "One run for each point, at a constant learning rate, on 10,000 training images \
                   that were held out. Runs that diverged are left out.";
    figure("Accuracy by learning rate", caption.to_owned(), panels)
}

/// The layer's accuracy after the last epoch, for a legend.
fn last(layer: LayerKind, deep: &Deep) -> String {
    let layer = layer_name(layer);
    let accuracies = deep.test_accuracy_by_epoch.as_deref();
    match accuracies.and_then(<[f64]>::last) {
        Some(accuracy) => format!("{layer} ({:.1} %)", 100.0 * accuracy),
        None => format!("{layer} (diverged)"),
    }
}

fn norms(deep: &[Deep]) -> Figure {
    let mut panels = Vec::new();
    for init in ["random", "deterministic"] {
        let mut own = Vec::new();
        for &layer in LayerKind::ALL {
            let mut found = deep.iter().filter(|d| {
                d.figure == "norms" && d.layer == layer.name() && d.recipe.init == init
            });
            if let Some(found) = found.next() {
                let mut weights = series(
                    layer,
                    Marks::LineAndDots,
                    numbered(&found.weight_norms, 1.0),
                );
                weights.name = last(layer, found);
                own.push(weights);
                let mut biases = series(layer, Marks::Dashes, numbered(&found.bias_norms, 1.0));
                biases.name = String::new();
                own.push(biases);
            }
        }
        if !own.is_empty() {
            panels.push(Panel {
                title: format!("{init} start"),
                x: axis("layer", false),
                y: axis("norm", true),
                series: own,
                legend: Corner::BottomLeft,
                ..Panel::default()
            });
        }
    }
    let caption = "MNIST, 20 hidden layers of 128 tanh units after 3 epochs on 20,000 images, \
                   learning rate 0.1, one run. Solid: Frobenius norm of $W$; dashed: norm of $b$. In \
                   brackets the test accuracy.";
    figure(
        "Do the weights of late layers vanish?",
        caption.to_owned(),
        panels,
    )
}

fn sigmoid(deep: &[Deep]) -> Figure {
    let own = |layer: LayerKind| {
        let mut found = deep.iter();
        found.find(|d| d.figure == "sigmoid" && d.layer == layer.name())
    };
    let series = by_layer(Marks::LineAndDots, |layer| {
        let accuracies = own(layer).and_then(|d| d.test_accuracy_by_epoch.as_deref());
        accuracies.map_or(Vec::new(), |accuracies| numbered(accuracies, 100.0))
    });
    let mut panels = Vec::new();
    if !series.is_empty() {
        panels.push(Panel {
            // Room for the legend beside the lines.
            x: Axis {
                range: Some([0.8, 6.6]),
                ..axis("epoch", false)
            },
            y: axis("test accuracy (%)", false),
            series,
            legend: Corner::BottomRight,
            ..Panel::default()
        });
    }
    let caption = "MNIST, 9 hidden layers of 128 sigmoid units, inputs in [0.05, 0.95], random \
                   start, learning rate 0.1, batches of 32, one run.";
    figure("A deep sigmoid network", caption.to_owned(), panels)
}

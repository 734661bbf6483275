//! The pictures of a run: curves by epoch, and the worst mistakes and the first layer of a network of images,
//! or predicted beside true values.

use std::path::Path;

use crate::cli::say::csv_line;
use crate::data::augment::Augmenter;
use crate::data::picture::Style;
use crate::data::{Augmentation, Dataset, Inputs, Targets};
use crate::error::Result;
use crate::files::atomic;
use crate::nn::{Model, Parameters};
use crate::plot::{
    Axis, Corner, Figure, Heat, Image, Marks, PALETTE, Panel, Rgb, Series, Sheet, diverging,
    layer_color, layer_name,
};
use crate::predict::{self, Mistake, mistakes, outputs};
use crate::train::confusion::Confusion;
use crate::train::{EpochMetrics, mean, present};

/// Mistakes shown.
const MISTAKES: usize = 25;
/// The number of test samples that are searched for the mistakes of a network with convolutions.
const LOOKED_AT: usize = 500;
/// Classes of the largest confusion matrix that is written.
const MOST_CLASSES: usize = 1000;
/// The number of values of a sample that are shown, if there are several.
const VALUES: usize = 6;
/// Neurons of the first layer shown.
const NEURONS: usize = 64;

/// The pictures of a run.
pub const FILES: [&str; 10] = [
    "augmented.png",
    "confusion.csv",
    "confusion.png",
    "curves.png",
    "curves.svg",
    "mistakes.png",
    "first_layer.png",
    "predicted.csv",
    "predicted.png",
    "predicted.svg",
];

/// The pictures of a grid of runs.
pub const OF_GRID: [&str; 2] = ["grid.png", "grid.svg"];

/// Writes `curves` as PNG and SVG to `folder`, with `prefix` before their names; of a network that predicts
/// classes, `confusion` as CSV and PNG, and for images `mistakes` and `first_layer` as PNG; of one that predicts
/// values, `predicted` as CSV, PNG and SVG.
///
/// # Errors
/// [`crate::error::Error::Io`], and those of [`predict::logits`].
pub fn write(
    (folder, prefix): (&Path, &str),
    model: &Model,
    parameters: &Parameters,
    epochs: &[EpochMetrics],
    test: &Dataset,
    settings: &str,
) -> Result<()> {
    let path = |name: &str| folder.join(format!("{prefix}{name}"));
    if !epochs.is_empty() {
        curves(model, epochs, settings).save(&path("curves"))?;
    }
    if let Targets::Values(values) = &test.targets {
        let logits = predict::logits(model, parameters, test.inputs.clone())?;
        let found = predict::values(model, &logits);
        let values = predict::values(model, values);
        let names = value_names(model);
        let csv = predicted_csv(&names, &values, &found);
        atomic::write(&path("predicted.csv"), csv.as_bytes())?;
        predicted(&names, &values, &found, settings).save(&path("predicted"))?;
        return Ok(());
    }
    // Convolutions are computed by the slow reference, so only a part of the samples is used.
    let mut looked_at = test.clone();
    if model.cnn.is_some() {
        looked_at.truncate(LOOKED_AT);
    }
    let outputs = outputs(model, parameters, &looked_at.inputs);
    if model.head.outputs <= MOST_CLASSES {
        let counts = Confusion::new(&outputs, model.head.outputs, looked_at.labels());
        atomic::write(&path("confusion.csv"), counts.csv().as_bytes())?;
        confusion(&counts, looked_at.len(), settings).save_png(&path("confusion.png"))?;
    }
    if test.pixels().is_empty() {
        return Ok(());
    }
    let worst = mistakes(model, parameters, &looked_at, MISTAKES);
    mistakes_sheet(model, &worst, &looked_at, settings).save_png(&path("mistakes"))?;
    if model.cnn.is_none() && test.channels == 1 {
        first_layer(model, parameters, test.image, settings).save_png(&path("first_layer"))?;
    }
    Ok(())
}

/// Sixteen images: four training samples, and three versions of each as the first epochs of the run with
/// `seed` show them.
///
/// # Errors
/// Those of [`Augmenter::new`].
pub fn augmented(augmentation: Augmentation, train: &Dataset, seed: u64) -> Result<Sheet> {
    let augmenter = Augmenter::new(augmentation, train)?;
    let image = |caption: String, data: &Dataset, sample| Image {
        caption,
        width: data.image[1],
        pixels: pixels_of(data, sample),
    };
    let mut images = Vec::new();
    for sample in 0..train.len().min(4) {
        images.push(image(format!("sample {sample}"), train, sample));
        for epoch in 0..3 {
            let mut one = train.select(&[sample as u32]);
            let bytes = one.pixels().to_vec();
            let mut changed = vec![0; bytes.len()];
            augmenter.apply(seed, epoch, sample as u32, &bytes, &mut changed);
            one.inputs = Inputs::Bytes(changed);
            images.push(image(format!("in epoch {}", epoch + 1), &one, 0));
        }
    }
    Ok(Sheet {
        title: format!(
            "Training images of {} and what epochs make of them",
            train.name
        ),
        caption: format!("{augmentation}, seed {seed}"),
        columns: 4,
        images,
    })
}

/// A line of means with a band from the lowest to the highest realization.
fn line<'a>(
    name: &str,
    color: Rgb,
    marks: Marks,
    epochs: &'a [EpochMetrics],
    scale: f64,
    of: impl Fn(&'a EpochMetrics) -> &'a [f64],
) -> Series {
    // A realization that diverged, or whose patience is over, is left out.
    let each = epochs
        .iter()
        .map(|e| (f64::from(e.epoch), present(of(e))))
        .filter(|(_, values)| !values.is_empty());
    let fold = |values: &[f64], f: fn(f64, f64) -> f64| values.iter().copied().reduce(f);
    Series {
        name: name.to_owned(),
        color,
        marks,
        points: each
            .clone()
            .map(|(x, values)| [x, scale * mean(&values)])
            .collect(),
        envelope: each
            .filter_map(|(x, values)| {
                let [low, high] = [fold(&values, f64::min)?, fold(&values, f64::max)?];
                (values.len() > 1).then_some([x, scale * low, scale * high])
            })
            .collect(),
    }
}

fn curves(model: &Model, epochs: &[EpochMetrics], settings: &str) -> Figure {
    let realizations = epochs.first().map_or(0, |e| e.test_accuracies.len());
    let color = model
        .uniform()
        .map_or(PALETTE[0], |layer| layer_color(layer.kind));
    let axis = |label: &str| Axis {
        label: label.to_owned(),
        ..Axis::default()
    };
    let mut accuracies = vec![
        line("training", PALETTE[6], Marks::Dashes, epochs, 100.0, |e| {
            &e.train_accuracies
        }),
        line("test", color, Marks::LineAndDots, epochs, 100.0, |e| {
            &e.test_accuracies
        }),
    ];
    if epochs.iter().all(|e| e.val_accuracies.is_some()) {
        let of = |e: &'_ EpochMetrics| -> Vec<f64> { e.val_accuracies.clone().unwrap_or_default() };
        let points = epochs
            .iter()
            .map(|e| [f64::from(e.epoch), 100.0 * mean(&present(&of(e)))]);
        accuracies.push(Series {
            name: "validation".to_owned(),
            color: PALETTE[4],
            points: points.collect(),
            ..Series::default()
        });
    }
    let is_regression = epochs.iter().all(|e| e.test_accuracy.is_nan());
    let mut losses = vec![line("test", color, Marks::LineAndDots, epochs, 1.0, |e| {
        &e.test_losses
    })];
    if epochs.iter().all(|e| e.val_loss.is_some()) {
        let points = epochs
            .iter()
            .map(|e| [f64::from(e.epoch), e.val_loss.unwrap_or(f64::NAN)]);
        losses.push(Series {
            name: "validation".to_owned(),
            color: PALETTE[4],
            points: points.collect(),
            ..Series::default()
        });
    }
    let band = match realizations {
        1 => "1 realization",
        _ => "lines are means, bands go from the lowest realization to the highest",
    };
    Figure {
        title: format!(
            "Training of a {} network, {}",
            model
                .uniform()
                .map_or("mixed", |layer| layer_name(layer.kind)),
            model.activation_name()
        ),
        caption: format!("{settings}; {band}"),
        panels: vec![
            Panel {
                title: "Training loss, running mean of the epoch".to_owned(),
                x: axis("epoch"),
                y: axis("loss"),
                series: vec![line("", color, Marks::LineAndDots, epochs, 1.0, |e| {
                    &e.train_losses
                })],
                legend: Corner::Nowhere,
                ..Panel::default()
            },
            match is_regression {
                true => Panel {
                    title: "Loss on samples that are not trained on".to_owned(),
                    x: axis("epoch"),
                    y: axis("loss"),
                    series: losses,
                    legend: Corner::TopRight,
                    ..Panel::default()
                },
                false => Panel {
                    title: "Accuracy".to_owned(),
                    x: axis("epoch"),
                    y: axis("accuracy (%)"),
                    series: accuracies,
                    legend: Corner::BottomRight,
                    ..Panel::default()
                },
            },
        ],
        columns: 2,
    }
}

/// The numbers of samples by class and prediction, as fractions of their class.
fn confusion(counts: &Confusion, samples: usize, settings: &str) -> Figure {
    let classes = counts.classes();
    let mut values = Vec::new();
    for class in 0..classes {
        let of_class = (0..classes).map(|prediction| counts.count(class, prediction));
        let of_class: Vec<f64> = of_class.map(|count| count as f64).collect();
        let all = of_class.iter().sum::<f64>().max(1.0);
        values.extend(of_class.iter().map(|count| count / all));
    }
    let last = classes as f64 - 0.5;
    let axis = |label: &str| Axis {
        label: label.to_owned(),
        range: Some([-0.5, last]),
        ..Axis::default()
    };
    let panel = Panel {
        x: axis("predicted class"),
        y: axis("class"),
        heat: Some(Heat {
            x: [-0.5, last],
            y: [-0.5, last],
            columns: classes,
            values,
            // White is none: mistakes are few.
            range: [-1.0, 1.0],
        }),
        legend: Corner::Nowhere,
        ..Panel::default()
    };
    let caption = format!("{samples} test samples; white 0 %, orange 100 % of a class; {settings}");
    Figure::of("Confusion matrix", &caption, panel)
}

/// The names of the values that a network predicts.
fn value_names(model: &Model) -> Vec<String> {
    match model.target() {
        Some(target) => target.names().to_vec(),
        None => (1..=model.head.outputs).map(|j| format!("y{j}")).collect(),
    }
}

/// The true and the predicted values of each sample, (samples, values) each, as CSV.
fn predicted_csv(names: &[String], values: &[f64], found: &[f64]) -> String {
    let header = names
        .iter()
        .flat_map(|name| [name.clone(), format!("{name} predicted")]);
    let mut csv = csv_line(header);
    let width = names.len();
    for (values, found) in values.chunks_exact(width).zip(found.chunks_exact(width)) {
        let cells = values
            .iter()
            .zip(found)
            .flat_map(|(value, found)| [value, found]);
        csv += &csv_line(cells.map(f64::to_string));
    }
    csv
}

/// Predicted values against true ones, a panel for each value of a sample.
fn predicted(names: &[String], values: &[f64], found: &[f64], settings: &str) -> Figure {
    let width = names.len();
    let panel = |(j, name): (usize, &String)| {
        let column =
            |all: &[f64]| -> Vec<f64> { all.iter().skip(j).step_by(width).copied().collect() };
        let (values, found) = (column(values), column(found));
        let all = values.iter().chain(&found).copied();
        let low = all.clone().fold(f64::INFINITY, f64::min);
        let high = all.fold(f64::NEG_INFINITY, f64::max);
        let axis = |label: String| Axis {
            label,
            ..Axis::default()
        };
        Panel {
            x: axis(format!("{name}, true")),
            y: axis(format!("{name}, predicted")),
            series: vec![
                Series {
                    name: "true = predicted".to_owned(),
                    color: PALETTE[6],
                    marks: Marks::Dashes,
                    points: vec![[low, low], [high, high]],
                    ..Series::default()
                },
                Series {
                    name: "test samples".to_owned(),
                    color: PALETTE[0],
                    marks: Marks::Dots,
                    points: values.into_iter().zip(found).map(|(v, f)| [v, f]).collect(),
                    ..Series::default()
                },
            ],
            legend: Corner::BottomRight,
            ..Panel::default()
        }
    };
    Figure {
        title: "Predicted and true values of the test samples".to_owned(),
        caption: settings.to_owned(),
        panels: names.iter().enumerate().take(VALUES).map(panel).collect(),
        columns: 2,
    }
}

fn mistakes_sheet(model: &Model, worst: &[Mistake], test: &Dataset, settings: &str) -> Sheet {
    let name = |class: usize| {
        let own = model.target().and_then(|target| target.names().get(class));
        let of_style = || Style::of_dataset(&test.name).map(|style| style.class_name(class));
        let own = own.cloned().or_else(|| of_style().ok());
        own.unwrap_or_else(|| class.to_string())
    };
    let image = |mistake: &Mistake| Image {
        caption: format!(
            "is {}\nseen as {} ({:.1} %)",
            name(mistake.label),
            name(mistake.prediction),
            100.0 * mistake.probability
        ),
        width: test.image[1],
        pixels: pixels_of(test, mistake.sample),
    };
    Sheet {
        title: format!(
            "The {} most confident mistakes on {} test images of {}",
            worst.len(),
            test.len(),
            test.name
        ),
        caption: settings.to_owned(),
        columns: 5,
        images: worst.iter().map(image).collect(),
    }
}

/// A sample as an image: grey levels, or red, green and blue, plane by plane.
fn pixels_of(data: &Dataset, sample: usize) -> Vec<Rgb> {
    let pixels = &data.pixels()[sample * data.features()..][..data.features()];
    let plane = data.image[0] * data.image[1];
    let channel = |c: usize| if data.channels == 3 { c * plane } else { 0 };
    (0..plane)
        .map(|i| [0, 1, 2].map(|c| pixels[channel(c) + i]))
        .collect()
}

fn first_layer(
    model: &Model,
    parameters: &Parameters,
    [_, width]: [usize; 2],
    settings: &str,
) -> Sheet {
    let weight = &parameters.layers[0].weight;
    let norm = |row: &[f32]| row.iter().map(|w| w * w).sum::<f32>();
    let mut rows: Vec<(usize, &[f32])> = weight.chunks_exact(model.inputs()).enumerate().collect();
    rows.sort_by(|a, b| norm(b.1).total_cmp(&norm(a.1)));
    rows.truncate(NEURONS);
    let largest = rows.iter().flat_map(|(_, row)| row.iter());
    let largest = largest.fold(f32::MIN_POSITIVE, |most, w| most.max(w.abs()));
    let image = |(neuron, row): (usize, &[f32])| Image {
        caption: neuron.to_string(),
        width,
        pixels: row
            .iter()
            .map(|&w| diverging(f64::from(w / largest)))
            .collect(),
    };
    Sheet {
        title: format!(
            "Weights of the first layer, its {} largest neurons",
            rows.len()
        ),
        caption: format!("blue −{largest:.3}, white 0, orange {largest:.3}; {settings}"),
        columns: 8,
        images: rows.into_iter().map(image).collect(),
    }
}

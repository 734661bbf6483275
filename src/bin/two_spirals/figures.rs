//! The figures: their settings, and how they are drawn.

use bregman::atomic_file;
use bregman::data::spirals::{Spirals, input_range};
use bregman::error::Result;
use bregman::nn::{Init, LayerKind, Loss, Model, Parameters};
use bregman::plot::{
    Axis, Corner, Figure, Heat, Marks, PALETTE, Panel, Series, layer_color, layer_name,
};
use bregman::reference::forward;
use bregman::sweep::{self, Record, Run, Sweep, reference};
use glam::DVec2;

use crate::keep;
use crate::options::{Choice, Options};
use crate::report::say;
use crate::results::{RATES, Row, differences, row, spread};
use crate::train::{Trained, Trainer};

/// The settings of a figure, where no option replaces them.
struct Defaults {
    layers: usize,
    epochs: u32,
    batch_size: usize,
    rates: &'static [f32],
    inits: &'static [Init],
}

fn defaults(figure: Choice) -> Defaults {
    let shallow = Defaults {
        layers: 3,
        epochs: 1000,
        batch_size: 10,
        rates: &[0.1],
        inits: &[Init::Random],
    };
    match figure {
        Choice::Five => Defaults {
            inits: Init::ALL,
            ..shallow
        },
        Choice::SixLeft => Defaults {
            epochs: 10_000,
            rates: &RATES,
            ..shallow
        },
        Choice::SixRight => Defaults {
            layers: 50,
            epochs: 300,
            inits: Init::ALL,
            ..shallow
        },
        Choice::Depth100 => Defaults {
            layers: 100,
            epochs: 1000,
            batch_size: 16,
            rates: &[0.01],
            inits: Init::ALL,
        },
        Choice::Four | Choice::All => shallow,
    }
}

/// The settings of a figure, as the options have them.
struct Settings<'a> {
    options: &'a Options,
    figure: Choice,
    layers: usize,
    epochs: u32,
    batch_size: usize,
    rates: Vec<f32>,
    inits: Vec<Init>,
}

impl Settings<'_> {
    fn new(figure: Choice, options: &Options) -> Settings<'_> {
        let defaults = defaults(figure);
        let mut rates = options.lr.clone().unwrap_or(defaults.rates.to_vec());
        if figure != Choice::SixLeft {
            rates.truncate(1);
        }
        let mut inits = options
            .init
            .map_or(defaults.inits.to_vec(), |init| vec![init]);
        if figure == Choice::Four {
            inits.truncate(1);
        }
        Settings {
            options,
            figure,
            layers: options.layers.unwrap_or(defaults.layers),
            epochs: options.epochs.unwrap_or(defaults.epochs),
            batch_size: options.batch_size.unwrap_or(defaults.batch_size),
            rates,
            inits,
        }
    }

    /// One sweep of `kind`: all runs at all rates, rate by rate.
    fn sweep(&self, kind: LayerKind, init: Init, record_every: u32) -> Result<Sweep> {
        let Options {
            form,
            activation,
            loss,
            runs,
            seed,
            ..
        } = *self.options;
        let of_rate = |&learning_rate| {
            (0..runs as u64).map(move |run| Run {
                seed: seed.wrapping_add(run),
                learning_rate,
            })
        };
        Ok(Sweep {
            model: sweep::network(kind, form, activation, loss, self.layers)?,
            init,
            runs: self.rates.iter().flat_map(of_rate).collect(),
            epochs: self.epochs,
            batch_size: self.batch_size,
            record_every,
        })
    }

    /// What the figure shows, from every initialisation.
    fn sweeps(&self) -> Result<Vec<Sweep>> {
        let (kinds, record_every) = match self.figure {
            Choice::Four => (&[LayerKind::Bregman][..], self.epochs),
            Choice::Five => (LayerKind::ALL, self.epochs.div_ceil(1000)),
            _ => (LayerKind::ALL, self.epochs),
        };
        let mut sweeps = Vec::new();
        for &init in &self.inits {
            for &kind in kinds {
                sweeps.push(self.sweep(kind, init, record_every)?);
            }
        }
        Ok(sweeps)
    }

    /// All that the sweeps depend on, as options.
    fn described(&self) -> keep::Settings {
        let options = self.options;
        let list = |words: Vec<String>| words.join(",");
        [
            ("--runs", options.runs.to_string()),
            ("--epochs", self.epochs.to_string()),
            (
                "--lr",
                list(self.rates.iter().map(f32::to_string).collect()),
            ),
            ("--batch-size", self.batch_size.to_string()),
            ("--activation", options.activation.name.to_owned()),
            ("--layers", self.layers.to_string()),
            (
                "--init",
                list(self.inits.iter().map(|i| i.name().to_owned()).collect()),
            ),
            ("--form", options.form.name().to_owned()),
            ("--loss", options.loss.name().to_owned()),
            ("--seed", options.seed.to_string()),
        ]
        .into()
    }

    fn caption(&self, what: &str) -> String {
        let options = self.options;
        let last = options.seed.wrapping_add(options.runs as u64 - 1);
        let rate = match self.rates.as_slice() {
            [rate] => format!(", learning rate {rate}"),
            _ => String::new(),
        };
        format!(
            "{what} {} layers of 2 neurons, {}, {} form, {}, batches of {}, {} epochs{rate}.\n\
             {} runs, seeds {} to {last}, on 1000 points.",
            self.layers,
            options.activation.name,
            options.form.name(),
            match options.loss {
                Loss::MeanSquaredError => "squared error",
                Loss::CrossEntropy => "cross-entropy",
            },
            self.batch_size,
            self.epochs,
            options.runs,
            options.seed,
        )
    }

    fn save(&self, stem: &str, figure: &Figure, csv: &str) -> Result<()> {
        let folder = &self.options.out_dir;
        figure.save(&folder.join(stem))?;
        atomic_file::write(&folder.join(format!("{stem}.csv")), csv.as_bytes())?;
        Ok(())
    }

    /// Where the loss is read.
    fn loss_label(&self) -> &'static str {
        match self.options.loss {
            Loss::MeanSquaredError => "training loss (mean squared error)",
            Loss::CrossEntropy => "training loss (cross-entropy, nats)",
        }
    }
}

/// Finds out, before anything is trained, whether what is to go on fits the options.
///
/// # Errors
/// Those of [`Trainer::kept`].
pub fn check_kept(options: &Options, trainer: &Trainer) -> Result<()> {
    let mut found = false;
    for figure in options.figures() {
        let settings = Settings::new(figure, options);
        let kept = trainer.kept(figure, &settings.described(), &settings.sweeps()?)?;
        found |= kept.is_some();
    }
    if options.resume && !found {
        say(format_args!(
            "there is no checkpoint in {}: starting from the beginning",
            options.out_dir.display()
        ));
    }
    Ok(())
}

/// Trains what `figure` shows, draws it, and writes its numbers; none if the program was asked to
/// stop.
///
/// # Errors
/// Those of training and of writing files.
pub fn make(figure: Choice, options: &Options, trainer: &mut Trainer) -> Result<Option<Vec<Row>>> {
    let settings = Settings::new(figure, options);
    let sweeps = settings.sweeps()?;
    let Some(trained) = trainer.train(figure, &settings.described(), &sweeps)? else {
        return Ok(None);
    };
    let draw = match figure {
        Choice::Four => representations,
        Choice::Five => losses,
        Choice::SixLeft => rates,
        Choice::SixRight => layer_differences,
        Choice::Depth100 => depth,
        Choice::All => return Ok(Some(Vec::new())),
    };
    draw(&settings, &sweeps, &trained, trainer).map(Some)
}

/// A row with what all rows of a figure share.
fn rows_of(
    figure: &'static str,
    settings: &Settings<'_>,
    sweep: &Sweep,
    (record, trained): (&Record, &Trained),
    trainer: &Trainer,
) -> Vec<Row> {
    let runs = settings.options.runs;
    (0..settings.rates.len())
        .map(|rate| Row {
            device: trained.device.clone(),
            steps_per_second: trained.steps_per_second,
            ..row(
                figure,
                sweep,
                record,
                rate * runs..(rate + 1) * runs,
                trainer,
            )
        })
        .collect()
}

/// Figure 4: the points after each layer of the Bregman network that classifies most of them.
fn representations(
    settings: &Settings<'_>,
    sweeps: &[Sweep],
    trained: &Trained,
    trainer: &Trainer,
) -> Result<Vec<Row>> {
    let (sweep, record) = (&sweeps[0], &trained.records[0]);
    let best = (0..sweep.runs.len())
        .max_by_key(|&run| record.metrics[run].last().map_or(0, |m| m.correct))
        .unwrap_or(0);
    let correct = record.metrics[best].last().map_or(0, |m| m.correct);
    let parameters = record.parameters[best].map(f64::from);

    let all: Vec<u32> = (0..trainer.data.len() as u32).collect();
    let (x, _) = reference::batch(&trainer.data, &all);
    let trace = forward(&sweep.model, &parameters, &x);
    let points = |l: usize| -> Vec<DVec2> {
        let pairs = trace.z[l].chunks_exact(2);
        pairs.map(DVec2::from_slice).collect()
    };
    let depth = sweep.model.layers.len();
    let mut csv = String::from("layer,label,x,y\n");
    let mut panels = Vec::new();
    for l in 0..=depth {
        let points = points(l);
        for (point, label) in points.iter().zip(&trainer.data.labels) {
            csv += &format!("{l},{label},{},{}\n", point.x, point.y);
        }
        let (low, high) = points.iter().fold(
            (DVec2::INFINITY, DVec2::NEG_INFINITY),
            |(low, high), &point| (low.min(point), high.max(point)),
        );
        let margin = (0.04 * (high - low)).max(DVec2::splat(1e-3));
        let (low, high) = (low - margin, high + margin);
        let mut series = scatter(&trainer.data, &points);
        if l == depth {
            series.extend(separating_line(&sweep.model, &parameters, low, high));
        }
        let axis = |name: &str, low: f64, high: f64| Axis {
            label: format!("{name} of $z^{{({l})}}$"),
            log: false,
            range: Some([low, high]),
        };
        panels.push(Panel {
            title: match l {
                0 => "input, with the network's output".to_owned(),
                1 => "after layer 1".to_owned(),
                _ if l == depth => format!("after layer {l}, with the separating line"),
                _ => format!("after layer {l}"),
            },
            x: axis("first coordinate", low.x, high.x),
            y: axis("second coordinate", low.y, high.y),
            heat: (l == 0).then(|| outputs(&sweep.model, &parameters, low, high)),
            series,
            legend: if l == 0 {
                Corner::TopRight
            } else {
                Corner::Nowhere
            },
        });
    }
    let caption = settings.caption(&format!(
        "The run with most points right ({correct} of {}: seed {}, {} init). Blue to orange: the \
         network's output from 0 to 1.\n",
        trainer.data.len(),
        sweep.runs[best].seed,
        sweep.init.name()
    ));
    let figure = Figure {
        title: "Figure 4: what each Bregman layer makes of two spirals".to_owned(),
        caption,
        panels,
        columns: 2,
    };
    settings.save("figure-4", &figure, &csv)?;
    Ok(rows_of("4", settings, sweep, (record, trained), trainer))
}

/// The two classes.
fn scatter(data: &Spirals, points: &[DVec2]) -> Vec<Series> {
    let class = |class: u8| {
        let of_class = points.iter().zip(&data.labels);
        let of_class = of_class.filter(|&(_, &label)| label == class);
        Series {
            name: format!("class {class}"),
            color: [PALETTE[0], PALETTE[3]][usize::from(class)],
            marks: [Marks::Dots, Marks::Rings][usize::from(class)],
            points: of_class.map(|(point, _)| point.to_array()).collect(),
            envelope: Vec::new(),
        }
    };
    vec![class(0), class(1)]
}

/// How far the network is for class 1 at `z` after its last layer: 0 on the separating line.
fn head(model: &Model, parameters: &Parameters<f64>, z: DVec2) -> f64 {
    let p = &parameters.head;
    let output = |j: usize| DVec2::from_slice(&p.weight[2 * j..]).dot(z) + p.bias[j];
    match model.loss {
        Loss::MeanSquaredError => output(0) - 0.5,
        Loss::CrossEntropy => output(1) - output(0),
    }
}

/// The line between the classes after the last layer, where it crosses the chart.
fn separating_line(
    model: &Model,
    parameters: &Parameters<f64>,
    low: DVec2,
    high: DVec2,
) -> Option<Series> {
    let corners = [
        low,
        DVec2::new(high.x, low.y),
        high,
        DVec2::new(low.x, high.y),
    ];
    let crossings = (0..4).filter_map(|side| {
        let (from, to) = (corners[side], corners[(side + 1) % 4]);
        let [start, end] = [from, to].map(|z| head(model, parameters, z));
        (start * end < 0.0).then(|| from.lerp(to, start / (start - end)).to_array())
    });
    let points: Vec<_> = crossings.collect();
    (points.len() == 2).then(|| Series {
        name: "separating line".to_owned(),
        color: [0; 3],
        marks: Marks::Line,
        points,
        envelope: Vec::new(),
    })
}

/// The network's output over the plane of inputs, ½ on the boundary of the classes.
fn outputs(model: &Model, parameters: &Parameters<f64>, low: DVec2, high: DVec2) -> Heat {
    const CELLS: usize = 160;
    let [least, most] = input_range(model.activation).map(f64::from);
    let mut x = Vec::with_capacity(2 * CELLS * CELLS);
    for j in 0..CELLS {
        for i in 0..CELLS {
            let share = (DVec2::new(i as f64, j as f64) + 0.5) / CELLS as f64;
            let cell = low + share * (high - low);
            x.extend(
                cell.clamp(DVec2::splat(least), DVec2::splat(most))
                    .to_array(),
            );
        }
    }
    let z = forward(model, parameters, &x).z;
    let last = z[model.layers.len()].chunks_exact(2);
    Heat {
        x: [low.x, high.x],
        y: [low.y, high.y],
        columns: CELLS,
        values: last
            .map(|z| 0.5 + head(model, parameters, DVec2::from_slice(z)))
            .collect(),
        range: [0.0, 1.0],
    }
}

/// Figure 5: loss by epoch.
fn losses(
    settings: &Settings<'_>,
    sweeps: &[Sweep],
    trained: &Trained,
    trainer: &Trainer,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &init in &settings.inits {
        let (figure, stem) = match init {
            Init::Random => ("5-left", "figure-5-left"),
            Init::Deterministic => ("5-right", "figure-5-right"),
        };
        let mut csv = String::from("layer,epoch,loss_mean,loss_sd,finite_runs\n");
        let mut series = Vec::new();
        let all = sweeps.iter().zip(&trained.records);
        for (sweep, record) in all.filter(|(sweep, _)| sweep.init == init) {
            let kind = sweep.model.kind;
            let mut points = Vec::new();
            for (e, &epoch) in record.epochs.iter().enumerate() {
                let of_epoch = record.metrics.iter().map(|run| f64::from(run[e].loss));
                let finite: Vec<f64> = of_epoch.filter(|loss| loss.is_finite()).collect();
                let (mean, deviation) = spread(&finite);
                let runs = finite.len();
                csv += &format!("{},{epoch},{mean},{deviation},{runs}\n", kind.name());
                points.push((f64::from(epoch), mean, deviation));
            }
            series.push(Series::with_deviation(
                layer_name(kind),
                layer_color(kind),
                &points,
            ));
            rows.extend(rows_of(figure, settings, sweep, (record, trained), trainer));
        }
        let panel = Panel {
            x: Axis {
                label: "epoch".to_owned(),
                ..Axis::default()
            },
            y: Axis {
                label: settings.loss_label().to_owned(),
                // The paper's axis.
                range: (settings.options.loss == Loss::MeanSquaredError).then_some([0.0, 0.25]),
                ..Axis::default()
            },
            series,
            ..Panel::default()
        };
        let title = format!("Figure 5: training loss, {} initial weights", init.name());
        let what = "Mean ± standard deviation of the loss on all training points after each epoch.";
        let figure = Figure::of(&title, &settings.caption(what), panel);
        settings.save(stem, &figure, &csv)?;
    }
    Ok(rows)
}

/// Figure 6, left: accuracy by learning rate.
fn rates(
    settings: &Settings<'_>,
    sweeps: &[Sweep],
    trained: &Trained,
    trainer: &Trainer,
) -> Result<Vec<Row>> {
    let mut csv = String::from("layer,init,lr,seed,loss,accuracy\n");
    let (mut rows, mut series) = (Vec::new(), Vec::new());
    for (sweep, record) in sweeps.iter().zip(&trained.records) {
        let kind = sweep.model.kind;
        for (run, metrics) in sweep.runs.iter().zip(&record.metrics) {
            let last = metrics.last().copied().unwrap_or_default();
            csv += &format!(
                "{},{},{},{},{},{}\n",
                kind.name(),
                sweep.init.name(),
                run.learning_rate,
                run.seed,
                last.loss,
                f64::from(last.correct) / trainer.data.len() as f64
            );
        }
        let of_kind = rows_of("6-left", settings, sweep, (record, trained), trainer);
        let points: Vec<_> = of_kind
            .iter()
            .map(|row| {
                let rate = f64::from(row.lr);
                (rate, 100.0 * row.accuracy_mean, 100.0 * row.accuracy_sd)
            })
            .collect();
        series.push(Series {
            marks: Marks::LineAndDots,
            ..Series::with_deviation(layer_name(kind), layer_color(kind), &points)
        });
        rows.extend(of_kind);
    }
    let panel = Panel {
        x: Axis {
            label: "learning rate".to_owned(),
            log: true,
            range: None,
        },
        y: Axis {
            label: "training accuracy (%)".to_owned(),
            log: false,
            range: Some([45.0, 102.0]),
        },
        series,
        legend: Corner::BottomLeft,
        ..Panel::default()
    };
    let diverged: usize = rows.iter().map(|row| row.diverged).sum();
    let what = format!(
        "Mean ± standard deviation over the runs that stayed finite ({diverged} of {} did not), {} \
         initial weights.\n",
        rows.iter().map(|row| row.runs).sum::<usize>(),
        settings.inits[0].name()
    );
    let title = "Figure 6, left: training accuracy by learning rate";
    let figure = Figure::of(title, &settings.caption(&what), panel);
    settings.save("figure-6-left", &figure, &csv)?;
    Ok(rows)
}

/// Figure 6, right: differences of consecutive layers.
fn layer_differences(
    settings: &Settings<'_>,
    sweeps: &[Sweep],
    trained: &Trained,
    trainer: &Trainer,
) -> Result<Vec<Row>> {
    let mut csv = String::from("layer_kind,init,layer,difference_mean,difference_sd\n");
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for &init in &settings.inits {
        let mut series = Vec::new();
        let all = sweeps.iter().zip(&trained.records);
        for (sweep, record) in all.filter(|(sweep, _)| sweep.init == init) {
            let kind = sweep.model.kind;
            let by_run = differences(sweep, record, trainer);
            let points = by_layer(&by_run);
            for &(layer, mean, deviation) in &points {
                let (kind, init) = (kind.name(), init.name());
                csv += &format!("{kind},{init},{layer},{mean},{deviation}\n");
            }
            let ratio = match (points.first(), points.last()) {
                (Some(first), Some(last)) => last.1 / first.1,
                _ => f64::NAN,
            };
            for row in rows_of("6-right", settings, sweep, (record, trained), trainer) {
                rows.push(Row {
                    last_over_first: Some(ratio),
                    ..row
                });
            }
            series.push(band(kind, &points));
        }
        panels.push(Panel {
            title: format!("{} initial weights", init.name()),
            x: Axis {
                label: "layer $l$".to_owned(),
                ..Axis::default()
            },
            y: Axis {
                label: "mean $‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖$".to_owned(),
                log: true,
                range: None,
            },
            series,
            legend: Corner::BottomLeft,
            ..Panel::default()
        });
    }
    let what = "Mean over the points, and its mean ± standard deviation over the runs.";
    let figure = Figure {
        title: format!(
            "Figure 6, right: how far each of {} layers moves its input",
            settings.layers
        ),
        caption: settings.caption(what),
        columns: panels.len(),
        panels,
    };
    settings.save("figure-6-right", &figure, &csv)?;
    Ok(rows)
}

/// (layer, mean, standard deviation) over the runs with numbers that are finite.
fn by_layer(by_run: &[Vec<f64>]) -> Vec<(f64, f64, f64)> {
    let layers = by_run.first().map_or(0, Vec::len);
    let of_layer = |l: usize| {
        let values = by_run.iter().map(|run| run[l]).filter(|v| v.is_finite());
        let (mean, deviation) = spread(&values.collect::<Vec<_>>());
        (l as f64, mean, deviation)
    };
    (0..layers).map(of_layer).collect()
}

/// A line by layer, and its deviation where a logarithm can show it.
fn band(kind: LayerKind, points: &[(f64, f64, f64)]) -> Series {
    let mut series = Series::with_deviation(layer_name(kind), layer_color(kind), points);
    for envelope in &mut series.envelope {
        let mean = 0.5 * (envelope[1] + envelope[2]);
        envelope[1] = envelope[1].max(0.05 * mean);
    }
    series
}

/// Depth 100: test accuracy, and the norms of each layer's parameters.
fn depth(
    settings: &Settings<'_>,
    sweeps: &[Sweep],
    trained: &Trained,
    trainer: &Trainer,
) -> Result<Vec<Row>> {
    let mut csv = String::from("layer_kind,init,layer,weight_norm_mean,bias_norm_mean\n");
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for &init in &settings.inits {
        let mut series = Vec::new();
        let all = sweeps.iter().zip(&trained.records);
        for (sweep, record) in all.filter(|(sweep, _)| sweep.init == init) {
            let kind = sweep.model.kind;
            let norm = |tensor: &[f32]| {
                let squares = tensor.iter().map(|&x| f64::from(x).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let norms = |pick: fn(&bregman::nn::LayerParameters<f32>) -> &[f32]| {
                let of_run =
                    |p: &Parameters| p.layers.iter().map(|layer| norm(pick(layer))).collect();
                by_layer(&record.parameters.iter().map(of_run).collect::<Vec<_>>())
            };
            let weights = norms(|layer| &layer.weight);
            let biases = norms(|layer| &layer.bias);
            for (weight, bias) in weights.iter().zip(&biases) {
                let (kind, init) = (kind.name(), init.name());
                csv += &format!("{kind},{init},{},{},{}\n", weight.0, weight.1, bias.1);
            }
            series.push(band(kind, &weights));
            series.push(Series {
                name: format!("{}, $b$", layer_name(kind)),
                color: layer_color(kind),
                marks: Marks::Dashes,
                points: biases.iter().map(|&(l, mean, _)| [l, mean]).collect(),
                envelope: Vec::new(),
            });
            let by_run = differences(sweep, record, trainer);
            let points = by_layer(&by_run);
            let ratio =
                points.last().map_or(f64::NAN, |p| p.1) / points.first().map_or(1.0, |p| p.1);
            for row in rows_of("depth100", settings, sweep, (record, trained), trainer) {
                rows.push(Row {
                    last_over_first: Some(ratio),
                    ..row
                });
            }
        }
        panels.push(Panel {
            title: format!("{} initial weights", init.name()),
            x: Axis {
                label: "layer $l$".to_owned(),
                ..Axis::default()
            },
            y: Axis {
                label: "$‖W‖$ (Frobenius), $‖b‖$".to_owned(),
                log: true,
                range: None,
            },
            series,
            legend: Corner::TopRight,
            ..Panel::default()
        });
    }
    let figure = Figure {
        title: format!("Parameters of {} layers", settings.layers),
        caption: settings.caption("Lines: $‖W‖$, mean ± standard deviation; dashes: $‖b‖$, mean."),
        columns: panels.len(),
        panels,
    };
    settings.save("depth100", &figure, &csv)?;
    Ok(rows)
}

//! The figures: what is trained for each, how it is drawn, and the paper's numbers beside it.

use std::path::{Path, PathBuf};

use glam::DVec2;

use super::claims::{self, Claim, Question};
use super::results::{
    self, Outcome, Quantity, RATES, Row, Table, differences, of_run, outcome, row,
};
use super::settings::{Options, Points, Settings};
use super::train::Trained;
use crate::data::spirals::{Spirals, input_range};
use crate::error::Result;
use crate::experiments::stats::spread;
use crate::files::atomic;
use crate::kind::{Init, LayerKind, Loss};
use crate::nn::{LayerParameters, Model, Parameters};
use crate::plot::{
    self, Axis, Corner, Heat, Marks, PALETTE, Panel, Series, layer_color, layer_name,
};
use crate::reference::forward;
use crate::sweep::{Record, Sweep, reference};

/// A figure: what is trained for it where no option says otherwise, and what is made of that.
#[derive(Debug)]
pub struct Figure {
    /// Its name, `6-left`.
    pub name: &'static str,
    /// Its contents.
    pub summary: &'static str,
    /// The kinds of layer.
    pub kinds: &'static [LayerKind],
    /// Runs of each setting.
    pub runs: usize,
    /// Hidden layers.
    pub layers: usize,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples in a mini-batch.
    pub batch_size: usize,
    /// Learning rates; a figure with one takes no more.
    pub rates: &'static [f32],
    /// Kinds of initial weights.
    pub inits: &'static [Init],
    /// The largest number of epochs whose metrics are recorded; the last epoch is always one.
    pub recorded: u32,
    /// Its tables, each with a name of its own.
    pub tables: &'static [Table],
    /// What the paper claims of its rows.
    claims: fn(&[Row]) -> Vec<Question>,
    /// Draws what was trained for it.
    draw: fn(&Shown<'_>) -> Drawing,
}

/// The figures, in the order in which they are made.
pub static FIGURES: [Figure; 5] = [
    Figure {
        name: "4",
        summary: "representations",
        kinds: &[LayerKind::Bregman],
        tables: &[Table {
            name: "4",
            quantity: Quantity::TrainingLoss,
            paper: Table::no_paper,
        }],
        draw: representations,
        ..SHALLOW
    },
    Figure {
        name: "5",
        summary: "loss by epoch",
        runs: 200,
        inits: Init::ALL,
        recorded: 1000,
        tables: &[
            Table {
                name: "5-left",
                quantity: Quantity::TrainingLoss,
                paper: results::paper_5,
            },
            Table {
                name: "5-right",
                quantity: Quantity::TrainingLoss,
                paper: results::paper_5,
            },
        ],
        claims: claims::of_5,
        draw: losses,
        ..SHALLOW
    },
    Figure {
        name: "6-left",
        summary: "accuracy by learning rate",
        runs: 30,
        epochs: 10_000,
        rates: &RATES,
        tables: &[Table {
            name: "6-left",
            quantity: Quantity::TrainingAccuracy,
            paper: results::paper_6_left,
        }],
        claims: claims::of_6_left,
        draw: rates,
        ..SHALLOW
    },
    Figure {
        name: "6-right",
        summary: "differences of layers, 50 layers",
        runs: 50,
        layers: 50,
        epochs: 300,
        inits: Init::ALL,
        tables: &[Table {
            name: "6-right",
            quantity: Quantity::TrainingAccuracy,
            paper: Table::no_paper,
        }],
        claims: claims::of_6_right,
        draw: layer_differences,
        ..SHALLOW
    },
    Figure {
        name: "depth100",
        summary: "test accuracy and norms, 100 layers",
        runs: 20,
        layers: 100,
        batch_size: 16,
        rates: &[0.01],
        inits: Init::ALL,
        tables: &[Table {
            name: "depth100",
            quantity: Quantity::TestAccuracy,
            paper: results::paper_depth_100,
        }],
        claims: claims::of_depth_100,
        draw: depth,
        ..SHALLOW
    },
];

/// The paper's usual settings.
const SHALLOW: Figure = Figure {
    name: "",
    summary: "",
    kinds: LayerKind::ALL,
    runs: 100,
    layers: 3,
    epochs: 1000,
    batch_size: 10,
    rates: &[0.1],
    inits: &[Init::Random],
    recorded: 1,
    tables: &[],
    claims: |_| Vec::new(),
    draw: |_| Drawing::default(),
};

impl Figure {
    /// Its settings, with the options in place. [`Settings::sweeps`] are what is trained for it.
    pub fn settings(&self, options: &Options) -> Settings {
        let mut rates = options.learning_rates.clone();
        if self.rates.len() == 1
            && let Some(rates) = &mut rates
        {
            rates.truncate(1);
        }
        let inits = options.init.map(|init| vec![init]);
        Settings {
            figure: self.name,
            options: options.clone(),
            kinds: self.kinds,
            runs: options.runs.unwrap_or(self.runs),
            layers: options.layers.unwrap_or(self.layers),
            epochs: options.epochs.unwrap_or(self.epochs),
            batch_size: options.batch_size.unwrap_or(self.batch_size),
            rates: rates.unwrap_or(self.rates.to_vec()),
            inits: inits.unwrap_or(self.inits.to_vec()),
            recorded: self.recorded,
        }
    }

    /// Draws what was trained with `settings`, which are of this figure, on `points`.
    pub fn draw(
        &self,
        settings: &Settings,
        sweeps: &[Sweep],
        trained: &Trained,
        points: &Points,
    ) -> Drawing {
        (self.draw)(&Shown {
            settings,
            sweeps,
            trained,
            points,
        })
    }

    /// What the tests say of the paper's claims about `rows`, which were drawn with `settings`.
    pub fn claims(&self, settings: &Settings, rows: &[Row]) -> Vec<Claim> {
        claims::decide(settings, (self.claims)(rows))
    }
}

/// The numbers of figures.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The rows of their tables.
    pub rows: Vec<Row>,
    /// What the tests say of the paper's claims.
    pub claims: Vec<Claim>,
}

/// Pictures, and a row for each layer and setting.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// The rows of the figure's tables.
    pub rows: Vec<Row>,
}

/// A picture and the numbers in it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The name of its files.
    pub stem: &'static str,
    /// The picture.
    pub figure: plot::Figure,
    /// Its numbers, CSV.
    pub csv: String,
}

impl Picture {
    /// Writes PNG, SVG and CSV into `folder`; returns their paths.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn save(&self, folder: &Path) -> Result<[PathBuf; 3]> {
        let [png, svg] = self.figure.save(&folder.join(self.stem))?;
        let csv = folder.join(format!("{}.csv", self.stem));
        Ok([png, svg, atomic::write(&csv, self.csv.as_bytes())?])
    }
}

/// The contents of a figure.
struct Shown<'a> {
    settings: &'a Settings,
    sweeps: &'a [Sweep],
    trained: &'a Trained,
    points: &'a Points,
}

impl Shown<'_> {
    /// The sweeps with initial weights `init`, each with its record.
    fn of_init(&self, init: Init) -> impl Iterator<Item = (&Sweep, &Record)> {
        let all = self.sweeps.iter().zip(&self.trained.records);
        all.filter(move |(sweep, _)| sweep.init == init)
    }

    /// What each run of a sweep came to.
    fn outcomes(&self, sweep: &Sweep, record: &Record) -> Vec<Outcome> {
        let runs = 0..sweep.runs.len();
        runs.map(|r| outcome(sweep, record, r, self.points))
            .collect()
    }

    /// The rows of a sweep whose runs came to `outcomes`, one for each learning rate.
    fn rows_of(&self, figure: &'static str, sweep: &Sweep, outcomes: &[Outcome]) -> Vec<Row> {
        let points = self.settings.options.points.name();
        let of_rates = outcomes
            .chunks(self.settings.runs)
            .zip(&self.settings.rates);
        of_rates
            .map(|(outcomes, &rate)| row(figure, sweep, rate, points, outcomes.to_vec()))
            .collect()
    }

    /// The rows of a sweep, one for each learning rate.
    fn rows(&self, figure: &'static str, sweep: &Sweep, record: &Record) -> Vec<Row> {
        self.rows_of(figure, sweep, &self.outcomes(sweep, record))
    }

    /// The rows of a sweep with the ratio of each run's last difference of layers to its first; and the
    /// differences by layer.
    fn rows_with_differences(
        &self,
        figure: &'static str,
        sweep: &Sweep,
        record: &Record,
    ) -> (Vec<Row>, Vec<(f64, f64, f64)>) {
        let by_run = differences(sweep, record, self.points);
        let mut outcomes = self.outcomes(sweep, record);
        for (outcome, differences) in outcomes.iter_mut().zip(&by_run) {
            let ends = differences.first().zip(differences.last());
            outcome.last_over_first = ends.map(|(first, last)| last / first);
        }
        (self.rows_of(figure, sweep, &outcomes), by_layer(&by_run))
    }
}

/// The tables of the rows and the paper's claims about them.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    for of_table in results.rows.chunk_by(|a, b| a.figure == b.figure) {
        let name = of_table[0].figure;
        let mut all = FIGURES.iter().flat_map(|figure| figure.tables);
        if let Some(table) = all.find(|table| table.name == name) {
            text += &table.text(of_table);
            for claim in results.claims.iter().filter(|claim| claim.figure == name) {
                text += &format!("{claim}\n");
            }
            text += "\n";
        }
    }
    text
}

/// A panel of values by layer, on a logarithmic axis.
fn panel_by_layer(init: Init, label: &str, series: Vec<Series>, legend: Corner) -> Panel {
    Panel {
        title: format!("{} initial weights", init.name()),
        x: Axis {
            label: "layer $l$".to_owned(),
            ..Axis::default()
        },
        y: Axis {
            label: label.to_owned(),
            log: true,
            range: None,
        },
        series,
        legend,
        ..Panel::default()
    }
}

/// Figure 4: the points after each layer of the Bregman network that classifies most of them.
fn representations(shown: &Shown<'_>) -> Drawing {
    let (sweep, record) = (&shown.sweeps[0], &shown.trained.records[0]);
    let best = (0..sweep.runs.len())
        .max_by_key(|&run| record.metrics[run].last().map_or(0, |m| m.correct))
        .unwrap_or(0);
    let data = of_run(shown.points.train(), &sweep.runs[best]);
    let correct = record.metrics[best].last().map_or(0, |m| m.correct);
    let parameters = record.parameters[best].map(f64::from);

    let all: Vec<u32> = (0..data.len() as u32).collect();
    let (x, _) = reference::batch(data, &all);
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
        for (point, label) in points.iter().zip(&data.labels) {
            csv += &format!("{l},{label},{},{}\n", point.x, point.y);
        }
        let (low, high) = points.iter().fold(
            (DVec2::INFINITY, DVec2::NEG_INFINITY),
            |(low, high), &point| (low.min(point), high.max(point)),
        );
        let margin = (0.04 * (high - low)).max(DVec2::splat(1e-3));
        let (low, high) = (low - margin, high + margin);
        let mut series = scatter(data, &points);
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
    let caption = shown.settings.caption(&format!(
        "The run with most points right ({correct} of {}: seed {}, {} init). Blue to orange: the \
         network's output from 0 to 1.\n",
        data.len(),
        sweep.runs[best].seed,
        sweep.init.name()
    ));
    let figure = plot::Figure {
        title: "Figure 4: what each Bregman layer makes of two spirals".to_owned(),
        caption,
        panels,
        columns: 2,
    };
    let stem = "figure-4";
    Drawing {
        pictures: vec![Picture { stem, figure, csv }],
        rows: shown.rows("4", sweep, record),
    }
}

/// The points of the two classes.
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

/// How far the network prefers class 1 at `z` after its last layer: 0 on the separating line.
fn head(model: &Model, parameters: &Parameters<f64>, z: DVec2) -> f64 {
    let p = &parameters.head;
    let output = |j: usize| DVec2::from_slice(&p.weight[2 * j..]).dot(z) + p.bias[j];
    match model.loss {
        Loss::MeanSquaredError | Loss::Huber => output(0) - 0.5,
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
    let [least, most] = input_range(model.layers[0].activation).map(f64::from);
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
fn losses(shown: &Shown<'_>) -> Drawing {
    let settings = shown.settings;
    let mut drawing = Drawing::default();
    for &init in &settings.inits {
        let (table, stem) = match init {
            Init::Random => ("5-left", "figure-5-left"),
            Init::Deterministic => ("5-right", "figure-5-right"),
        };
        let mut csv = String::from("layer,epoch,loss_mean,loss_sd,finite_runs\n");
        let mut series = Vec::new();
        for (sweep, record) in shown.of_init(init) {
            let kind = sweep.model.layers[0].kind;
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
            drawing.rows.extend(shown.rows(table, sweep, record));
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
        let figure = plot::Figure::of(&title, &settings.caption(what), panel);
        drawing.pictures.push(Picture { stem, figure, csv });
    }
    drawing
}

/// Figure 6, left: accuracy by learning rate.
fn rates(shown: &Shown<'_>) -> Drawing {
    let settings = shown.settings;
    let mut csv = String::from("layer,init,lr,seed,loss,accuracy\n");
    let (mut rows, mut series) = (Vec::new(), Vec::new());
    let samples = shown.points.train().len() as f64;
    for (sweep, record) in shown.sweeps.iter().zip(&shown.trained.records) {
        let kind = sweep.model.layers[0].kind;
        for (run, metrics) in sweep.runs.iter().zip(&record.metrics) {
            let last = metrics.last().copied().unwrap_or_default();
            csv += &format!(
                "{},{},{},{},{},{}\n",
                layer_name(kind),
                sweep.init.name(),
                run.learning_rate,
                run.seed,
                last.loss,
                f64::from(last.correct) / samples
            );
        }
        let of_kind = shown.rows("6-left", sweep, record);
        let points: Vec<_> = of_kind
            .iter()
            .map(|row| {
                let rate = f64::from(row.lr);
                (rate, 100.0 * row.accuracy.mean, 100.0 * row.accuracy.sd)
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
    let diverged: usize = rows.iter().map(|row| row.diverged.count).sum();
    let what = format!(
        "Mean ± standard deviation over the runs that stayed finite ({diverged} of {} did not), {} \
         initial weights.\n",
        rows.iter().map(|row| row.runs).sum::<usize>(),
        settings.inits[0].name()
    );
    let title = "Figure 6, left: training accuracy by learning rate";
    let figure = plot::Figure::of(title, &settings.caption(&what), panel);
    let stem = "figure-6-left";
    Drawing {
        pictures: vec![Picture { stem, figure, csv }],
        rows,
    }
}

/// Figure 6, right: differences of consecutive layers.
fn layer_differences(shown: &Shown<'_>) -> Drawing {
    let settings = shown.settings;
    let mut csv = String::from("layer_kind,init,layer,difference_mean,difference_sd\n");
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for &init in &settings.inits {
        let mut series = Vec::new();
        for (sweep, record) in shown.of_init(init) {
            let kind = sweep.model.layers[0].kind;
            let (of_sweep, points) = shown.rows_with_differences("6-right", sweep, record);
            rows.extend(of_sweep);
            for &(layer, mean, deviation) in &points {
                let (kind, init) = (kind.name(), init.name());
                csv += &format!("{kind},{init},{layer},{mean},{deviation}\n");
            }
            series.push(band(kind, &points));
        }
        panels.push(panel_by_layer(
            init,
            "mean $‖z⁽ˡ⁺¹⁾ − z⁽ˡ⁾‖$",
            series,
            Corner::BottomLeft,
        ));
    }
    let what = "Mean over the points, and its mean ± standard deviation over the runs.";
    let figure = plot::Figure {
        title: format!(
            "Figure 6, right: how far each of {} layers moves its input",
            settings.layers
        ),
        caption: settings.caption(what),
        columns: panels.len(),
        panels,
    };
    let stem = "figure-6-right";
    Drawing {
        pictures: vec![Picture { stem, figure, csv }],
        rows,
    }
}

/// (layer, mean, standard deviation), over the runs whose number is finite.
fn by_layer(by_run: &[Vec<f64>]) -> Vec<(f64, f64, f64)> {
    let layers = by_run.first().map_or(0, Vec::len);
    let of_layer = |l: usize| {
        let values = by_run.iter().map(|run| run[l]).filter(|v| v.is_finite());
        let (mean, deviation) = spread(&values.collect::<Vec<_>>());
        (l as f64, mean, deviation)
    };
    (0..layers).map(of_layer).collect()
}

/// A line by layer with its deviation, cut off where a logarithmic axis could not show it.
fn band(kind: LayerKind, points: &[(f64, f64, f64)]) -> Series {
    let mut series = Series::with_deviation(layer_name(kind), layer_color(kind), points);
    for envelope in &mut series.envelope {
        let mean = 0.5 * (envelope[1] + envelope[2]);
        envelope[1] = envelope[1].max(0.05 * mean);
    }
    series
}

/// Depth 100: test accuracy, and the norms of each layer's parameters.
fn depth(shown: &Shown<'_>) -> Drawing {
    let settings = shown.settings;
    let mut csv = String::from("layer_kind,init,layer,weight_norm_mean,bias_norm_mean\n");
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for &init in &settings.inits {
        let mut series = Vec::new();
        for (sweep, record) in shown.of_init(init) {
            let kind = sweep.model.layers[0].kind;
            let norm = |tensor: &[f32]| {
                let squares = tensor.iter().map(|&x| f64::from(x).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let norms = |pick: fn(&LayerParameters<f32>) -> &[f32]| {
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
            let (of_sweep, _) = shown.rows_with_differences("depth100", sweep, record);
            rows.extend(of_sweep);
        }
        panels.push(panel_by_layer(
            init,
            "$‖W‖$ (Frobenius), $‖b‖$",
            series,
            Corner::TopRight,
        ));
    }
    let figure = plot::Figure {
        title: format!("Parameters of {} layers", settings.layers),
        caption: settings.caption("Lines: $‖W‖$, mean ± standard deviation; dashes: $‖b‖$, mean."),
        columns: panels.len(),
        panels,
    };
    let stem = "depth100";
    Drawing {
        pictures: vec![Picture { stem, figure, csv }],
        rows,
    }
}

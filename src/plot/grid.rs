//! The results of a grid of runs: accuracy by setting.

use super::{
    Axis, Corner, Figure, Heat, Marks, PALETTE, Panel, Rgb, Series, layer_color, layer_name,
};
use crate::kind::LayerKind;
use crate::train::grid::{Grid, Row, Values};
use crate::train::present;

/// An option with several numbers.
struct Varied {
    label: &'static str,
    values: Vec<f32>,
    of: fn(&Row) -> f32,
}

impl Varied {
    /// The options of `grid` that have several numbers.
    fn all(grid: &Grid) -> Vec<Self> {
        let varied = |label, list: &Values<f32>, of: fn(&Row) -> f32| {
            let mut values = list.all().to_vec();
            values.sort_by(f32::total_cmp);
            list.is_list().then_some(Self { label, values, of })
        };
        let all = [
            varied("learning rate", &grid.learning_rates, |row| row.lr),
            varied("momentum", &grid.momenta, |row| row.momentum),
            varied("weight decay", &grid.weight_decays, |row| row.weight_decay),
        ];
        all.into_iter().flatten().collect()
    }

    /// Whether the numbers lie at equal distances, once `of` is taken of each.
    fn is_even(&self, of: fn(f64) -> f64) -> bool {
        let places: Vec<f64> = self.values.iter().map(|&v| of(f64::from(v))).collect();
        let whole = places[places.len() - 1] - places[0];
        let each = whole / (places.len() - 1) as f64;
        // The numbers are rounded to f32.
        let is_near = |pair: &[f64]| (pair[1] - pair[0] - each).abs() <= 1e-3 * each;
        whole.is_finite() && places.windows(2).all(is_near)
    }

    fn is_logarithmic(&self) -> bool {
        let [low, high] = [self.values[0], self.values[self.values.len() - 1]];
        low > 0.0 && (self.is_even(f64::ln) || high > 20.0 * low)
    }

    /// An axis of a heat map, with its ends and the place of a row: cells have equal sizes.
    fn cells(&self) -> (Axis, [f64; 2], Vec<f64>) {
        let numbers = self.values.iter().map(|&v| f64::from(v));
        let (label, places): (String, Vec<f64>) = if self.is_even(f64::from) {
            (self.label.to_owned(), numbers.collect())
        } else if self.values[0] > 0.0 && self.is_even(f64::log10) {
            let label = format!("log₁₀ of the {}", self.label);
            (label, numbers.map(f64::log10).collect())
        } else {
            let named = |(place, value): (usize, &f32)| format!("{} is {value}", place + 1);
            let named: Vec<String> = self.values.iter().enumerate().map(named).collect();
            let label = match named.len() {
                ..=5 => format!("{}: {}", self.label, named.join(", ")),
                _ => format!("{}, by its rank", self.label),
            };
            (label, (1..=self.values.len()).map(|i| i as f64).collect())
        };
        let last = places.len() - 1;
        let half = (places[last] - places[0]) / last as f64 / 2.0;
        let ends = [places[0] - half, places[last] + half];
        let axis = Axis {
            label,
            range: Some(ends),
            ..Axis::default()
        };
        (axis, ends, places)
    }

    fn index(&self, row: &Row) -> usize {
        let value = (self.of)(row);
        self.values.iter().position(|v| *v == value).unwrap_or(0)
    }
}

/// The accuracy, or R² where values are predicted, of each setting on the validation split, or on the test
/// set if there is none: a curve for each kind of layer, or heat maps if more than one option has several numbers. Several seeds are
/// shown by their mean, and by a band from the lowest to the highest.
pub fn grid(grid: &Grid, rows: &[Row], settings: &str) -> Figure {
    let is_validated = rows.iter().any(|row| row.outcome.best_epoch.is_some());
    let split = if is_validated { "validation" } else { "test" };
    let is_regression = rows.iter().any(|row| row.outcome.test_mae.is_some());
    let measured = |row: &Row| {
        let outcome = &row.outcome;
        match (is_regression, is_validated) {
            (false, true) => outcome.validation_accuracy,
            (false, false) => outcome.test_accuracy,
            (true, true) => outcome.validation_r2,
            (true, false) => outcome.test_r2,
        }
    };
    let (name, unit, factor) = match is_regression {
        true => ("R²", "", 1.0),
        false => ("accuracy", " %", 100.0),
    };
    let percent = |row: &Row| measured(row).map_or(f64::NAN, |number| factor * number);
    let label = match is_regression {
        true => format!("{split} {name}"),
        false => format!("{split} {name} (%)"),
    };
    let varied = Varied::all(grid);
    let [title, note] = match &varied[..] {
        [] | [_] => ["by setting", "runs that diverged are left out"],
        _ => ["over the grid", "rings: every run diverged"],
    };
    let panels = match &varied[..] {
        [] => vec![by_seed(rows, &label, &percent)],
        [one] => vec![by_number(one, rows, &label, &percent)],
        [x, y, ..] => heat_maps(x, y, rows, &percent),
    };
    let found = present(&rows.iter().map(percent).collect::<Vec<_>>());
    let ends = match range(&found) {
        Some([low, high]) if varied.len() > 1 => {
            format!(
                "; blue {low:.2}{unit}, white {:.2}{unit}, orange {high:.2}{unit}",
                (low + high) / 2.0
            )
        }
        _ => String::new(),
    };
    Figure {
        title: match is_regression {
            true => format!("R² {title} ({split})"),
            false => format!("Accuracy {title} ({split})"),
        },
        caption: format!("{settings}; {note}{ends}"),
        columns: panels.len().min(3),
        panels,
    }
}

/// The lowest and the highest; none for no numbers.
fn range(numbers: &[f64]) -> Option<[f64; 2]> {
    let fold = |f: fn(f64, f64) -> f64| numbers.iter().copied().reduce(f);
    Some([fold(f64::min)?, fold(f64::max)?])
}

fn panel(x: Axis, label: &str, series: Vec<Series>) -> Panel {
    Panel {
        x,
        y: Axis {
            label: label.to_owned(),
            ..Axis::default()
        },
        series,
        legend: Corner::BottomLeft,
        ..Panel::default()
    }
}

/// The runs of one kind of layer, and how pictures show it.
struct OfLayer<'a> {
    name: &'static str,
    color: Rgb,
    rows: &'a [Row],
}

/// The runs of each kind of layer, which are next to each other.
fn by_layer(rows: &[Row]) -> impl Iterator<Item = OfLayer<'_>> {
    let layers = rows.chunk_by(|a, b| a.layer == b.layer);
    layers.map(|rows| match LayerKind::by_name(rows[0].layer) {
        Ok(kind) => OfLayer {
            name: layer_name(kind),
            color: layer_color(kind),
            rows,
        },
        // The kinds of the layers of one network differ.
        Err(_) => OfLayer {
            name: rows[0].layer,
            color: PALETTE[1],
            rows,
        },
    })
}

/// The runs of each kind of layer, by the place of their seeds.
fn by_seed(rows: &[Row], label: &str, percent: &dyn Fn(&Row) -> f64) -> Panel {
    let series = by_layer(rows).map(|layer| Series {
        name: layer.name.to_owned(),
        color: layer.color,
        marks: Marks::LineAndDots,
        points: layer
            .rows
            .iter()
            .zip(1..)
            .map(|(row, place)| [f64::from(place), percent(row)])
            .collect(),
        envelope: Vec::new(),
    });
    let x = Axis {
        label: "run of a kind of layer".to_owned(),
        ..Axis::default()
    };
    panel(x, label, series.collect())
}

/// A curve for each kind of layer.
fn by_number(varied: &Varied, rows: &[Row], label: &str, percent: &dyn Fn(&Row) -> f64) -> Panel {
    let mut series = Vec::new();
    for layer in by_layer(rows) {
        let (mut points, mut envelope) = (Vec::new(), Vec::new());
        for &value in &varied.values {
            let own = layer.rows.iter().filter(|row| (varied.of)(row) == value);
            let found = present(&own.map(percent).collect::<Vec<_>>());
            if let Some([low, high]) = range(&found) {
                let mean = found.iter().sum::<f64>() / found.len() as f64;
                points.push([f64::from(value), mean]);
                if found.len() > 1 {
                    envelope.push([f64::from(value), low, high]);
                }
            }
        }
        series.push(Series {
            name: layer.name.to_owned(),
            color: layer.color,
            marks: Marks::LineAndDots,
            points,
            envelope,
        });
    }
    let x = Axis {
        label: varied.label.to_owned(),
        log: varied.is_logarithmic(),
        ..Axis::default()
    };
    panel(x, label, series)
}

/// A heat map for each kind of layer. If a third option varies, a cell shows the highest accuracy over
/// it.
fn heat_maps(x: &Varied, y: &Varied, rows: &[Row], percent: &dyn Fn(&Row) -> f64) -> Vec<Panel> {
    let all = present(&rows.iter().map(percent).collect::<Vec<_>>());
    let range = range(&all)
        .filter(|[low, high]| low < high)
        .unwrap_or([0.0, 100.0]);
    let panel = |layer: OfLayer<'_>| {
        let ((x_axis, x_ends, x_places), (y_axis, y_ends, y_places)) = (x.cells(), y.cells());
        let columns = x.values.len();
        let mut values = vec![f64::NAN; columns * y.values.len()];
        for own in layer.rows.chunk_by(Row::has_settings_of) {
            let found = present(&own.iter().map(percent).collect::<Vec<_>>());
            if !found.is_empty() {
                let mean = found.iter().sum::<f64>() / found.len() as f64;
                let cell = &mut values[y.index(&own[0]) * columns + x.index(&own[0])];
                // NaN is no maximum.
                *cell = cell.max(mean);
            }
        }
        let lost = values
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_nan());
        let rings = Series {
            marks: Marks::Rings,
            points: lost
                .map(|(cell, _)| [x_places[cell % columns], y_places[cell / columns]])
                .collect(),
            ..Series::default()
        };
        Panel {
            title: layer.name.to_owned(),
            x: x_axis,
            y: y_axis,
            heat: Some(Heat {
                x: x_ends,
                y: y_ends,
                columns,
                values,
                range,
            }),
            series: vec![rings],
            legend: Corner::Nowhere,
        }
    };
    by_layer(rows).map(panel).collect()
}

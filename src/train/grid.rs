//! Runs side by side: the product of lists of settings, the launches that train it, and its results.

use std::ops::Range;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Outcome;
use super::metrics::mean;
use crate::error::{Error, Result};
use crate::kind::LayerKind;
use crate::memory;
use crate::optim::RunSettings;

/// The most runs of one launch: the number of settings that the kernels' uniform holds.
pub const MOST_RUNS: usize = 1024;

/// The name of the file of [`csv`] in the folder of the results.
pub const RUNS: &str = "runs.csv";

/// [`RUNS`] of a grid that is being trained or that did not end well, with the runs that have ended. Those of
/// an earlier grid stay in [`RUNS`] until then.
pub const RUNS_SO_FAR: &str = "runs.partial.csv";

/// The most values of a range.
const MOST_VALUES: usize = 1 << 20;

/// The values of a setting, at least one and all different.
#[derive(Clone, Debug, PartialEq)]
pub struct Values<T>(Vec<T>);

impl<T> From<T> for Values<T> {
    fn from(value: T) -> Self {
        Self(vec![value])
    }
}

impl<T: Serialize> Serialize for Values<T> {
    /// One value alone, several as a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

/// A number that a list or a range may have.
pub trait Number: FromStr + PartialEq + Copy {
    /// A number of a range, rounded to this type; none if it has no such number.
    fn of_range(x: f64) -> Option<Self>;
}

impl Number for f32 {
    fn of_range(x: f64) -> Option<Self> {
        Some(x as f32)
    }
}

impl Number for u64 {
    fn of_range(x: f64) -> Option<Self> {
        // Above that, not every integer is an f64.
        let fits = (0.0..9e15).contains(&x) && (x - x.round()).abs() <= 1e-9 * x.max(1.0);
        fits.then_some(x.round() as u64)
    }
}

impl<T: PartialEq + Copy> Values<T> {
    /// All values, in their order.
    pub fn all(&self) -> &[T] {
        &self.0
    }

    /// The first value.
    pub fn first(&self) -> T {
        self.0[0]
    }

    /// The values mapped by `of`, which must keep them different.
    pub fn map<U>(&self, of: impl Fn(T) -> U) -> Values<U> {
        Values(self.0.iter().map(|&value| of(value)).collect())
    }

    /// Whether there is more than one.
    pub fn is_list(&self) -> bool {
        self.0.len() > 1
    }

    /// The values of the parts of `text`, separated by commas and converted by `parse`.
    fn listed(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("the list is empty".to_owned());
        }
        let mut values: Vec<T> = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                return Err("the list has an empty entry".to_owned());
            }
            let value = parse(part)?;
            if values.contains(&value) {
                return Err(format!("{part} is in the list twice"));
            }
            values.push(value);
        }
        Ok(Self(values))
    }
}

impl<T: Number> Values<T> {
    /// The numbers of a list such as `0.01,0.03`, or of a range: `log:LOW:HIGH:N` are N numbers from LOW
    /// to HIGH, both included, with equal quotients, and `linear:LOW:HIGH:N` with equal differences.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] of `field` for a list that is empty or has a number twice, a range without
    /// LOW < HIGH or with fewer than two numbers, or a logarithmic range that is not positive.
    pub fn parse(field: &'static str, text: &str) -> Result<Self> {
        Self::of_text(text).map_err(|reason| Error::InvalidValue {
            field,
            value: text.to_owned(),
            reason,
        })
    }

    fn of_text(text: &str) -> Result<Self, String> {
        let Some((kind, rest)) = text.split_once(':') else {
            return Self::listed(text, |part| {
                part.parse()
                    .map_err(|_| format!("`{part}` is not a valid number"))
            });
        };
        let parts: Vec<&str> = rest.split(':').map(str::trim).collect();
        let (true, [low, high, n]) = (["log", "linear"].contains(&kind), &parts[..]) else {
            return Err("ranges are log:LOW:HIGH:N and linear:LOW:HIGH:N".to_owned());
        };
        let end = |text: &str| {
            let end: Option<f64> = text.parse().ok().filter(|end: &f64| end.is_finite());
            end.ok_or_else(|| format!("`{text}` is not a finite number"))
        };
        let (low, high) = (end(low)?, end(high)?);
        let n: usize = n
            .parse()
            .map_err(|_| format!("`{n}` is not a number of values"))?;
        if low >= high {
            return Err("LOW must be below HIGH".to_owned());
        }
        if kind == "log" && low <= 0.0 {
            return Err("LOW must be positive in a logarithmic range".to_owned());
        }
        if !(2..=MOST_VALUES).contains(&n) {
            return Err(format!("N must be from 2 to {MOST_VALUES}"));
        }
        let at = |index: usize| {
            let share = index as f64 / (n - 1) as f64;
            match index {
                0 => low,
                _ if index == n - 1 => high,
                _ if kind == "log" => low * (high / low).powf(share),
                _ => low + (high - low) * share,
            }
        };
        let values: Option<Vec<T>> = (0..n).map(|index| T::of_range(at(index))).collect();
        let values = values.ok_or("the range must go through whole numbers, at least 0")?;
        match values.windows(2).all(|pair| pair[0] != pair[1]) {
            true => Ok(Self(values)),
            false => Err("its numbers are too close to each other".to_owned()),
        }
    }
}

impl Values<LayerKind> {
    /// The kinds of layers of a list such as `standard,bregman`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a list that is empty, or has an unknown kind or one twice.
    pub fn parse_layers(text: &str) -> Result<Self> {
        let parse = |name: &str| LayerKind::by_name(name).map_err(|error| error.to_string());
        Self::listed(text, parse).map_err(|reason| Error::InvalidValue {
            field: "layer",
            value: text.to_owned(),
            reason,
        })
    }
}

/// Lists of settings, whose product is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Kinds of layers.
    pub layers: Values<LayerKind>,
    /// Learning rates.
    pub learning_rates: Values<f32>,
    /// Momenta of SGD.
    pub momenta: Values<f32>,
    /// Weight decays.
    pub weight_decays: Values<f32>,
    /// Seeds: those of a list, or as many as there are realizations of each setting.
    pub seeds: Seeds,
}

/// The seeds of a [`Grid`].
#[derive(Clone, Debug, PartialEq)]
pub enum Seeds {
    /// A list.
    Listed(Values<u64>),
    /// This number of seeds from the first on, wrapping.
    From(u64, usize),
}

impl Seeds {
    fn len(&self) -> usize {
        match self {
            Self::Listed(values) => values.all().len(),
            Self::From(_, number) => *number,
        }
    }

    fn at(&self, index: usize) -> u64 {
        match self {
            Self::Listed(values) => values.all()[index],
            Self::From(first, _) => first.wrapping_add(index as u64),
        }
    }
}

/// A run of a [`Grid`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridRun {
    /// The kind of its layers.
    pub layer: LayerKind,
    /// Its other settings.
    pub settings: RunSettings,
}

/// Runs of one kind of layer that are trained side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The kind of layer.
    pub layer: LayerKind,
    /// The numbers of the runs.
    pub runs: Range<usize>,
}

impl Grid {
    /// The number of runs of one kind of layer.
    fn runs_of_layer(&self) -> u128 {
        let lengths = [
            self.learning_rates.all().len(),
            self.momenta.all().len(),
            self.weight_decays.all().len(),
            self.seeds.len(),
        ];
        lengths.iter().map(|&n| n as u128).product()
    }

    /// The runs in the order of the product: layer, learning rate, momentum, weight decay, seed, where the last
    /// one changes fastest. `epochs` is the number of epochs of each run whose metrics will be kept.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] for more runs than this machine can list with their metrics.
    pub fn runs(&self, epochs: u32) -> Result<Vec<GridRun>> {
        let count = self.runs_of_layer() * self.layers.all().len() as u128;
        // Six metrics of each epoch, the order of the samples aside.
        let bytes = size_of::<GridRun>() as u128 + 6 * 8 * u128::from(epochs);
        memory::check(count.saturating_mul(bytes))?;
        let mut runs = Vec::with_capacity(count as usize);
        for &layer in self.layers.all() {
            for &learning_rate in self.learning_rates.all() {
                for &momentum in self.momenta.all() {
                    for &weight_decay in self.weight_decays.all() {
                        runs.extend((0..self.seeds.len()).map(|index| GridRun {
                            layer,
                            settings: RunSettings {
                                seed: self.seeds.at(index),
                                learning_rate,
                                momentum,
                                weight_decay,
                            },
                        }));
                    }
                }
            }
        }
        Ok(runs)
    }

    /// The launches that train the runs, each of one kind of layer. `most` returns, for a number of runs of a
    /// kind, the number that may be trained at once; more than [`MOST_RUNS`] never are.
    ///
    /// # Errors
    /// Those of `most`.
    pub fn launches(
        &self,
        most: &mut dyn FnMut(LayerKind, Range<usize>) -> Result<usize>,
    ) -> Result<Vec<Launch>> {
        let runs_of_layer = self.runs_of_layer() as usize;
        let mut launches = Vec::new();
        for (index, &layer) in self.layers.all().iter().enumerate() {
            let all = index * runs_of_layer..(index + 1) * runs_of_layer;
            let first = all.start..all.end.min(all.start + MOST_RUNS);
            let most = most(layer, first)?.clamp(1, MOST_RUNS);
            launches.extend(all.clone().step_by(most).map(|start| Launch {
                layer,
                runs: start..all.end.min(start + most),
            }));
        }
        Ok(launches)
    }
}

/// The settings and the result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its number, from 0.
    pub run: usize,
    /// The kind of its layers.
    pub layer: &'static str,
    /// Its learning rate.
    pub lr: f32,
    /// Its momentum.
    pub momentum: f32,
    /// Its weight decay.
    pub weight_decay: f32,
    /// Its seed.
    pub seed: u64,
    /// Its result.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The columns of [`csv`].
const COLUMNS: &str = "run,layer,lr,momentum,weight_decay,seed,best_epoch,train_loss,\
                       best_validation_loss,validation_loss,best_validation_accuracy,\
                       validation_accuracy,test_accuracy,diverged_at_step";

/// The columns that follow where values are predicted.
const FITS: &str = ",validation_r2,validation_mae,validation_rmse,test_r2,test_mae,test_rmse";

/// The rows as CSV: a header, then one line for each run. Missing values are empty.
pub fn csv(rows: &[Row]) -> String {
    fn cell<T: ToString>(value: Option<T>) -> String {
        value.map_or(String::new(), |value| value.to_string())
    }
    let line = |row: &Row| {
        let outcome = &row.outcome;
        [
            row.run.to_string(),
            row.layer.to_owned(),
            row.lr.to_string(),
            row.momentum.to_string(),
            row.weight_decay.to_string(),
            row.seed.to_string(),
            cell(outcome.best_epoch),
            cell(outcome.train_loss),
            cell(outcome.best_validation_loss),
            cell(outcome.validation_loss),
            cell(outcome.best_validation_accuracy),
            cell(outcome.validation_accuracy),
            cell(outcome.test_accuracy),
            cell(outcome.diverged_at_step),
        ]
        .join(",")
    };
    let fits = |row: &Row| {
        let outcome = &row.outcome;
        let numbers = [
            outcome.validation_r2,
            outcome.validation_mae,
            outcome.validation_rmse,
            outcome.test_r2,
            outcome.test_mae,
            outcome.test_rmse,
        ];
        numbers.map(|number| format!(",{}", cell(number))).concat()
    };
    let is_regression = rows.iter().any(|row| row.outcome.test_mae.is_some());
    if is_regression {
        let lines: String = rows
            .iter()
            .map(|row| line(row) + &fits(row) + "\n")
            .collect();
        return format!("{COLUMNS}{FITS}\n{lines}");
    }
    let lines: String = rows.iter().map(|row| line(row) + "\n").collect();
    format!("{COLUMNS}\n{lines}")
}

impl Row {
    /// The row of run `number`, whose layers have the kind `layer`.
    pub fn new(
        number: usize,
        layer: &'static str,
        settings: RunSettings,
        outcome: Outcome,
    ) -> Self {
        Self {
            run: number,
            layer,
            lr: settings.learning_rate,
            momentum: settings.momentum,
            weight_decay: settings.weight_decay,
            seed: settings.seed,
            outcome,
        }
    }

    /// Whether `other` differs only in the seed.
    pub fn has_settings_of(&self, other: &Row) -> bool {
        let settings = |row: &Row| (row.layer, row.lr, row.momentum, row.weight_decay);
        settings(self) == settings(other)
    }
}

/// The setting with the lowest validation loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// Its kind of layers.
    pub layer: &'static str,
    /// Its learning rate.
    pub lr: f32,
    /// Its momentum.
    pub momentum: f32,
    /// Its weight decay.
    pub weight_decay: f32,
    /// The numbers of its runs, which differ in their seeds.
    pub runs: Vec<usize>,
    /// Mean validation loss of their networks.
    pub validation_loss: f64,
    /// Mean validation accuracy of their networks; none where values are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// Mean test accuracy of their networks, which is not used for the choice, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
    /// Mean R² of their networks on the validation set; none where classes are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_r2: Option<f64>,
    /// Mean R² on the test set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_r2: Option<f64>,
}

/// The setting whose networks have the lowest mean validation loss over the seeds, the first of equal
/// ones. Settings with a run that diverged are left out. None without a validation split.
pub fn best(rows: &[Row]) -> Option<Best> {
    let mut best: Option<Best> = None;
    for own in rows.chunk_by(Row::has_settings_of) {
        let mean_of = |of: fn(&Outcome) -> Option<f64>| {
            let numbers: Option<Vec<f64>> = own.iter().map(|row| of(&row.outcome)).collect();
            numbers.map(|numbers| mean(&numbers))
        };
        let Some(validation_loss) = mean_of(|outcome| outcome.validation_loss) else {
            continue;
        };
        let diverged = |row: &Row| row.outcome.diverged_at_step.is_some();
        let is_better = best
            .as_ref()
            .is_none_or(|b| validation_loss < b.validation_loss);
        if own.iter().any(diverged) || !is_better {
            continue;
        }
        let first = &own[0];
        best = Some(Best {
            layer: first.layer,
            lr: first.lr,
            momentum: first.momentum,
            weight_decay: first.weight_decay,
            runs: own.iter().map(|row| row.run).collect(),
            validation_loss,
            validation_accuracy: mean_of(|o| o.validation_accuracy),
            test_accuracy: mean_of(|o| o.test_accuracy),
            validation_r2: mean_of(|o| o.validation_r2),
            test_r2: mean_of(|o| o.test_r2),
        });
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<f32> {
        let values = Values::<f32>::parse("learning_rate", text);
        values.expect("a list or a range").all().to_vec()
    }

    #[test]
    fn lists_and_ranges_are_read() {
        assert_eq!(numbers("0.2"), [0.2]);
        assert_eq!(numbers("0.01, 0.03,0.1"), [0.01, 0.03, 0.1]);
        assert_eq!(numbers("linear:0:1:5"), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(numbers("log:0.25:4:5"), [0.25, 0.5, 1.0, 2.0, 4.0]);
        let rates = numbers("log:0.003:1:16");
        assert_eq!((rates.len(), rates[0], rates[15]), (16, 0.003, 1.0));
        let quotient = |pair: &[f32]| f64::from(pair[1]) / f64::from(pair[0]);
        let expected = (1.0f64 / 0.003).powf(1.0 / 15.0);
        for pair in rates.windows(2) {
            // Two numbers that are rounded to f32.
            assert!((quotient(pair) / expected - 1.0).abs() < 1.2e-7, "{pair:?}");
        }
        let seeds = Values::<u64>::parse("seed", "linear:3:7:3").expect("whole numbers");
        assert_eq!(seeds.all(), [3, 5, 7]);
        let most = Values::<u64>::parse("seed", "18446744073709551615,0").expect("a list");
        assert_eq!(most.all(), [u64::MAX, 0]);
        let layers = Values::parse_layers("standard,bregman").expect("a list");
        assert_eq!(layers.all(), [LayerKind::Standard, LayerKind::Bregman]);
    }

    #[test]
    fn lists_that_cannot_work_are_refused() {
        for (text, says) in [
            ("", "the list is empty"),
            (" ", "the list is empty"),
            ("0.1,,0.2", "empty entry"),
            ("0.1,", "empty entry"),
            ("0.1,0.2,0.10", "0.10 is in the list twice"),
            ("0.1;0.2", "not a valid number"),
            ("log:1:0.1:5", "LOW must be below HIGH"),
            ("linear:1:1:5", "LOW must be below HIGH"),
            ("log:0:1:5", "LOW must be positive"),
            ("log:-1:1:5", "LOW must be positive"),
            ("log:nan:1:5", "not a finite number"),
            ("linear:0:inf:5", "not a finite number"),
            ("log:0.1:1:1", "N must be from 2"),
            ("log:0.1:1:-3", "not a number of values"),
            ("linear:0:1:99999999", "N must be from 2"),
            ("linear:1:1.0000001:9", "too close"),
            ("log:0.1:1", "ranges are log:LOW:HIGH:N"),
            ("cosine:0:1:3", "ranges are log:LOW:HIGH:N"),
        ] {
            match Values::<f32>::parse("learning_rate", text) {
                Err(Error::InvalidValue {
                    field,
                    value,
                    reason,
                }) => {
                    assert_eq!((field, &value[..]), ("learning_rate", text));
                    assert!(reason.contains(says), "{text}: {reason}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in ["linear:0:1:3", "linear:-2:2:5", "0.5", "-1"] {
            assert!(Values::<u64>::parse("seed", text).is_err(), "{text}");
        }
        for text in ["", "standard,conv", "bregman,bregman"] {
            assert!(Values::parse_layers(text).is_err(), "{text}");
        }
    }

    fn grid() -> Grid {
        Grid {
            layers: Values(vec![LayerKind::Standard, LayerKind::Bregman]),
            learning_rates: Values(vec![0.1, 0.2, 0.3]),
            momenta: Values(vec![0.0, 0.9]),
            weight_decays: Values(vec![0.0]),
            seeds: Seeds::From(u64::MAX, 2),
        }
    }

    /// The order of the product, written out by hand.
    #[test]
    fn the_last_list_changes_fastest() {
        let runs = grid().runs(1).expect("few runs");
        let found: Vec<_> = runs
            .iter()
            .map(|run| {
                let settings = run.settings;
                (
                    run.layer.name(),
                    settings.learning_rate,
                    settings.momentum,
                    settings.seed,
                )
            })
            .collect();
        assert_eq!(found.len(), 24);
        assert_eq!(
            found[..6],
            [
                ("standard", 0.1, 0.0, u64::MAX),
                ("standard", 0.1, 0.0, 0),
                ("standard", 0.1, 0.9, u64::MAX),
                ("standard", 0.1, 0.9, 0),
                ("standard", 0.2, 0.0, u64::MAX),
                ("standard", 0.2, 0.0, 0),
            ]
        );
        assert_eq!(found[12], ("bregman", 0.1, 0.0, u64::MAX));
        assert_eq!(found[23], ("bregman", 0.3, 0.9, 0));
    }

    #[test]
    fn launches_hold_one_kind_of_layer_and_no_more_than_fit() {
        let mut asked = Vec::new();
        let launches = grid().launches(&mut |layer, runs| {
            asked.push((layer, runs));
            Ok(if layer == LayerKind::Standard {
                5
            } else {
                5000
            })
        });
        let launch = |layer, runs| Launch { layer, runs };
        let (standard, bregman) = (LayerKind::Standard, LayerKind::Bregman);
        assert_eq!(
            launches.expect("they fit"),
            [
                launch(standard, 0..5),
                launch(standard, 5..10),
                launch(standard, 10..12),
                launch(bregman, 12..24),
            ]
        );
        assert_eq!(asked, [(standard, 0..12), (bregman, 12..24)]);
        let many = Grid {
            seeds: Seeds::From(0, 1000),
            ..grid()
        };
        let launches = many
            .launches(&mut |_, runs| Ok(runs.len()))
            .expect("they fit");
        assert_eq!(launches[0], launch(standard, 0..MOST_RUNS));
        assert_eq!(launches[5], launch(standard, 5 * MOST_RUNS..6000));
    }

    #[test]
    fn more_runs_than_memory_are_refused() {
        let grid = Grid {
            seeds: Seeds::From(0, usize::MAX),
            ..grid()
        };
        assert!(matches!(grid.runs(1), Err(Error::OutOfMemory { .. })));
    }

    /// The best setting is that of the lowest mean validation loss: neither a lower loss of one seed, nor
    /// the test set, nor a run that diverged counts.
    #[test]
    fn the_best_setting_is_chosen_by_validation() {
        let row = |run, lr, validation_loss, test_accuracy, diverged_at_step| Row {
            run,
            layer: "bregman",
            lr,
            momentum: 0.0,
            weight_decay: 0.0,
            seed: run as u64 % 2,
            outcome: Outcome {
                validation_loss,
                validation_accuracy: validation_loss.map(|loss| 1.0 - loss),
                test_accuracy: Some(test_accuracy),
                diverged_at_step,
                ..Outcome::default()
            },
        };
        let rows = [
            row(0, 0.1, Some(0.05), 0.5, None),
            row(1, 0.1, Some(0.45), 0.5, None),
            row(2, 0.2, Some(0.20), 0.1, None),
            row(3, 0.2, Some(0.22), 0.3, None),
            row(4, 0.3, Some(0.30), 0.9, None),
            row(5, 0.3, Some(0.30), 0.9, None),
            row(6, 0.4, Some(0.01), 0.9, None),
            row(7, 0.4, None, 0.9, Some(7)),
        ];
        let found = best(&rows).expect("a setting");
        assert_eq!((found.lr, &found.runs[..]), (0.2, &[2, 3][..]));
        assert_eq!(found.test_accuracy, Some(0.2));
        assert!((found.validation_loss - 0.21).abs() < 1e-15);
        assert_eq!(best(&rows[7..]), None);
        let text = csv(&rows[6..]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "6,bregman,0.4,0,0,0,,,,0.01,,0.99,0.9,");
        assert_eq!(lines[2], "7,bregman,0.4,0,0,1,,,,,,,0.9,7");
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    }
}

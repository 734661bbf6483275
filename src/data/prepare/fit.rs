//! The preprocessing that is fitted on the training samples.

use std::collections::BTreeSet;

use super::{
    Column, ColumnKind, InputRule, Moments, Scale, TargetRule, first_missing, listed, number_text,
};
use crate::data::raw::{self, Cells, Raw, Samples, Table};
use crate::data::{Inputs, Targets};
use crate::error::PrepareFault;

/// The largest number of different texts of a column that becomes inputs.
pub const MOST_TEXTS: usize = 1000;

/// The largest number of inputs of a network whose files can be read: each takes about 170 bytes of a header of
/// at most 16 MiB.
const MOST_COLUMNS: usize = 90_000;

/// The inputs and the target of a prediction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The column of a table to predict, by name or by number, counted from 1.
    pub target: Option<String>,
    /// Columns of a table that are left out, likewise.
    pub drop: Vec<String>,
    /// Whether numbers to predict are classes.
    pub classes: bool,
    /// Whether missing numbers are replaced by the mean of their column in training.
    pub impute: bool,
}

/// The targets of samples, with the class of each for the split.
pub(in crate::data) enum Strata {
    /// The class of each sample.
    Classes(Vec<u32>),
    /// The number of samples, which have values.
    Values(usize),
}

/// The place of the column `text` names, by its name or else by its number, from 1.
fn find(table: &Table, field: &'static str, text: &str) -> Result<usize, PrepareFault> {
    let by_name = table.columns.iter().position(|column| column.name == text);
    let by_number = || {
        let number: usize = text.trim().parse().ok()?;
        number.checked_sub(1).filter(|&at| at < table.columns.len())
    };
    by_name
        .or_else(by_number)
        .ok_or_else(|| PrepareFault::NoColumn {
            field,
            column: text.to_owned(),
            columns: names_of(table),
        })
}

pub(super) fn names_of(table: &Table) -> String {
    listed(table.columns.iter().map(|column| &column.name[..]))
}

impl Choice {
    /// The same choice with names where it has numbers, so that it means the same in a table whose columns
    /// have another order.
    ///
    /// # Errors
    /// [`PrepareFault::NoTarget`] and [`PrepareFault::NoColumn`].
    pub(in crate::data) fn resolved(mut self, raw: &Raw) -> Result<Self, PrepareFault> {
        let Raw::Table(table) = raw else {
            return Ok(self);
        };
        let name = |field, text: &str| -> Result<String, PrepareFault> {
            Ok(table.columns[find(table, field, text)?].name.clone())
        };
        self.target = match &self.target {
            Some(text) => Some(name("target", text)?),
            None => {
                return Err(PrepareFault::NoTarget {
                    columns: names_of(table),
                });
            }
        };
        let drop = self.drop.iter().map(|text| name("drop", text));
        self.drop = drop.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Fails if a column that is used has a cell without a value, or too many texts. All rows are checked,
    /// before they are divided, so that the message has the row of the file.
    ///
    /// # Errors
    /// [`PrepareFault::Missing`], [`PrepareFault::MissingTarget`] and [`PrepareFault::NoRows`].
    pub(in crate::data) fn check(&self, raw: &Raw) -> Result<(), PrepareFault> {
        if raw.is_empty() {
            return Err(PrepareFault::NoRows);
        }
        let Raw::Table(table) = raw else {
            return Ok(());
        };
        for column in &table.columns {
            let missing = |row: usize| (column.name.clone(), row + 1);
            let is_target = self.target.as_ref() == Some(&column.name);
            match first_missing(&column.cells).map(missing) {
                Some((column, row)) if is_target => {
                    return Err(PrepareFault::MissingTarget { column, row });
                }
                Some((column, row)) if !self.impute && !self.drop.contains(&column) => {
                    return Err(PrepareFault::Missing { column, row });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The classes that a split divides by.
    pub(in crate::data) fn strata(&self, raw: &Raw) -> Strata {
        match raw {
            Raw::Table(table) => match self.target_of(table) {
                Some(Cells::Text { codes, .. }) => Strata::Classes(codes.clone()),
                Some(Cells::Numbers(numbers)) if self.classes => {
                    Strata::Classes(ranks(numbers.iter().copied()))
                }
                _ => Strata::Values(table.rows()),
            },
            Raw::Samples(samples) => match &samples.targets {
                Some(Targets::Classes(labels)) => Strata::Classes(labels.clone()),
                Some(Targets::Values(values)) if self.classes && values.len() == samples.len() => {
                    Strata::Classes(ranks(values.iter().map(|&value| f64::from(value))))
                }
                _ => Strata::Values(samples.len()),
            },
        }
    }

    fn target_of<'a>(&self, table: &'a Table) -> Option<&'a Cells> {
        let name = self.target.as_ref()?;
        let column = table.columns.iter().find(|column| column.name == *name);
        column.map(|column| &column.cells)
    }

    /// The preprocessing of samples like `raw`, which are trained on, and notes on it.
    ///
    /// # Errors
    /// A description of the fault.
    pub(in crate::data) fn fit(
        &self,
        raw: &Raw,
        scale: Scale,
    ) -> Result<(InputRule, TargetRule, Vec<String>), PrepareFault> {
        let mut notes = Vec::new();
        let (inputs, target) = match raw {
            Raw::Table(table) => (
                self.columns(table, scale, &mut notes)?,
                self.table_target(table)?,
            ),
            Raw::Samples(samples) => (
                self.features(samples, scale, &mut notes)?,
                self.samples_target(samples)?,
            ),
        };
        let columns = inputs.names().len();
        if columns > MOST_COLUMNS {
            return Err(PrepareFault::TooManyColumns {
                columns,
                most: MOST_COLUMNS,
            });
        }
        Ok((inputs, target, notes))
    }

    fn columns(
        &self,
        table: &Table,
        scale: Scale,
        notes: &mut Vec<String>,
    ) -> Result<InputRule, PrepareFault> {
        let is_used = |column: &&raw::Column| {
            self.target.as_ref() != Some(&column.name) && !self.drop.contains(&column.name)
        };
        let mut columns = Vec::new();
        let mut constant = Vec::new();
        for column in table.columns.iter().filter(is_used) {
            let name = column.name.clone();
            let kind = match &column.cells {
                Cells::Numbers(numbers) => {
                    let moments = moments(&name, numbers.iter().copied())?;
                    if moments.low == moments.high {
                        constant.push(name.clone());
                    }
                    ColumnKind::Number(moments)
                }
                Cells::Text { distinct, codes } => {
                    let codes: BTreeSet<u32> = codes.iter().copied().collect();
                    let there = codes.iter().filter_map(|&code| distinct.get(code as usize));
                    let texts: BTreeSet<&String> = there.collect();
                    if texts.len() > MOST_TEXTS {
                        return Err(PrepareFault::TooManyTexts {
                            column: name,
                            distinct: texts.len(),
                            most: MOST_TEXTS,
                        });
                    }
                    if texts.len() < 2 {
                        constant.push(name.clone());
                    }
                    if texts.is_empty() {
                        continue;
                    }
                    ColumnKind::Texts(texts.into_iter().cloned().collect())
                }
            };
            columns.push(Column { name, kind });
        }
        note_constant(&constant, notes);
        let width = columns.iter().map(|column| column.kind.width()).sum();
        if width == 0 {
            return Err(PrepareFault::NoFeatures);
        }
        Ok(InputRule::Columns {
            shape: [1, 1, width],
            scale,
            impute: self.impute,
            columns,
        })
    }

    fn table_target(&self, table: &Table) -> Result<TargetRule, PrepareFault> {
        let column = self.target.clone().unwrap_or_default();
        let cells = self
            .target_of(table)
            .ok_or_else(|| PrepareFault::NoTarget {
                columns: names_of(table),
            })?;
        let names: Vec<String> = match cells {
            Cells::Text { distinct, codes } => {
                let codes: BTreeSet<u32> = codes.iter().copied().collect();
                let there = codes.iter().filter_map(|&code| distinct.get(code as usize));
                let names: BTreeSet<&String> = there.collect();
                names.into_iter().cloned().collect()
            }
            Cells::Numbers(numbers) if self.classes => class_names(numbers.iter().copied()),
            Cells::Numbers(numbers) => {
                return values_rule(vec![column], numbers.len(), |row, _| numbers[row]);
            }
        };
        classes_rule(column, names, matches!(cells, Cells::Numbers(_)))
    }

    fn features(
        &self,
        samples: &Samples,
        scale: Scale,
        notes: &mut Vec<String>,
    ) -> Result<InputRule, PrepareFault> {
        let shape = samples.shape;
        let numbers = match &samples.inputs {
            Inputs::Bytes(_) => return Ok(InputRule::Pixels { shape }),
            Inputs::Numbers(numbers) => numbers,
        };
        let features = samples.features();
        if features == 0 {
            return Err(PrepareFault::NoFeatures);
        }
        let (mut columns, mut constant) = (Vec::with_capacity(features), Vec::new());
        for feature in 0..features {
            let name = format!("x{}", feature + 1);
            let own = numbers.iter().skip(feature).step_by(features);
            let moments = moments(&name, own.map(|&x| f64::from(x)))?;
            if moments.low == moments.high {
                constant.push(name.clone());
            }
            let kind = ColumnKind::Number(moments);
            columns.push(Column { name, kind });
        }
        note_constant(&constant, notes);
        Ok(InputRule::Columns {
            shape,
            scale,
            impute: self.impute,
            columns,
        })
    }

    fn samples_target(&self, samples: &Samples) -> Result<TargetRule, PrepareFault> {
        let column = "class".to_owned();
        match &samples.targets {
            None => Err(PrepareFault::NoTargets),
            Some(Targets::Classes(labels)) => {
                let all = labels.iter().max().map_or(0, |&label| label as usize + 1);
                let name = |class: usize| match samples.class_names.get(class) {
                    Some(name) => name.clone(),
                    None => class.to_string(),
                };
                let there: BTreeSet<u32> = labels.iter().copied().collect();
                if there.len() < 2 {
                    let class = there.first().map_or(0, |&class| class as usize);
                    return Err(PrepareFault::OneClass { class: name(class) });
                }
                let names = all.max(samples.class_names.len());
                classes_rule(column, (0..names).map(name).collect(), false)
            }
            Some(Targets::Values(values)) => {
                let rows = samples.len().max(1);
                let width = values.len() / rows;
                if self.classes {
                    if width != 1 {
                        return Err(PrepareFault::ManyValues { values: width });
                    }
                    let numbers = values.iter().map(|&value| f64::from(value));
                    return classes_rule(column, class_names(numbers), true);
                }
                let columns = match width {
                    1 => vec!["y".to_owned()],
                    _ => (1..=width).map(|j| format!("y{j}")).collect(),
                };
                values_rule(columns, rows, |row, j| f64::from(values[row * width + j]))
            }
        }
    }
}

fn note_constant(columns: &[String], notes: &mut Vec<String>) {
    if !columns.is_empty() {
        let names = listed(columns.iter().map(|name| &name[..]));
        notes.push(format!("constant in training, ignored: {names}"));
    }
}

/// The distinct numbers, ascending.
fn distinct(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = numbers.filter(|number| !number.is_nan()).collect();
    all.sort_by(f64::total_cmp);
    all.dedup_by(|a, b| a == b);
    all
}

/// The place of each number among the distinct ones.
fn ranks(numbers: impl Iterator<Item = f64> + Clone) -> Vec<u32> {
    let distinct = distinct(numbers.clone());
    let rank = |number: f64| distinct.partition_point(|&other| other < number) as u32;
    numbers.map(rank).collect()
}

fn class_names(numbers: impl Iterator<Item = f64>) -> Vec<String> {
    distinct(numbers).into_iter().map(number_text).collect()
}

fn classes_rule(
    column: String,
    names: Vec<String>,
    numbers: bool,
) -> Result<TargetRule, PrepareFault> {
    match &names[..] {
        [] => Err(PrepareFault::NoRows),
        [class] => Err(PrepareFault::OneClass {
            class: class.clone(),
        }),
        _ => Ok(TargetRule::Classes {
            column,
            names,
            numbers,
        }),
    }
}

fn values_rule(
    columns: Vec<String>,
    rows: usize,
    value: impl Fn(usize, usize) -> f64,
) -> Result<TargetRule, PrepareFault> {
    let (mut means, mut deviations) = (Vec::new(), Vec::new());
    for (j, column) in columns.iter().enumerate() {
        let moments = moments(column, (0..rows).map(|row| value(row, j)))?;
        // Numbers so close that their deviation cannot be divided by are constant, too.
        if moments.low == moments.high || !moments.deviation.recip().is_finite() {
            return Err(PrepareFault::ConstantTarget {
                column: column.clone(),
                value: number_text(moments.low),
            });
        }
        means.push(moments.mean);
        deviations.push(moments.deviation);
    }
    Ok(TargetRule::Values {
        columns,
        means,
        deviations,
    })
}

/// Mean, standard deviation and range of the numbers that are not NaN; all 0 if there is none.
fn moments(
    column: &str,
    numbers: impl Iterator<Item = f64> + Clone,
) -> Result<Moments, PrepareFault> {
    let there = || numbers.clone().filter(|number| !number.is_nan());
    let count = there().count();
    if count == 0 {
        return Ok(Moments {
            mean: 0.0,
            deviation: 0.0,
            low: 0.0,
            high: 0.0,
        });
    }
    let low = there().fold(f64::INFINITY, f64::min);
    let high = there().fold(f64::NEG_INFINITY, f64::max);
    let n = count as f64;
    // From the lowest number, so that numbers far from 0 lose no digits.
    let mean = low + there().map(|number| (number - low) / n).sum::<f64>();
    let mean = mean.clamp(low, high);
    let squares: f64 = there().map(|number| (number - mean).powi(2)).sum();
    let moments = Moments {
        mean,
        deviation: (squares / n).sqrt(),
        low,
        high,
    };
    match mean.is_finite() && moments.deviation.is_finite() && (high - low).is_finite() {
        true => Ok(moments),
        false => Err(PrepareFault::TooLarge {
            column: column.to_owned(),
        }),
    }
}

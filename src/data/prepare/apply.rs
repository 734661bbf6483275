//! The conversion of raw samples to the inputs of a network, by the preprocessing fitted in training.

use std::collections::BTreeMap;

use super::fit::names_of;
use super::{
    Column, ColumnKind, InputRule, Preparation, TargetRule, first_missing, is_missing, listed,
    number_text,
};
use crate::data::raw::{Cells, Raw, Samples, Table};
use crate::data::{Dataset, Inputs, Targets};
use crate::error::PrepareFault;

/// Differences from the training samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of values beyond the range of training, which were clamped to it.
    pub clamped: usize,
    /// The number of missing values, which were replaced by the mean of training.
    pub filled: usize,
    /// Texts that were missing.
    pub absent: usize,
    /// Texts that training did not have, by column.
    pub unseen: BTreeMap<String, usize>,
}

impl Counts {
    /// Adds the counts of other samples.
    pub fn add(&mut self, other: Self) {
        self.clamped += other.clamped;
        self.filled += other.filled;
        self.absent += other.absent;
        for (column, count) in other.unseen {
            *self.unseen.entry(column).or_default() += count;
        }
    }

    /// Sentences for the user, for the samples that `part` names.
    pub fn notes(&self, part: &str) -> Vec<String> {
        let numbers = |count: usize| match count {
            1 => "1 number".to_owned(),
            _ => format!("{count} numbers"),
        };
        let mut notes = Vec::new();
        if self.clamped > 0 {
            notes.push(format!(
                "{part}: {} beyond the range of training, clamped to it",
                numbers(self.clamped)
            ));
        }
        if self.filled > 0 {
            notes.push(format!(
                "{part}: {} missing, replaced by the mean of training",
                numbers(self.filled)
            ));
        }
        let texts = |count: usize| if count == 1 { "text" } else { "texts" };
        if self.absent > 0 {
            let (count, texts) = (self.absent, texts(self.absent));
            notes.push(format!("{part}: {count} {texts} missing, taken as none"));
        }
        for (column, count) in &self.unseen {
            let texts = texts(*count);
            notes.push(format!(
                "{part}: {count} {texts} of column {column} that training did not have, taken as none"
            ));
        }
        notes
    }
}

/// A column's cells, with the column of training.
struct Pair<'a> {
    column: &'a Column,
    cells: &'a Cells,
}

impl Preparation {
    /// Samples with their targets, as the network takes them, called `name` in reports.
    ///
    /// # Errors
    /// A description of the fault. Rows are counted from 1.
    pub fn dataset(&self, raw: &Raw, name: &str) -> Result<(Dataset, Counts), PrepareFault> {
        if raw.is_empty() {
            return Err(PrepareFault::NoRows);
        }
        let (inputs, counts) = self.inputs(raw)?;
        let targets = self.targets(raw)?;
        let [channels, height, width] = self.inputs.shape();
        let data = Dataset {
            name: name.to_owned(),
            channels,
            image: [height, width],
            classes: self.target.width(),
            inputs,
            targets,
        };
        Ok((data, counts))
    }

    /// Inputs as the network takes them, (samples, features).
    ///
    /// # Errors
    /// A description of the fault. Rows are counted from 1.
    pub fn inputs(&self, raw: &Raw) -> Result<(Inputs, Counts), PrepareFault> {
        match (&self.inputs, raw) {
            (InputRule::Pixels { shape }, Raw::Samples(samples)) => match &samples.inputs {
                Inputs::Bytes(bytes) if samples.shape == *shape => {
                    Ok((Inputs::Bytes(bytes.clone()), Counts::default()))
                }
                _ => Err(other_shape(
                    samples,
                    &format!("images of {}", sides(*shape)),
                )),
            },
            (InputRule::Pixels { shape }, Raw::Table(_)) => Err(PrepareFault::OtherShape {
                found: "rows of a table".to_owned(),
                needed: format!("images of {}", sides(*shape)),
            }),
            (InputRule::Columns { columns, .. }, Raw::Table(table)) => {
                let cells = columns.iter().map(|column| {
                    let found = table.columns.iter().find(|found| found.name == column.name);
                    let found = found.ok_or_else(|| PrepareFault::NoFeature {
                        column: column.name.clone(),
                        columns: names_of(table),
                    })?;
                    let cells = &found.cells;
                    Ok(Pair { column, cells })
                });
                let pairs: Vec<Pair<'_>> = cells.collect::<Result<_, _>>()?;
                self.columns(&pairs, table.rows())
            }
            (InputRule::Columns { columns, shape, .. }, Raw::Samples(samples)) => {
                let numbers = columns
                    .iter()
                    .all(|c| matches!(c.kind, ColumnKind::Number(_)));
                match &samples.inputs {
                    Inputs::Numbers(all) if numbers && samples.features() == columns.len() => {
                        self.numbers(all)
                    }
                    _ => Err(other_shape(
                        samples,
                        &format!("numbers of {}", sides(*shape)),
                    )),
                }
            }
        }
    }

    /// The inputs of a table's columns, in the order of the network.
    fn columns(&self, pairs: &[Pair<'_>], rows: usize) -> Result<(Inputs, Counts), PrepareFault> {
        let InputRule::Columns { scale, .. } = &self.inputs else {
            return Ok((Inputs::Numbers(Vec::new()), Counts::default()));
        };
        let affine = self.inputs.affine();
        let width = affine.len();
        let mut inputs = vec![0.0; rows * width];
        let mut counts = Counts::default();
        let mut first = 0;
        for Pair { column, cells } in pairs {
            let own = &affine[first..][..column.kind.width()];
            match &column.kind {
                ColumnKind::Number(_) => {
                    let numbers = numbers_of(column, cells)?;
                    let rule = &own[0];
                    for (row, &number) in numbers.iter().enumerate() {
                        let number = match (number.is_nan(), rule.fill) {
                            (false, _) => number,
                            (true, Some(fill)) => {
                                counts.filled += 1;
                                fill
                            }
                            (true, None) => {
                                let column = column.name.clone();
                                return Err(PrepareFault::MissingInput {
                                    column,
                                    row: row + 1,
                                });
                            }
                        };
                        let clamped = !(rule.low..=rule.high).contains(&number);
                        counts.clamped += usize::from(clamped);
                        inputs[row * width + first] = scale.input(rule.of(number));
                    }
                }
                ColumnKind::Texts(texts) => {
                    // The inputs of a text that the cell does not have, and of the one that it has.
                    let [off, on] = [0.0, 1.0].map(|x| scale.input(own[0].of(x)));
                    let impute = matches!(self.inputs, InputRule::Columns { impute: true, .. });
                    if let (false, Some(row)) = (impute, first_missing(cells)) {
                        let column = column.name.clone();
                        return Err(PrepareFault::MissingInput {
                            column,
                            row: row + 1,
                        });
                    }
                    for (row, place) in places(texts, cells).into_iter().enumerate() {
                        let own = &mut inputs[row * width + first..][..texts.len()];
                        own.fill(off);
                        match place {
                            Some(place) => own[place] = on,
                            None if is_missing(cells, row) => counts.absent += 1,
                            None => *counts.unseen.entry(column.name.clone()).or_default() += 1,
                        }
                    }
                }
            }
            first += own.len();
        }
        Ok((Inputs::Numbers(inputs), counts))
    }

    /// The inputs of arrays of numbers.
    fn numbers(&self, all: &[f32]) -> Result<(Inputs, Counts), PrepareFault> {
        let InputRule::Columns { scale, columns, .. } = &self.inputs else {
            return Ok((Inputs::Numbers(Vec::new()), Counts::default()));
        };
        let affine = self.inputs.affine();
        let mut counts = Counts::default();
        let mut inputs = Vec::with_capacity(all.len());
        for (sample, row) in all.chunks_exact(affine.len()).enumerate() {
            for (feature, (&x, rule)) in row.iter().zip(&affine).enumerate() {
                let x = match (x.is_nan(), rule.fill) {
                    (false, _) => f64::from(x),
                    (true, Some(fill)) => {
                        counts.filled += 1;
                        fill
                    }
                    (true, None) => {
                        return Err(PrepareFault::MissingInput {
                            column: columns[feature].name.clone(),
                            row: sample + 1,
                        });
                    }
                };
                counts.clamped += usize::from(!(rule.low..=rule.high).contains(&x));
                inputs.push(scale.input(rule.of(x)));
            }
        }
        Ok((Inputs::Numbers(inputs), counts))
    }

    /// The targets as the network is trained on them.
    ///
    /// # Errors
    /// A description of the fault.
    fn targets(&self, raw: &Raw) -> Result<Targets, PrepareFault> {
        match (&self.target, raw) {
            (TargetRule::Classes { column, names, .. }, Raw::Table(table)) => {
                let cells = target_cells(table, column)?;
                let codes = places(names, cells)
                    .into_iter()
                    .enumerate()
                    .map(|(row, place)| {
                        place
                            .map(|place| place as u32)
                            .ok_or_else(|| unknown(text_at(cells, row), row, names))
                    });
                Ok(Targets::Classes(codes.collect::<Result<_, _>>()?))
            }
            (TargetRule::Values { columns, .. }, Raw::Table(table)) => {
                let cells = columns.iter().map(|column| {
                    let cells = target_cells(table, column)?;
                    let kind = ColumnKind::Texts(Vec::new());
                    let name = column.clone();
                    numbers_of(&Column { name, kind }, cells)
                });
                let numbers: Vec<Vec<f64>> = cells.collect::<Result<_, _>>()?;
                Ok(self.standardised(table.rows(), |row, j| numbers[j][row]))
            }
            (TargetRule::Classes { names, .. }, Raw::Samples(samples)) => match &samples.targets {
                None => Err(PrepareFault::NoTargets),
                Some(Targets::Classes(labels)) => self.labels(samples, labels, names),
                Some(Targets::Values(values)) if values.len() == samples.len() => {
                    let cells = Cells::Numbers(values.iter().map(|&v| f64::from(v)).collect());
                    let codes = places(names, &cells).into_iter().enumerate();
                    let codes = codes.map(|(row, place)| {
                        place
                            .map(|place| place as u32)
                            .ok_or_else(|| unknown(text_at(&cells, row), row, names))
                    });
                    Ok(Targets::Classes(codes.collect::<Result<_, _>>()?))
                }
                Some(Targets::Values(_)) => Err(PrepareFault::OtherTargets {
                    found: "numbers",
                    needed: "classes",
                }),
            },
            (TargetRule::Values { means, .. }, Raw::Samples(samples)) => match &samples.targets {
                None => Err(PrepareFault::NoTargets),
                Some(Targets::Values(values)) if values.len() == samples.len() * means.len() => {
                    let width = means.len();
                    Ok(self
                        .standardised(samples.len(), |row, j| f64::from(values[row * width + j])))
                }
                Some(Targets::Values(values)) => Err(PrepareFault::OtherShape {
                    found: format!(
                        "of {} values as targets",
                        values.len() / samples.len().max(1)
                    ),
                    needed: format!("those of {}", means.len()),
                }),
                Some(Targets::Classes(_)) => Err(PrepareFault::OtherTargets {
                    found: "classes",
                    needed: "numbers",
                }),
            },
        }
    }

    /// Labels of arrays and images, by the names of their classes where they have names.
    fn labels(
        &self,
        samples: &Samples,
        labels: &[u32],
        names: &[String],
    ) -> Result<Targets, PrepareFault> {
        let place = |class: u32| -> Option<u32> {
            match samples.class_names.get(class as usize) {
                Some(name) => names.iter().position(|own| own == name).map(|at| at as u32),
                None => Some(class).filter(|&class| (class as usize) < names.len()),
            }
        };
        let all = labels.iter().max().map_or(0, |&class| class + 1);
        let places: Vec<Option<u32>> = (0..all.min(1 << 20)).map(place).collect();
        let label = |(row, &class): (usize, &u32)| {
            let place = places.get(class as usize).copied().flatten();
            place.ok_or_else(|| {
                let name = samples.class_names.get(class as usize);
                unknown(name.cloned().unwrap_or(class.to_string()), row, names)
            })
        };
        let labels = labels.iter().enumerate().map(label);
        Ok(Targets::Classes(labels.collect::<Result<_, _>>()?))
    }

    fn standardised(&self, rows: usize, value: impl Fn(usize, usize) -> f64) -> Targets {
        let TargetRule::Values {
            means, deviations, ..
        } = &self.target
        else {
            return Targets::Values(Vec::new());
        };
        let mut values = Vec::with_capacity(rows * means.len());
        for row in 0..rows {
            for (j, (mean, deviation)) in means.iter().zip(deviations).enumerate() {
                values.push(((value(row, j) - mean) / deviation) as f32);
            }
        }
        Targets::Values(values)
    }
}

fn unknown(class: String, row: usize, names: &[String]) -> PrepareFault {
    PrepareFault::UnknownClass {
        class,
        row: row + 1,
        known: listed(names.iter().map(|name| &name[..])),
    }
}

fn target_cells<'a>(table: &'a Table, column: &str) -> Result<&'a Cells, PrepareFault> {
    let found = table.columns.iter().find(|found| found.name == column);
    let found = found.ok_or_else(|| PrepareFault::NoColumn {
        field: "target",
        column: column.to_owned(),
        columns: names_of(table),
    })?;
    match first_missing(&found.cells) {
        None => Ok(&found.cells),
        Some(row) => Err(PrepareFault::MissingTarget {
            column: column.to_owned(),
            row: row + 1,
        }),
    }
}

/// The numbers of a column that had numbers in training. Text that is not a number is refused.
fn numbers_of(column: &Column, cells: &Cells) -> Result<Vec<f64>, PrepareFault> {
    match cells {
        Cells::Numbers(numbers) => Ok(numbers.clone()),
        Cells::Text { distinct, codes } => {
            let parsed: Vec<Option<f64>> = distinct
                .iter()
                .map(|text| text.trim().parse().ok().filter(|x: &f64| x.is_finite()))
                .collect();
            let number = |(row, &code): (usize, &u32)| match parsed.get(code as usize) {
                None => Ok(f64::NAN),
                Some(Some(number)) => Ok(*number),
                Some(None) => Err(PrepareFault::NotANumber {
                    column: column.name.clone(),
                    row: row + 1,
                    text: distinct[code as usize].clone(),
                }),
            };
            codes.iter().enumerate().map(number).collect()
        }
    }
}

/// The text of a cell.
fn text_at(cells: &Cells, row: usize) -> String {
    match cells {
        Cells::Numbers(numbers) => number_text(numbers[row]),
        Cells::Text { distinct, codes } => {
            let text = distinct.get(codes[row] as usize);
            text.cloned().unwrap_or_default()
        }
    }
}

/// The place of each cell among `texts`; none for a cell that is missing or is none of them.
fn places(texts: &[String], cells: &Cells) -> Vec<Option<usize>> {
    let by_text: BTreeMap<&str, usize> = texts
        .iter()
        .enumerate()
        .map(|(place, text)| (&text[..], place))
        .collect();
    let find = |text: &str| by_text.get(text).copied();
    match cells {
        Cells::Text { distinct, codes } => {
            let found: Vec<Option<usize>> = distinct.iter().map(|text| find(text)).collect();
            let place = |&code: &u32| found.get(code as usize).copied().flatten();
            codes.iter().map(place).collect()
        }
        Cells::Numbers(numbers) => {
            let place = |&number: &f64| match number.is_nan() {
                true => None,
                false => find(&number_text(number)),
            };
            numbers.iter().map(place).collect()
        }
    }
}

fn sides([channels, height, width]: [usize; 3]) -> String {
    match [channels, height] {
        [1, 1] => width.to_string(),
        _ => format!("{channels} × {height} × {width}"),
    }
}

fn other_shape(samples: &Samples, needed: &str) -> PrepareFault {
    let what = match samples.inputs {
        Inputs::Bytes(_) => "images",
        Inputs::Numbers(_) => "numbers",
    };
    PrepareFault::OtherShape {
        found: format!("{what} of {}", sides(samples.shape)),
        needed: needed.to_owned(),
    }
}

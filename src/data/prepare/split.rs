//! The choice of the samples that are held out of training.

use std::path::PathBuf;

use serde::Serialize;

use crate::data::raw::{Cells, Column, Raw, Samples, Table};
use crate::data::{Inputs, Targets};
use crate::error::PrepareFault;
use crate::files::path_text;
use crate::rng::{Purpose, Stream};

/// Samples that are not trained on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HeldOut {
    /// A number of samples.
    Samples(usize),
    /// A share of all, in ]0, 1[.
    Share(f64),
    /// The samples of a file or folder of their own.
    Path(#[serde(serialize_with = "path_text::serialize")] PathBuf),
}

/// A part that is held out: its name, and the number of its streams of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Part {
    Test = 0,
    Validation = 1,
}

impl Part {
    /// The field that asks for it.
    pub(in crate::data) fn field(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }
}

/// Divides samples into those that are trained on and `count` that are held out, each ascending.
/// `strata` is the class of each sample. Each class is held out in proportion to its size, and keeps at
/// least one sample to train on. Which samples those are depends on `seed` and `part` alone.
///
/// # Errors
/// [`PrepareFault::TooFew`] if `count` leaves a class without a sample, or is 0.
pub(in crate::data) fn hold_out(
    strata: &[u32],
    count: usize,
    seed: u64,
    part: Part,
) -> Result<[Vec<u32>; 2], PrepareFault> {
    let classes = strata.iter().max().map_or(0, |&class| class as usize + 1);
    let mut members = vec![Vec::new(); classes];
    for (sample, &class) in (0..).zip(strata) {
        members[class as usize].push(sample);
    }
    let most: usize = members.iter().map(|own| own.len().saturating_sub(1)).sum();
    if count == 0 || count > most {
        return Err(PrepareFault::TooFew {
            field: part.field(),
            samples: strata.len(),
            held_out: count,
            most,
        });
    }
    let shares = shares(&members.iter().map(Vec::len).collect::<Vec<_>>(), count);
    let mut is_held_out = vec![false; strata.len()];
    for (class, (mut own, share)) in (0u32..).zip(members.into_iter().zip(shares)) {
        let stream = Stream::new(seed, Purpose::Split, 2 * class + part as u32);
        // The first steps of a Fisher-Yates shuffle.
        for i in 0..share {
            let other = i + stream.below(i as u64, (own.len() - i) as u32) as usize;
            own.swap(i, other);
            is_held_out[own[i] as usize] = true;
        }
    }
    let (held_out, rest) = (0..strata.len() as u32).partition(|&s| is_held_out[s as usize]);
    Ok([rest, held_out])
}

/// `count` divided in proportion to `sizes`, by largest remainders, with at least one of each size left.
/// `count` is at most the sum of what may be taken.
fn shares(sizes: &[usize], count: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let room = |class: usize| sizes[class].saturating_sub(1);
    let quota = |class: usize| count as f64 * sizes[class] as f64 / all as f64;
    let mut shares: Vec<usize> = (0..sizes.len())
        .map(|class| (quota(class) as usize).min(room(class)))
        .collect();
    let mut left = count - shares.iter().sum::<usize>();
    while left > 0 {
        // Ties go to the first class.
        let behind = |class: usize| quota(class) - shares[class] as f64;
        let open = (0..sizes.len()).filter(|&class| shares[class] < room(class));
        let next = open.reduce(|best, class| {
            if behind(class) > behind(best) {
                class
            } else {
                best
            }
        });
        let Some(next) = next else { break };
        shares[next] += 1;
        left -= 1;
    }
    shares
}

/// The number of samples of a count or a share of `samples`.
pub(in crate::data) fn number(held_out: &HeldOut, samples: usize) -> usize {
    match held_out {
        HeldOut::Samples(number) => *number,
        HeldOut::Share(share) => (share * samples as f64).round() as usize,
        HeldOut::Path(_) => 0,
    }
}

impl Raw {
    /// The number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.rows(),
            Self::Samples(samples) => samples.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples `indices`, in this order.
    pub(crate) fn select(&self, indices: &[u32]) -> Self {
        match self {
            Self::Table(table) => Self::Table(table.select(indices)),
            Self::Samples(samples) => Self::Samples(samples.select(indices)),
        }
    }
}

impl Table {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }

    fn select(&self, rows: &[u32]) -> Self {
        let column = |column: &Column| Column {
            name: column.name.clone(),
            cells: match &column.cells {
                Cells::Numbers(all) => {
                    Cells::Numbers(rows.iter().map(|&row| all[row as usize]).collect())
                }
                Cells::Text { distinct, codes } => Cells::Text {
                    distinct: distinct.clone(),
                    codes: rows.iter().map(|&row| codes[row as usize]).collect(),
                },
            },
        };
        Self {
            path: self.path.clone(),
            columns: self.columns.iter().map(column).collect(),
        }
    }
}

impl Cells {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Text { codes, .. } => codes.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Samples {
    /// The number of features of a sample.
    pub fn features(&self) -> usize {
        self.shape.iter().product()
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.features().max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn select(&self, samples: &[u32]) -> Self {
        fn rows<T: Copy>(all: &[T], samples: &[u32], width: usize) -> Vec<T> {
            let row = |&sample: &u32| &all[sample as usize * width..][..width];
            samples.iter().flat_map(row).copied().collect()
        }
        let features = self.features();
        let targets = self.targets.as_ref().map(|targets| match targets {
            Targets::Classes(all) => Targets::Classes(rows(all, samples, 1)),
            Targets::Values(all) => {
                let width = all.len() / self.len().max(1);
                Targets::Values(rows(all, samples, width))
            }
        });
        Self {
            path: self.path.clone(),
            shape: self.shape,
            inputs: match &self.inputs {
                Inputs::Bytes(all) => Inputs::Bytes(rows(all, samples, features)),
                Inputs::Numbers(all) => Inputs::Numbers(rows(all, samples, features)),
            },
            targets,
            class_names: self.class_names.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 50 + 30 + 7 + 1 samples of four classes, mixed.
    fn strata() -> Vec<u32> {
        let classes = [(0, 50), (1, 30), (2, 7), (3, 1)];
        let mut strata: Vec<u32> = classes
            .into_iter()
            .flat_map(|(class, size)| vec![class; size])
            .collect();
        strata.rotate_left(33);
        strata
    }

    #[test]
    fn each_class_is_held_out_in_proportion() {
        let strata = strata();
        let [rest, held_out] = hold_out(&strata, 18, 5, Part::Test).expect("enough samples");
        let count = |samples: &[u32], class: u32| {
            let own = samples.iter().filter(|&&s| strata[s as usize] == class);
            own.count()
        };
        // 18/88 of each: 10.2, 6.1, 1.4 and 0.2, and the largest remainder gets the one left over.
        let counts: Vec<usize> = (0..4).map(|class| count(&held_out, class)).collect();
        assert_eq!(counts, [10, 6, 2, 0]);
        assert_eq!(count(&rest, 3), 1);
        let mut all = [rest, held_out].concat();
        all.sort_unstable();
        assert_eq!(all, (0..88).collect::<Vec<u32>>());
    }

    #[test]
    fn the_seed_and_the_part_choose_the_samples() {
        let held_out = |seed, part| {
            let [_, held_out] = hold_out(&strata(), 18, seed, part).expect("enough samples");
            held_out
        };
        let first = held_out(5, Part::Test);
        assert_eq!(first, held_out(5, Part::Test));
        assert_ne!(first, held_out(6, Part::Test));
        assert_ne!(first, held_out(5, Part::Validation));
    }

    #[test]
    fn a_sample_of_each_class_is_left() {
        let [rest, _] = hold_out(&strata(), 84, 0, Part::Test).expect("84 of 88 samples");
        let classes: Vec<u32> = rest.iter().map(|&s| strata()[s as usize]).collect();
        let mut sorted = classes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3]);
        for count in [0, 85, 88, 1000] {
            let fault = hold_out(&strata(), count, 0, Part::Test).expect_err("too many");
            let most = 84;
            let expected = PrepareFault::TooFew {
                field: "test",
                samples: 88,
                held_out: count,
                most,
            };
            assert_eq!(fault, expected);
        }
    }
}

//! Parts of a data set that are arrays with names, as in `.npz` and safetensors files.

use std::path::Path;

use super::array::{Array, Role, samples};
use super::file::fault;
use super::options::ReadOptions;
use crate::data::raw::{Parts, Raw, Samples};
use crate::error::{DataFault, Result};

/// The names of the inputs and targets of each part, in lower case: Keras' and those of MedMNIST.
const TRAIN: &[[&str; 2]] = &[
    ["x_train", "y_train"],
    ["train_images", "train_labels"],
    ["x", "y"],
];
const VALIDATION: &[[&str; 2]] = &[
    ["x_val", "y_val"],
    ["x_valid", "y_valid"],
    ["x_validation", "y_validation"],
    ["val_images", "val_labels"],
];
const TEST: &[[&str; 2]] = &[["x_test", "y_test"], ["test_images", "test_labels"]];

/// Whether `name` is that of inputs, with which a data set of arrays can start.
pub fn is_input(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TRAIN.iter().any(|pair| pair[0] == name)
}

/// The parts of the data set in `path` that has arrays called `names`, which `read` reads.
///
/// # Errors
/// [`Error::Data`](crate::error::Error::Data), and those of `read`.
pub fn parts(
    path: &Path,
    names: &[String],
    options: &ReadOptions,
    mut read: impl FnMut(&str, Role) -> Result<Array>,
) -> Result<Parts> {
    let find = |wanted: &str| {
        let exact = names.iter().find(|name| *name == wanted);
        exact.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
    };
    let mut notes = Vec::new();
    let mut used = Vec::new();
    let mut class_names = options.class_names.clone();
    let mut part = |pairs: &[[&str; 2]]| -> Result<Option<Samples>> {
        let pair = pairs.iter().find_map(|[x, y]| Some((find(x)?, find(y))));
        let Some((x, y)) = pair else { return Ok(None) };
        used.push(x.clone());
        let x = read(x, Role::Inputs)?;
        let y = match y {
            Some(y) => {
                used.push(y.clone());
                Some(read(y, Role::Targets)?)
            }
            None => None,
        };
        let samples = samples(path, x, y, class_names.as_deref(), &mut notes)?;
        // The other parts number classes as the training data do.
        if !samples.class_names.is_empty() {
            class_names = Some(samples.class_names.clone());
        }
        Ok(Some(samples))
    };
    let train = part(TRAIN)?.ok_or_else(|| {
        fault(path)(DataFault::MissingArray {
            needed: "\"x\" or \"x_train\"".to_owned(),
            found: names.to_vec(),
        })
    })?;
    let validation = part(VALIDATION)?;
    let test = part(TEST)?;
    for (name, other) in [("validation", &validation), ("test", &test)] {
        if let Some(other) = other.as_ref().filter(|other| other.shape != train.shape) {
            let shape = |[c, h, w]: [usize; 3]| format!("inputs of {c} × {h} × {w}");
            return Err(fault(path)(DataFault::Disagreement {
                names: Box::new(["the training part".to_owned(), format!("the {name} part")]),
                values: Box::new([shape(train.shape), shape(other.shape)]),
            }));
        }
    }
    let mut unused = names.iter().filter(|name| !used.contains(name));
    let shown: Vec<String> = unused.by_ref().take(10).map(|n| format!("{n:?}")).collect();
    if !shown.is_empty() {
        let more = match unused.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        notes.push(format!(
            "{} has arrays that are not used: {}{more}",
            path.display(),
            shown.join(", ")
        ));
    }
    Ok(Parts {
        train: Raw::Samples(train),
        validation: validation.map(Raw::Samples),
        test: test.map(Raw::Samples),
        notes,
    })
}

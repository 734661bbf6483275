//! The data of a run: a named data set, or the user's own data.

use std::path::Path;
use std::sync::Arc;

use super::options::Options;
use crate::activation::Activation;
use crate::checkpoint::Checkpoint;
use crate::cli::args::invalid;
use crate::cli::progress::Downloads;
use crate::cli::say::{note, say, thousands};
use crate::data::prepare::{Choice, HeldOut, Preparation};
use crate::data::reader::ReadOptions;
use crate::data::{self, Opened, Prepared, Request, Splits};
use crate::error::Result;

/// The data in their splits, their name for reports, and their preprocessing.
pub struct Data {
    pub splits: Arc<Splits>,
    pub name: String,
    /// None for a named data set.
    pub preparation: Option<Preparation>,
}

/// The data that the options, or else a checkpoint, name.
///
/// # Errors
/// Those of [`data::load`]; for a validation split that leaves nothing to train on; those of reading and
/// preparing the user's own data.
pub fn load_data(options: &Options, checkpoints: Option<&[Checkpoint]>) -> Result<Data> {
    let Some(path) = &options.own.data else {
        let own = checkpoints.filter(|c| c[0].model.preparation.is_some());
        if let (Some(own), None) = (own, &options.dataset) {
            let reason =
                "the network was trained on the user's own data: name them, or others, with `data`";
            return Err(invalid("load", &own[0].dataset, reason));
        }
        if let (Some(own), Some(dataset)) = (own, &options.dataset)
            && own[0]
                .model
                .preparation
                .as_ref()
                .is_some_and(|own| !own.inputs.is_pixels())
        {
            let reason = "the network takes numbers that are prepared as in its training, and a named data set has \
                          images; name data with `data`";
            return Err(invalid("dataset", dataset, reason));
        }
        let splits = load_named(options, checkpoints)?;
        let name = splits.train.name.clone();
        return Ok(Data {
            splits: Arc::new(splits),
            name,
            preparation: None,
        });
    };
    let (prepared, name) = load_own(path, options, checkpoints)?;
    for text in prepared.notes {
        note(&text);
    }
    let preparation = prepared.preparation;
    say(format_args!("prepared: {}", preparation.describe()));
    let splits = Splits {
        train: prepared.train,
        validation: prepared.validation,
        test: prepared.test,
    };
    say_sizes(options, &splits);
    Ok(Data {
        splits: Arc::new(splits),
        name,
        preparation: Some(preparation),
    })
}

/// Reports the number of samples.
fn say_sizes(options: &Options, splits: &Splits) {
    let mut parts = vec![format!("{} test samples", thousands(splits.test.len()))];
    if let Some(validation) = &splits.validation {
        parts.insert(0, format!("{} validation", thousands(validation.len())));
    }
    if !options.eval_only {
        parts.insert(0, format!("{} training", thousands(splits.train.len())));
    }
    let name = &splits.train.name;
    say(format_args!("data: {name} ({})", parts.join(", ")));
}

fn load_named(options: &Options, checkpoints: Option<&[Checkpoint]>) -> Result<Splits> {
    // Evaluation needs no training files.
    let train_limit = if options.eval_only {
        Some(0)
    } else {
        options.limit_train
    };
    let request = Request {
        // A checkpoint is evaluated on, or trained further with, the data on which it was trained.
        dataset: options
            .dataset
            .clone()
            .or(checkpoints.map(|c| c[0].dataset.clone())),
        data_dir: options.data_dir.clone(),
        limit: Some((
            train_limit.unwrap_or(usize::MAX),
            options.limit_test.unwrap_or(usize::MAX),
        )),
    };
    let loaded = {
        let mut downloads = Downloads::default();
        data::load(&request, &mut |progress| downloads.show(progress))?
    };
    let (mut train, test) = (loaded.train, loaded.test);
    for text in loaded.notes {
        note(&text);
    }
    if options.eval_only {
        // An executor takes no empty training set.
        train = test.clone();
        train.truncate(1);
    }
    if train.name == "digits" && options.data_dir.is_some() {
        note("`data_dir` has no effect: digits are drawn, not read; see `dataset`");
    }
    let limits = [
        ("limit_train", train_limit, "training", train.len()),
        ("limit_test", options.limit_test, "test", test.len()),
    ];
    for (field, limit, which, there) in limits {
        if limit.is_some_and(|limit| limit > there) {
            note(&format!(
                "`{field}`: there are {there} {which} samples; all are used"
            ));
        }
    }
    let validation = match &options.validation {
        None => None,
        Some(held_out) => {
            let (samples, given) = match held_out {
                HeldOut::Samples(samples) => (*samples, samples.to_string()),
                HeldOut::Share(share) => {
                    let samples = (share * train.len() as f64).round() as usize;
                    (samples, share.to_string())
                }
                // Options with a path are refused without the user's own data.
                HeldOut::Path(path) => (0, path.display().to_string()),
            };
            if !(1..train.len()).contains(&samples) {
                let reason = format!(
                    "of {} training samples at least one must be held out, and one be left",
                    train.len()
                );
                return Err(invalid("validation", given, reason));
            }
            Some(train.split_off(samples))
        }
    };
    let splits = Splits {
        train,
        validation,
        test,
    };
    say_sizes(options, &splits);
    Ok(splits)
}

/// Reads and prepares the data in `path`: by the preprocessing of a saved or resumed network, or else by one that
/// is fitted on the training samples.
///
/// # Errors
/// Those of reading and of preparing.
fn load_own(
    path: &Path,
    options: &Options,
    checkpoints: Option<&[Checkpoint]>,
) -> Result<(Prepared, String)> {
    let resumed = options.run.as_ref().map(|(_, run)| &run.model);
    let saved = resumed.or(checkpoints.map(|checkpoints| &checkpoints[0].model));
    let preparation = saved.and_then(|model| model.preparation.as_ref());
    let opened = opened(path, options, preparation)?;
    let name = opened.name();
    if options.eval_only {
        let Some(preparation) = preparation else {
            let reason = "the network was trained on a named data set, and has nothing of how other data are \
                          prepared for it; name a data set with `dataset`";
            return Err(invalid("data", path.display(), reason));
        };
        let (test, notes) = opened.evaluation(preparation)?;
        let mut train = test.clone();
        // An executor takes no empty training set.
        train.truncate(1);
        let prepared = Prepared {
            train,
            validation: None,
            test,
            preparation: preparation.clone(),
            notes,
        };
        return Ok((prepared, name));
    }
    let prepared = match preparation {
        Some(preparation) => opened.prepare_by(preparation)?,
        None => opened.prepare(first_activation(
            options,
            saved.map(|m| m.layers[0].activation),
        ))?,
    };
    Ok((prepared, name))
}

/// The activation of the first layer: that of a saved network, or of the options.
fn first_activation(options: &Options, saved: Option<&'static Activation>) -> &'static Activation {
    let of_list = || {
        let layers = options.network.as_ref()?;
        let specs = layers.specs(options.activation, options.form);
        specs.first().map(|spec| spec.activation)
    };
    saved.or_else(of_list).unwrap_or(options.activation)
}

/// The source in `path`, to be divided and prepared as the options say. Of a table, the columns of `preparation`
/// are read, if a network has one.
fn opened(path: &Path, options: &Options, preparation: Option<&Preparation>) -> Result<Opened> {
    let own = &options.own;
    let mut read = match preparation {
        Some(preparation) => preparation.read_options(true),
        None => ReadOptions {
            image_size: own.image_size,
            channels: own.channels,
            ..ReadOptions::default()
        },
    };
    read.skip_broken = own.skip_broken;
    let mut opened = data::open_with(path, &read)?
        .choice(Choice {
            target: own.target.clone(),
            drop: own.drop.clone(),
            classes: own.classes,
            impute: own.impute.is_some(),
        })
        .input(own.input.unwrap_or_default())
        .split_seed(own.split_seed.unwrap_or(0))
        .limits(
            options.limit_train.unwrap_or(usize::MAX),
            options.limit_test.unwrap_or(usize::MAX),
        );
    if let Some(test) = &own.test {
        opened = opened.test(test.clone());
    }
    if let Some(validation) = &options.validation {
        opened = opened.validation(validation.clone());
    }
    if let Some([low, high]) = options.input_range {
        opened = opened.input_range(low, high);
    }
    Ok(opened)
}

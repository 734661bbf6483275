//! The one error type of the crate.

mod checkpoint;
mod data;
mod prepare;

use std::path::{Path, PathBuf};

pub use checkpoint::CheckpointFault;
#[doc(hidden)]
pub use data::MirrorFailure;
pub use data::{DataFault, DownloadFault};
pub use prepare::PrepareFault;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The fields that error messages may name, each in backticks: `` `width` 0: … ``. They are the names
/// of the library's own settings. A program with other names for them, such as command line flags,
/// can replace them in a message.
#[doc(hidden)]
pub const FIELDS: &[&str] = &[
    "activation",
    "adapter",
    "augment",
    "batch_size",
    "betas",
    "channels",
    "checkpoint",
    "classes",
    "clip_norm",
    "cnn",
    "data",
    "data_dir",
    "dataset",
    "device",
    "drop",
    "dropout",
    "dual_passage",
    "epochs",
    "epsilon",
    "equilibrium",
    "features",
    "form",
    "gradient_tolerance",
    "hidden_layers",
    "image_size",
    "impute",
    "initial",
    "input",
    "input_range",
    "keep",
    "labels",
    "layer",
    "layers",
    "learning_rate",
    "load",
    "loss",
    "max_gradient_iterations",
    "max_iterations",
    "momentum",
    "nesterov",
    "out",
    "out_dir",
    "outputs",
    "overwrite",
    "patience",
    "picture",
    "problems",
    "realization",
    "realizations",
    "record_every",
    "report",
    "resume",
    "runs",
    "save",
    "schedule",
    "seed",
    "share",
    "skip_broken",
    "split_seed",
    "storage",
    "target",
    "targets",
    "test",
    "threads",
    "tolerance",
    "validation",
    "values",
    "warm_up",
    "weight_decay",
    "width",
    "widths",
];

/// Fails unless every count of `counts`, which are named by their fields, is at least 1.
///
/// # Errors
/// [`Error::InvalidValue`] for the first that is 0.
#[doc(hidden)]
pub fn at_least_one(counts: &[(&'static str, usize)]) -> Result<()> {
    match counts.iter().find(|(_, count)| *count == 0) {
        None => Ok(()),
        Some(&(field, _)) => Err(Error::InvalidValue {
            field,
            value: "0".to_owned(),
            reason: "must be at least 1".to_owned(),
        }),
    }
}

/// Every error of the crate. A variant states what failed, where, and how to proceed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb: "read", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },

    /// A name that the crate does not know.
    #[error("unknown {kind} `{name}`; the known ones are {known}")]
    UnknownName {
        /// The kind of the name: "activation", "adapter".
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },

    /// A field with a value that cannot work.
    #[error("`{field}` {value}: {reason}")]
    InvalidValue {
        /// The field, such as `width`.
        field: &'static str,
        /// The value given.
        value: String,
        /// The fault, or the correct form.
        reason: String,
    },

    /// A Bregman layer's ρ⁻¹ is not defined everywhere in the range of the layer below.
    #[error(
        "layer {} is a Bregman layer of {} on the range [{}, {}], but layer {} of {} gives values in \
         [{}, {}]: choose another activation for one of them, or give layer {} a `dual_passage`",
        layers[1], activations[1], ranges[1][0], ranges[1][1], layers[0], activations[0],
        ranges[0][0], ranges[0][1], layers[1]
    )]
    LayerRanges {
        /// The number of the layer below and of the Bregman layer, from 0.
        layers: [usize; 2],
        /// The names of their activations.
        activations: [&'static str; 2],
        /// The ranges of their activations, [low, high] each.
        ranges: [[f64; 2]; 2],
    },

    /// Two shapes differ that should be equal.
    #[error("{operation}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The operation or tensor.
        operation: String,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },

    /// A label that is not a class of the model.
    #[error(
        "{dataset}: sample {sample} has label {label}, but the network has {classes} classes (0 to {})",
        classes - 1
    )]
    Label {
        /// The data set.
        dataset: String,
        /// The position of the sample.
        sample: usize,
        /// Its label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },

    /// Training blew up: a loss that is not finite, or above 10⁶ × the realization's first.
    #[error(
        "training diverged in epoch {epoch}, step {step}, realization {realization}: the loss is \
         {}; try a smaller `learning_rate`",
        if loss.is_finite() {
            format!("{loss:.3e}, where {limit:.3e} is the limit")
        } else {
            "not finite".to_owned()
        },
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: u32,
        /// The step within the epoch, from 1.
        step: usize,
        /// The realization, from 0.
        realization: usize,
        /// The loss of that step.
        loss: f64,
        /// The largest loss allowed.
        limit: f64,
    },

    /// Networks that do not fit into this machine's memory.
    #[error(
        "this needs at least {needed_mib} MiB of memory, and {available_mib} MiB are free; \
         reduce `width`, `hidden_layers`, `batch_size` or `realizations`"
    )]
    OutOfMemory {
        /// The size of parameters, gradients and activations.
        needed_mib: u128,
        /// The memory that is free.
        available_mib: u64,
    },

    /// The operating system refused to start the threads.
    #[error("cannot start {threads} threads: {message}; reduce `threads`")]
    Threads {
        /// The number of threads asked for.
        threads: usize,
        /// The system's own reason.
        message: String,
    },

    /// The loss of a network in evaluation is not finite.
    #[error("realization {realization} has a loss of {loss}: its parameters cannot be used")]
    NonFiniteLoss {
        /// The realization, from 0.
        realization: usize,
        /// The loss.
        loss: f64,
    },

    /// A checkpoint that cannot be used.
    #[error("checkpoint {}: {fault}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: CheckpointFault,
    },

    /// A run cannot continue from its checkpoint with different options.
    #[error(
        "checkpoint {}: the run has `{field}` {found}, but `{field}` {given} was given, which would \
         be a different run: leave it out, or start from the beginning without `resume`",
        path.display()
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// The field, such as `learning_rate`.
        field: String,
        /// The value in the checkpoint.
        found: String,
        /// The value given.
        given: String,
    },

    /// A run cannot continue on other data than it was trained on.
    #[error(
        "checkpoint {}: the run was trained on different data (sha256 {found}, not {given}): name its \
         data with `data`, or with `dataset` and `data_dir`, or start from the beginning without `resume`",
        path.display()
    )]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
        /// The sha256 of the data that the run was trained on.
        found: String,
        /// The sha256 of the data that were loaded.
        given: String,
    },

    /// A settings file that cannot be used.
    #[error("settings file {}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },

    /// An environment variable that cannot be used.
    #[error("environment variable {variable}: {reason}")]
    Environment {
        /// Its name.
        variable: String,
        /// The fault of its value.
        reason: String,
    },

    /// Another process writes the same files.
    #[error(
        "{}: another process is writing there; wait until it has ended, or choose another \
         `out_dir`",
        path.display()
    )]
    Locked {
        /// The folder or the file.
        path: PathBuf,
    },

    /// The folder of the results holds the checkpoint or the results of a different run.
    #[error(
        "{} {} of a different run ({difference}): choose another `out_dir`, {}",
        path.display(),
        if is_checkpoint(path) { "is the checkpoint" } else { "has the results" },
        if is_checkpoint(path) {
            "continue that run (`resume`), or delete its checkpoint with `overwrite`"
        } else {
            "or replace them with `overwrite`"
        },
    )]
    Occupied {
        /// The checkpoint, or a file of the results.
        path: PathBuf,
        /// The difference.
        difference: String,
    },

    /// A picture that cannot be used.
    #[error("picture {}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },

    /// There is no adapter of the kind that is allowed.
    #[error(
        "no {}adapter was found (adapters: {known}); install a Vulkan, Metal or DX12 driver{}, or \
         train on the processor with `device` cpu",
        if *.software { "" } else { "hardware " },
        if *.software {
            " (Mesa's runs on the processor)"
        } else {
            ", ask for a software adapter with `device` gpu"
        },
    )]
    NoAdapter {
        /// Whether a software adapter was allowed.
        software: bool,
        /// The adapters that were found.
        known: String,
    },

    /// A buffer larger than the adapter can bind.
    #[error(
        "the network is too large for this adapter: {name} needs {mib} MiB, of {total_mib} MiB in \
         all, but one buffer may have {limit_mib} MiB; reduce `width`, `batch_size` or \
         `realizations`, or use `device` cpu"
    )]
    TooLarge {
        /// The contents of the buffer.
        name: String,
        /// Its size.
        mib: u64,
        /// The adapter's limit for one buffer.
        limit_mib: u64,
        /// The size of all buffers together.
        total_mib: u64,
    },

    /// A WGSL module that does not compile.
    #[error("shader {label} does not compile:\n{message}")]
    Shader {
        /// The files it was linked from.
        label: String,
        /// The compiler's diagnostic.
        message: String,
    },

    /// The adapter or its driver refused or failed.
    #[error("{operation} failed on the adapter: {message}")]
    Gpu {
        /// The operation that was under way.
        operation: String,
        /// The driver's own words.
        message: String,
    },

    /// The device was lost: a driver reset, an unplugged card, a hang.
    #[error(
        "the device {adapter} was lost ({message}); saved files are intact: start again, or use \
         `device` cpu"
    )]
    DeviceLost {
        /// The adapter.
        adapter: String,
        /// The driver's own words.
        message: String,
    },

    /// A data file that cannot be used.
    #[error("data file {}: {fault}", path.display())]
    Data {
        /// The file, or the folder.
        path: PathBuf,
        /// The fault.
        fault: DataFault,
    },

    /// The folder that was named for the data does not exist.
    #[error(
        "the data folder {} does not exist; create it, and {dataset} is downloaded into it, or \
         name a folder that has the data ({by_hand})",
        path.display()
    )]
    NoDataFolder {
        /// The folder.
        path: PathBuf,
        /// The data set looked for.
        dataset: &'static str,
        /// How to get the data by hand.
        by_hand: String,
    },

    /// The system has no cache folder for downloads.
    #[error(
        "this system has no cache folder for {dataset}; name the folder that has the data, or is to \
         have them, with `data_dir`"
    )]
    NoCacheFolder {
        /// The data set looked for.
        dataset: &'static str,
    },

    /// A data set that was not found and could not be downloaded.
    #[error(
        "{dataset} is not in {} and could not be downloaded:{}\n{by_hand}",
        path.display(),
        failures.iter().map(|failure| format!("\n  {}: {}", failure.url, failure.fault)).collect::<String>()
    )]
    Download {
        /// The data set.
        dataset: &'static str,
        /// The folder where it was looked for, and into which it would be downloaded.
        path: PathBuf,
        /// The fault of each mirror.
        failures: Vec<MirrorFailure>,
        /// How to get the data by hand.
        by_hand: String,
    },
}

/// Whether the file is a checkpoint, by its name.
fn is_checkpoint(path: &Path) -> bool {
    path.extension() == Some("safetensors".as_ref())
}

impl Error {
    /// Adds the action and the path to an I/O error; made for `map_err`.
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::FIELDS;

    /// The text between each pair of backticks on a line.
    fn backticked(line: &str) -> impl Iterator<Item = &str> {
        line.split('`').skip(1).step_by(2)
    }

    /// Every field that a message of the error types names is in the list.
    #[test]
    fn messages_name_fields_of_the_list() {
        let mut found = BTreeSet::new();
        for text in [
            include_str!("mod.rs"),
            include_str!("data.rs"),
            include_str!("checkpoint.rs"),
            include_str!("prepare.rs"),
        ] {
            let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((text, ""));
            let lines = code.lines().map(str::trim_start);
            for line in lines.filter(|line| !line.starts_with("//")) {
                // Placeholders stand for names that are not known here.
                found.extend(backticked(line).filter(|word| !word.contains('{')));
            }
        }
        for word in &found {
            assert!(FIELDS.contains(word), "`{word}` is not in FIELDS");
        }
        assert!(found.contains("learning_rate"), "{found:?}");
        assert!(FIELDS.is_sorted());
    }

    /// Every `field: "…"` in the library's own sources is in the list.
    #[test]
    fn invalid_values_name_fields_of_the_list() {
        fn check(folder: &Path, found: &mut usize) {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() && !path.ends_with("src/bin") && !path.ends_with("src/cli") {
                    check(&path, found);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).expect("UTF-8");
                    for rest in text.split("field: \"").skip(1) {
                        let field = rest.split('"').next().unwrap_or_default();
                        // This test's own text has no field.
                        if !field.contains(['…', '\\', ')']) {
                            assert!(FIELDS.contains(&field), "`{field}` of {}", path.display());
                            *found += 1;
                        }
                    }
                }
            }
        }
        let mut found = 0;
        check(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        assert!(found > 5, "{found} fields were found");
    }
}

//! The one error type of the crate.

mod checkpoint;
mod data;

use std::path::PathBuf;

pub use checkpoint::CheckpointFault;
pub use data::{DataFault, DownloadFault, MirrorFailure};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All that a caller can meet: each variant names what failed, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },

    /// A name that the crate does not know.
    #[error("unknown {kind} `{name}`; known are: {known}")]
    UnknownName {
        /// What kind of thing was named: "activation", "adapter".
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },

    /// An option with a value that cannot work.
    #[error("{option} {value}: {reason}")]
    InvalidOption {
        /// The option as a user types it, `--width`.
        option: &'static str,
        /// The value given.
        value: String,
        /// What would be right.
        reason: String,
    },

    /// Two shapes that should agree do not.
    #[error("{operation}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The operation or tensor.
        operation: String,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },

    /// A label that is no class of the model.
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
        label: u8,
        /// How many classes there are.
        classes: usize,
    },

    /// Training blew up: a loss that is not finite, or above 10⁶ × the realization's first.
    #[error(
        "training diverged in epoch {epoch}, step {step}, realization {realization}: the loss is \
         {}; try a smaller --lr",
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
        /// What it had to stay below.
        limit: f64,
    },

    /// A network that does not fit into this machine's memory.
    #[error(
        "the network needs at least {needed_mib} MiB of memory, and {available_mib} MiB are free; \
         reduce --width, --hidden-layers, --batch-size or --realizations"
    )]
    OutOfMemory {
        /// What parameters, gradients and activations take.
        needed_mib: u128,
        /// What there is.
        available_mib: u64,
    },

    /// The operating system does not give so many threads.
    #[error("cannot start {threads} threads: {message}; ask for fewer with --threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The system's own reason.
        message: String,
    },

    /// A network that was loaded computes a loss that is not finite.
    #[error("realization {realization} has a loss of {loss}: its parameters are of no use")]
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
        /// What is wrong with it.
        fault: CheckpointFault,
    },

    /// A run cannot go on from its checkpoint with other options.
    #[error(
        "checkpoint {}: the run has {option} {found}, but {option} {given} was given, which would \
         be another run: leave it out, or start anew without --resume",
        path.display()
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// The option as a user types it, `--lr`; or what else differs.
        option: String,
        /// What the checkpoint says.
        found: String,
        /// What was given.
        given: String,
    },

    /// A settings file that cannot be used.
    #[error("settings file {}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A picture that cannot be looked at.
    #[error("picture {}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// There is no adapter of the kind that is allowed.
    #[error(
        "no {}adapter was found (adapters: {known}); install a Vulkan, Metal or DX12 driver{}, or \
         train on the processor with --device cpu",
        if *.software { "" } else { "hardware " },
        if *.software {
            " (Mesa's runs on the processor)"
        } else {
            ", ask for a software adapter with --device gpu"
        },
    )]
    NoAdapter {
        /// Whether a software adapter would have done.
        software: bool,
        /// The adapters that there are.
        known: String,
    },

    /// A buffer larger than the adapter can bind.
    #[error(
        "the network is too large for this adapter: {name} needs {mib} MiB, of {total_mib} MiB in \
         all, but one buffer may have {limit_mib} MiB; reduce --width, --batch-size or \
         --realizations, or use --device cpu"
    )]
    TooLarge {
        /// What the buffer holds.
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
        /// What was under way.
        operation: String,
        /// The driver's own words.
        message: String,
    },

    /// The device was lost: a driver reset, an unplugged card, a hang.
    #[error(
        "the device {adapter} was lost ({message}); what was saved is intact: start again, or use \
         --device cpu"
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
        /// What is wrong with it.
        fault: DataFault,
    },

    /// The folder that was named for the data does not exist.
    #[error(
        "the data folder {} does not exist; make it and {dataset} is downloaded into it, or name \
         one that has the data ({by_hand})",
        path.display()
    )]
    NoDataFolder {
        /// The folder.
        path: PathBuf,
        /// The data set looked for.
        dataset: &'static str,
        /// How to get the data without this program.
        by_hand: String,
    },

    /// The system names no folder to keep downloads in.
    #[error(
        "this system names no cache folder for {dataset}; say where it is, or goes, with --data-dir"
    )]
    NoCacheFolder {
        /// The data set looked for.
        dataset: &'static str,
    },

    /// A data set that is not there and that no mirror gave.
    #[error(
        "{dataset} is not in {} and could not be downloaded:{}\n{by_hand}",
        path.display(),
        failures.iter().map(|failure| format!("\n  {}: {}", failure.url, failure.fault)).collect::<String>()
    )]
    Download {
        /// The data set.
        dataset: &'static str,
        /// The folder where it was looked for, and would be kept.
        path: PathBuf,
        /// What went wrong with each mirror.
        failures: Vec<MirrorFailure>,
        /// How to get the data without this program.
        by_hand: String,
    },
}

impl Error {
    /// Wraps an I/O error with the action and the path it happened on; made for `map_err`.
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

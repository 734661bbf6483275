//! Faults of checkpoints.

/// A fault of a checkpoint.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointFault {
    /// The file is not a safetensors file: it is truncated, too long, or of another kind.
    #[error("not a whole safetensors file ({reason}); it may be truncated or of another kind")]
    Malformed {
        /// The reader's own words.
        reason: String,
    },
    /// The file is not the checkpoint of a run.
    #[error("it is not the checkpoint of a run; use `load` for a saved network")]
    NotARun,
    /// The file is the checkpoint of a run, where a network is needed.
    #[error("it is the checkpoint of a run, with all its realizations; use `resume` for it")]
    Run,
    /// The file is a layer at its limit of infinite depth, where a network of layers is needed.
    #[error(
        "it is a Bregman layer at its limit of infinite depth: pass `equilibrium` to train or to evaluate \
         it; predictions and exports do not take such a network"
    )]
    Equilibrium,
    /// The file is a network of layers, where a layer at its limit of infinite depth is needed.
    #[error(
        "its layers are {found}, and `equilibrium` takes a layer at its limit of infinite depth: leave \
         it out"
    )]
    NotEquilibrium {
        /// The kind of its layers.
        found: String,
    },
    /// An entry of the metadata is missing.
    #[error("its metadata has no entry \"{key}\"; files saved by this program have it")]
    MissingMetadata {
        /// The entry.
        key: &'static str,
    },
    /// An entry of the metadata cannot be used.
    #[error("its metadata has \"{key}\" = \"{value}\": {reason}")]
    Metadata {
        /// The entry.
        key: &'static str,
        /// Its value.
        value: String,
        /// The correct form.
        reason: String,
    },
    /// A tensor is missing.
    #[error("it has no tensor `{tensor}`, where {expected} is needed")]
    MissingTensor {
        /// The tensor's name.
        tensor: String,
        /// The shape needed, or "a matrix (out, in)" where the file itself sets the widths.
        expected: String,
    },
    /// A tensor that does not belong to the network.
    #[error("its tensor `{tensor}` of shape {found:?} does not belong to the network")]
    UnexpectedTensor {
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor has the wrong shape.
    #[error("tensor `{tensor}` has shape {found:?}, where {expected:?} is needed")]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor is not a matrix.
    #[error("tensor `{tensor}` has shape {found:?}, where a matrix (out, in) is needed")]
    NotAMatrix {
        /// The tensor's name.
        tensor: String,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of another number type.
    #[error("tensor `{tensor}` is of type {found}, where F32 is needed")]
    NumberType {
        /// The tensor's name.
        tensor: String,
        /// The type in the file.
        found: String,
    },
    /// A number that is not finite.
    #[error("tensor `{tensor}` holds {value} at position {index}; parameters must be finite")]
    NonFinite {
        /// The tensor's name.
        tensor: String,
        /// The number's position, row-major.
        index: usize,
        /// The number.
        value: f32,
    },
    /// A row of M that is not on the probability simplex.
    #[error(
        "row {row} of tensor `{tensor}` is not on the probability simplex (smallest {smallest}, \
         sum {sum}); its entries must be at least 0 and sum to 1"
    )]
    OffSimplex {
        /// The tensor's name.
        tensor: String,
        /// The row.
        row: usize,
        /// Its smallest entry.
        smallest: f32,
        /// Its sum.
        sum: f64,
    },
    /// The realizations of one run have different descriptions.
    #[error("it has {key} {found}, but the first realization has {key} {first}")]
    Disagrees {
        /// The entry of the metadata.
        key: &'static str,
        /// The value in this file.
        found: String,
        /// The value in the first realization's file.
        first: String,
    },
    /// A field that was given differs from the file's.
    #[error("it was saved with `{field}` {found}, but `{field}` {given} was given")]
    OtherValue {
        /// The field, such as `layer`.
        field: &'static str,
        /// The value in the file.
        found: String,
        /// The value given.
        given: String,
    },
}

//! Checkpoints: a network's parameters and description in a safetensors file.
//!
//! Tensors are float32 with PyTorch's names and layout ([`Model::tensors`](crate::nn::Model::tensors)).
//! The metadata's strings are enough for any other program to run the network (`tests/forward.py`
//! does). With R > 1 realizations, realization r goes to a file of its own: `x-r.safetensors` for
//! `x.safetensors`.
//!
//! A [`Run`] holds everything that a run needs to continue bit for bit, with all realizations in one
//! file. Programs with other state of their own keep it in a [`State`](crate::files::safetensors::State).
//! [`crate::files::atomic`] describes the files after a crash or on a full disk.
//!
//! | tensor | shape | where |
//! |---|---|---|
//! | `conv.K.weight` | (filters, channels, kernel, kernel) | block K of the convolutions, if there are any |
//! | `conv.K.bias` | (filters) | likewise |
//! | `layers.L.weight` | (out, in) | every hidden layer |
//! | `layers.L.bias` | (out) | every hidden layer |
//! | `layers.L.mix` | (out, in), rows on the simplex | where a skip changes width |
//! | `head.weight`, `head.bias` | (classes, in), (classes) | always |
//!
//! Metadata: `layer`, `form`, `activation`, `loss`, `clamp_low`, `clamp_high`, `input_low`,
//! `input_high`, `dataset`, `bregman_version`, and, for networks with convolutions, `cnn`: the JSON
//! of [`Cnn::to_json`](crate::nn::Cnn::to_json).
//!
//! That is version 1 of a network's description. It is written for every network whose hidden layers
//! have the same settings. Version 2 is written for the others: `bregman_network` is `2`, and `layers`,
//! in place of `layer`, `form`, `activation`, `clamp_low` and `clamp_high`, is a JSON list with one
//! object for each hidden layer:
//!
//! ```json
//! {"layer": "bregman", "form": "dual", "activation": "sigmoid", "clamp": [0.1, 0.9], "dual_passage": true}
//! ```

mod format;
mod network;
mod run;

#[cfg(feature = "theory")]
pub(crate) use format::EQUILIBRIUM;
pub(crate) use format::description;
pub use network::{Checkpoint, load, save};
#[doc(hidden)]
pub use network::{check_writable, load_all, parse, paths, to_bytes};
#[doc(hidden)]
pub use run::Run;

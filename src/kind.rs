//! The choices that a network and its training are made of, each with its name in options and
//! checkpoints.

use crate::error::{Error, Result};

macro_rules! names {
    ($type:ident, $kind:literal, $($variant:ident = $name:literal),+) => {
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in options and checkpoints.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The value called `name`.
            ///
            /// # Errors
            /// [`Error::UnknownName`] with the names that exist.
            pub fn by_name(name: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name).ok_or_else(|| {
                    Error::UnknownName {
                        kind: $kind,
                        name: name.to_owned(),
                        known: [$($name),+].join(", "),
                    }
                })
            }
        }
    };
}

/// The hidden layers (eq. 20), `z` being (batch, in) and `W` (out, in).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// z′ = ρ(Wz + b).
    Standard,
    /// z′ = ρ(z + Wz + b), with Mz for the first z where widths differ.
    Euclidean,
    /// z′ = ρ(ρ⁻¹(z) + Wz + b), with Mz for the first z where widths differ.
    Bregman,
}

/// Which variable a Bregman network carries from layer to layer; the others have one form only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// a = ρ⁻¹(z): no inverse between layers of one width, and gradients that stay finite.
    Dual,
    /// z, clamped before every ρ⁻¹: eq. 20 to the letter.
    Primal,
}

/// What training minimises; both are means (PyTorch's conventions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Softmax cross-entropy, the mean over the batch. The class is the first largest logit.
    CrossEntropy,
    /// Squared error against one-hot targets, the mean over batch × outputs. With one output the
    /// target is the label, 0 or 1, and the class is 1 above ½.
    MeanSquaredError,
}

/// How parameters start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// W and b from U(±1/√in) (PyTorch's); M the projection of the same onto the simplex.
    Random,
    /// W = eye for standard, 0 for Euclidean and Bregman; b = 0; M = 1/in; head W = 1/in, b = 0.
    /// Convolutions start as in `Random`: filters that are all alike would stay so.
    Deterministic,
}

/// How weights and activations lie in an adapter's memory. All is computed in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In single precision.
    #[default]
    F32,
    /// In half precision, where the adapter has `shader-f16`: W, M, z, a and u. Biases, gradients and
    /// outputs of the network stay in single precision.
    F16,
}

names!(
    LayerKind,
    "layer",
    Standard = "standard",
    Euclidean = "euclidean",
    Bregman = "bregman"
);
names!(Form, "form", Dual = "dual", Primal = "primal");
names!(
    Loss,
    "loss",
    CrossEntropy = "cross-entropy",
    MeanSquaredError = "mse"
);
names!(
    Init,
    "init",
    Random = "random",
    Deterministic = "deterministic"
);
names!(Storage, "storage", F32 = "f32", F16 = "f16");

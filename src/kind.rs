//! The kinds of layers, losses and other choices that describe a network and its training, each with
//! its name in options and checkpoints.

/// Gives an enum `ALL`, `name` and `by_name`.
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
            /// [`Error::UnknownName`](crate::error::Error::UnknownName) with the names that exist.
            pub fn by_name(name: &str) -> $crate::error::Result<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name).ok_or_else(|| {
                    $crate::error::Error::UnknownName {
                        kind: $kind,
                        name: name.to_owned(),
                        known: [$($name),+].join(", "),
                    }
                })
            }
        }
    };
}
pub(crate) use names;

/// The kinds of hidden layers (eq. 20). z is (batch, in) and W is (out, in).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// z′ = ρ(Wz + b).
    Standard,
    /// z′ = ρ(z + Wz + b), with Mz for the first z where widths differ.
    Euclidean,
    /// z′ = ρ(ρ⁻¹(z) + Wz + b), with Mz for the first z where widths differ.
    Bregman,
}

/// Each kind of hidden layer in each of its forms.
#[doc(hidden)]
pub const KINDS: [(LayerKind, Form); 4] = [
    (LayerKind::Standard, Form::Dual),
    (LayerKind::Euclidean, Form::Dual),
    (LayerKind::Bregman, Form::Dual),
    (LayerKind::Bregman, Form::Primal),
];

/// The variable that a Bregman layer passes to the next. The other kinds have one form only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// a = ρ⁻¹(z): needs no inverse between layers of equal width, and gradients stay finite.
    Dual,
    /// z, clamped before every ρ⁻¹: eq. 20 as written.
    Primal,
}

/// The loss that training minimises; all are means (PyTorch's conventions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Softmax cross-entropy, the mean over the batch. The predicted class is the first largest logit.
    CrossEntropy,
    /// Squared error against one-hot targets, the mean over batch × outputs. With one output, the
    /// target is the label, 0 or 1, and the predicted class is 1 above ½.
    MeanSquaredError,
    /// Huber's loss of values with δ = 1, the mean over batch × outputs (PyTorch's `HuberLoss` and
    /// `SmoothL1Loss`): ½d² for a difference |d| < 1, |d| − ½ beyond. It does not take classes.
    Huber,
}

impl Loss {
    /// The losses that take classes.
    pub const OF_CLASSES: [Self; 2] = [Self::CrossEntropy, Self::MeanSquaredError];

    /// The losses that take values.
    pub const OF_VALUES: [Self; 2] = [Self::MeanSquaredError, Self::Huber];
}

/// The method that gives parameters their initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// W and b from U(±1/√in) (as in PyTorch); M likewise, its rows projected onto the simplex.
    Random,
    /// W = eye for standard, 0 for Euclidean and Bregman; b = 0; M = 1/in; head W = 1/in, b = 0.
    /// Convolutions start as in `Random`, because filters that are all equal would stay equal.
    Deterministic,
}

/// The precision in which an adapter stores weights and activations. All computation is in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// Single precision.
    #[default]
    F32,
    /// Half precision for W, M, z, a, u and logits, if the adapter has `shader-f16`. Biases and gradients
    /// stay in single precision, and so do the logits that the head's own kernel keeps to itself.
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
    MeanSquaredError = "mse",
    Huber = "huber"
);
names!(
    Init,
    "init",
    Random = "random",
    Deterministic = "deterministic"
);
names!(Storage, "storage", F32 = "f32", F16 = "f16");

//! The names that most programs need: `use bregman::prelude::*;`.

#[doc(no_inline)]
pub use std::ops::ControlFlow::{self, Break, Continue};

pub use crate::activation::Activation;
pub use crate::data::{Dataset, Inputs, Targets};
pub use crate::device::Device;
pub use crate::error::Error;
pub use crate::kind::{Form, Init, LayerKind, Loss, Storage};
pub use crate::nn::{Cnn, Model};
pub use crate::optim::{Optimizer, RateSchedule, RunSettings};
pub use crate::train::{EpochMetrics, Keep};
pub use crate::trainer::{Score, Trained, Trainer};

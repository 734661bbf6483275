//! The description of a network: layers, shapes and parameters, and no device.

mod builder;
pub mod cnn;
mod init;
mod layer;
mod model;
mod parameters;
mod simplex;

pub use builder::ModelBuilder;
pub use cnn::Cnn;
pub use layer::{Layer, LayerShape, LayerSpec, Shape};
pub use model::Model;
pub use parameters::{LayerParameters, Parameters};
#[doc(hidden)]
pub use simplex::project_simplex;

pub use crate::kind::{Form, Init, LayerKind, Loss};

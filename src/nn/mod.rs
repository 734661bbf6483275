//! The description of a network: layers, shapes and parameters, and no device.

pub mod cnn;
mod init;
mod model;
mod parameters;
mod simplex;

pub use cnn::Cnn;
pub use init::Init;
pub use model::{Form, Layer, LayerKind, Loss, Model, Shape};
pub use parameters::{LayerParameters, Parameters};
pub use simplex::project_simplex;

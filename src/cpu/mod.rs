//! Training and evaluation on the processor: float32 on all cores. Matrix products are done by the
//! `gemm` crate, everything else by loops that vectorise, those of [`crate::kernels`] among them.

mod cnn;
mod conv2d;
mod executor;
mod linalg;
mod loss;
mod max_pool2d;
mod predictor;
pub(crate) mod product;
mod step;
mod team;
mod update;
mod workspace;

pub use executor::CpuExecutor;
pub use predictor::Predictor;

//! Training and evaluation on the processor: float32 on all cores, matrix products by the `gemm`
//! crate, the rest in loops that vectorise.

mod cnn;
mod conv2d;
mod executor;
mod linalg;
mod loss;
mod max_pool2d;
pub(crate) mod product;
mod step;
mod team;
mod workspace;

pub use executor::CpuExecutor;

//! Training and evaluation on the processor: float32 on all cores, matrix products by the `gemm`
//! crate, the rest in loops that vectorise.

mod cnn;
mod conv2d;
mod executor;
mod kernels;
mod linalg;
mod loss;
mod max_pool2d;

pub use executor::CpuExecutor;
pub use kernels::Kernels;

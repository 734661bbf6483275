//! Training and evaluation on the processor: float32 on all cores, matrix products by the `gemm`
//! crate, the rest in loops that vectorise.

mod executor;
mod kernels;
mod linalg;
mod loss;

pub use executor::CpuExecutor;
pub use kernels::Kernels;

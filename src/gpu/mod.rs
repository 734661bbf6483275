//! The WGSL executor: a [`Model`](crate::nn::Model) becomes a [`Plan`] of dispatches, which a
//! [`Gpu`] lays out once and replays for every step.
//!
//! Nothing here reads a clock or a file; asking for an adapter and reading back are `async`, and
//! waiting is left to the caller. Threads of its own compile kernels side by side, and end with that.

mod adapter;
mod device;
mod executor;
pub mod ops;
mod plan;
mod program;
pub mod shader;
mod storage;

pub use adapter::{AdapterSummary, Selection, adapters};
pub use device::Gpu;
pub use executor::GpuExecutor;
pub(crate) use plan::STEP_STRIDE;
pub use plan::{BufferId, BufferSpec, Contents, Grid, LayerPlan, Op, Plan, PlanOptions};
pub use program::{Buffers, Program};
pub(crate) use storage::{decode, halve};

//! The WGSL executor: a [`Model`](crate::nn::Model) becomes a [`Plan`] of dispatches, which a
//! [`Gpu`] lays out once and replays for every step.
//!
//! Nothing here reads a clock or a file; asking for an adapter and reading back are `async`, and
//! waiting is left to the caller. Threads of its own compile kernels side by side, and end with that.

mod adapter;
mod buffers;
mod device;
mod executor;
mod kernel;
mod metrics;
mod op;
pub mod ops;
mod plan;
mod program;
pub mod reflect;
pub mod shader;
mod storage;
pub mod tile;
pub mod wgsl;

pub use adapter::{AdapterSummary, Selection, adapters};
pub use buffers::BufferSpecs;
pub use device::Gpu;
pub use executor::GpuExecutor;
pub(crate) use metrics::batch_metrics;
pub use op::{BufferId, BufferSpec, Contents, Grid, Op, Permutation, Step};
pub use plan::{LayerPlan, Plan, PlanOptions};
pub use program::{Buffers, Program};
pub(crate) use storage::{decode, to_half};

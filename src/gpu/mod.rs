//! The WGSL executor: a [`Model`](crate::nn::Model) becomes a [`Plan`] of dispatches, which a
//! [`Gpu`] lays out once and replays for every step.
//!
//! From the bottom up: `wgsl` (files), [`tile`] and [`shader`] (linked modules), [`reflect`] (their bindings,
//! read by naga), `op` and `buffers` (dispatches as data), [`ops`] (the kernels), `plan`; beside the plan,
//! `kernel` (compiled), `device` and `program`, which `executor` replays.
//!
//! Nothing here reads a clock or a file. Requesting an adapter and reading back are `async`, and the
//! caller does the waiting. Kernels are compiled on threads that end with the compilation, except in a
//! browser, which has none.

mod adapter;
mod buffers;
mod device;
mod executor;
mod kernel;
mod metrics;
mod op;
#[doc(hidden)]
pub mod ops;
mod plan;
mod program;
#[doc(hidden)]
pub mod reflect;
#[doc(hidden)]
pub mod shader;
mod storage;
#[doc(hidden)]
pub mod tile;
#[doc(hidden)]
pub mod wgsl;

pub use adapter::{AdapterSummary, Selection, adapters};
#[doc(hidden)]
pub use adapter::{MatrixShape, MatrixUnits};
#[doc(hidden)]
pub use buffers::BufferSpecs;
pub use device::Gpu;
pub(crate) use device::SOFTWARE_TURNS;
#[doc(hidden)]
pub use executor::GpuExecutor;
#[cfg(feature = "theory")]
pub(crate) use metrics::batch_metrics;
#[doc(hidden)]
pub use op::{BufferId, BufferSpec, Contents, Grid, Op, Permutation, Step};
#[doc(hidden)]
pub use plan::PlanOptions;
#[doc(hidden)]
pub use plan::{LayerPlan, Plan, SmallSteps};
#[doc(hidden)]
pub use program::{Buffers, DispatchSummary, Program};
pub(crate) use storage::{decode, to_half};

//! Where the network is trained: one executor over both kinds of device.

use std::ops::Range;
use std::sync::Arc;

use bregman::cpu::CpuExecutor;
use bregman::device::Device;
use bregman::error::{Error, Result};
use bregman::executor::{BatchMetrics, Executor, Sgd, Split, Splits};
use bregman::gpu::shader::Storage;
use bregman::gpu::{GpuExecutor, Plan, PlanOptions};
use bregman::nn::Parameters;

use crate::network::Network;

/// Lays `network` and the data out on `device`.
///
/// # Errors
/// Data that does not fit the network, a network too large for the adapter, a storage that the
/// device does not have.
pub async fn executor(
    device: Device,
    network: Network,
    splits: Splits,
    sgd: Sgd,
    fused: bool,
    storage: Storage,
) -> Result<AnyExecutor> {
    Ok(match device.gpu {
        None if storage != Storage::F32 => {
            return Err(Error::InvalidValue {
                field: "storage",
                value: storage.name().to_owned(),
                reason: "the processor stores f32; --device gpu takes an adapter".to_owned(),
            });
        }
        None => {
            let (model, parameters) = network.initialize();
            let executor = CpuExecutor::new(&model, Arc::new(splits), parameters, sgd)?;
            AnyExecutor::Cpu(Box::new(executor))
        }
        Some(gpu) => {
            let options = PlanOptions {
                realizations: network.realizations(),
                sgd,
                fused,
                storage,
            };
            let plan = Plan::new(&network.model, &splits, options)?;
            // Before parameters are made that no adapter would take.
            plan.check_limits(&gpu.limits())?;
            let (model, parameters) = network.initialize();
            let executor = GpuExecutor::from_plan(gpu, &model, plan, &parameters).await?;
            AnyExecutor::Gpu(Box::new(executor))
        }
    })
}

/// An executor on either kind of device.
pub enum AnyExecutor {
    /// On the processor.
    Cpu(Box<CpuExecutor>),
    /// On an adapter.
    Gpu(Box<GpuExecutor>),
}

impl Executor for AnyExecutor {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        match self {
            Self::Cpu(executor) => executor.train_steps(orders, steps, progress).await,
            Self::Gpu(executor) => executor.train_steps(orders, steps, progress).await,
        }
    }

    async fn train_rest(
        &mut self,
        orders: &[Vec<u32>],
        first: usize,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Vec<Vec<BatchMetrics>>>> {
        match self {
            Self::Cpu(executor) => executor.train_rest(orders, first, stop, progress).await,
            Self::Gpu(executor) => executor.train_rest(orders, first, stop, progress).await,
        }
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        match self {
            Self::Cpu(executor) => executor.evaluate(split).await,
            Self::Gpu(executor) => executor.evaluate(split).await,
        }
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        match self {
            Self::Cpu(executor) => executor.parameters().await,
            Self::Gpu(executor) => executor.parameters().await,
        }
    }
}

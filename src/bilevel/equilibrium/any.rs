//! The equilibrium layer on either kind of device.

use std::ops::Range;
use std::sync::Arc;

use super::cpu::CpuEquilibrium;
use super::gpu::GpuEquilibrium;
use super::layer::{Equilibrium, Gradient, SolverReport};
use crate::data::{Split, Splits};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, Sgd};
use crate::gpu::Gpu;
use crate::nn::Parameters;

/// An equilibrium layer on the processor or on an adapter.
pub enum AnyEquilibrium {
    /// On all cores.
    Cpu(Box<CpuEquilibrium>),
    /// On an adapter.
    Gpu(Box<GpuEquilibrium>),
}

impl AnyEquilibrium {
    /// The layer with these parameters on `gpu`, or on the processor if there is none.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) or
    /// [`Error::Label`](crate::error::Error::Label) for data or parameters that do not fit,
    /// [`Error::Gpu`](crate::error::Error::Gpu) for a failure of the driver.
    pub async fn new(
        gpu: Option<Gpu>,
        equilibrium: &Equilibrium,
        splits: Splits,
        parameters: Parameters,
        sgd: Sgd,
    ) -> Result<Self> {
        Ok(match gpu {
            None => {
                let splits = Arc::new(splits);
                let method = Gradient::Implicit;
                let layer = CpuEquilibrium::new(equilibrium, splits, parameters, sgd, method)?;
                Self::Cpu(Box::new(layer))
            }
            Some(gpu) => {
                let layer = GpuEquilibrium::new(gpu, equilibrium, &splits, &parameters, sgd);
                Self::Gpu(Box::new(layer.await?))
            }
        })
    }

    /// Statistics of the solver since the last call.
    pub fn take_report(&mut self) -> SolverReport {
        match self {
            Self::Cpu(executor) => executor.take_report(),
            Self::Gpu(executor) => executor.take_report(),
        }
    }
}

impl Executor for AnyEquilibrium {
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

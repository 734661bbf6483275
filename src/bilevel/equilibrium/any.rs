//! The equilibrium layer on either kind of device.

use std::sync::Arc;

use super::cpu::CpuEquilibrium;
use super::gpu::GpuEquilibrium;
use super::layer::{Equilibrium, Gradient, SolverReport};
use crate::data::Splits;
use crate::error::Result;
use crate::executor::Either;
use crate::gpu::Gpu;
use crate::nn::Parameters;
use crate::optim::Sgd;

/// An equilibrium layer on the processor or on an adapter.
pub type AnyEquilibrium = Either<CpuEquilibrium, GpuEquilibrium>;

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

//! Where the network is trained: the choice of a device, and one executor over both kinds.

use std::ops::Range;
use std::sync::Arc;

use bregman::cpu::CpuExecutor;
use bregman::error::{Error, Result};
use bregman::executor::{BatchMetrics, Executor, Sgd, Split, Splits};
use bregman::gpu::{AdapterSummary, Gpu, GpuExecutor, Plan, PlanOptions, Selection};
use bregman::nn::Parameters;

use crate::network::Network;
use crate::options::{DeviceKind, Options};

/// A device, and why it was taken.
pub struct Device {
    gpu: Option<Gpu>,
    /// The device and the reason, for people.
    pub description: String,
    /// What to beware of.
    pub warning: Option<String>,
}

impl Device {
    /// The device that the options and the environment ask for.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for an adapter that is not there, [`Error::NoAdapter`] if a GPU was
    /// asked for and there is none, [`Error::Gpu`] if it cannot be opened.
    pub async fn choose(options: &Options) -> Result<Self> {
        if options.device == DeviceKind::Cpu {
            return Ok(Self::cpu("as asked for"));
        }
        let variable = std::env::var("WGPU_ADAPTER_NAME")
            .ok()
            .filter(|name| !name.is_empty());
        let name = options.adapter.clone().or(variable);
        let asked = options.device == DeviceKind::Gpu || name.is_some();
        match Gpu::request(&Selection {
            name,
            allow_software: asked,
        })
        .await
        {
            Ok(gpu) => Ok(Self::gpu(
                gpu,
                if asked {
                    "as asked for"
                } else {
                    "hardware adapter"
                },
            )),
            Err(error) if asked => Err(error),
            Err(Error::NoAdapter { known, .. }) => Ok(Self::cpu(&format!(
                "no hardware adapter; adapters: {known}"
            ))),
            Err(error) => Ok(Self::cpu(&format!("no usable adapter: {error}"))),
        }
    }

    fn cpu(reason: &str) -> Self {
        let threads = rayon::current_num_threads();
        Self {
            gpu: None,
            description: format!("cpu, {threads} threads ({reason})"),
            warning: None,
        }
    }

    fn gpu(gpu: Gpu, reason: &str) -> Self {
        let summary = gpu.summary();
        Self {
            description: format!("gpu, {summary} ({reason})"),
            warning: summary.software.then(|| {
                format!(
                    "{} runs on the processor; --device cpu is faster",
                    summary.name
                )
            }),
            gpu: Some(gpu),
        }
    }

    /// The adapter, opened, if there is one.
    pub fn into_gpu(self) -> Option<Gpu> {
        self.gpu
    }

    /// `gpu` or `cpu`.
    pub fn kind(&self) -> &'static str {
        match self.gpu {
            Some(_) => "gpu",
            None => "cpu",
        }
    }

    /// The adapter's name, if there is one.
    pub fn adapter(&self) -> Option<String> {
        self.gpu.as_ref().map(|gpu| gpu.summary().name.clone())
    }

    /// Lays `network` and the data out on this device.
    ///
    /// # Errors
    /// Data that does not fit the network, a network too large for the adapter.
    pub async fn executor(
        self,
        network: Network,
        splits: Splits,
        sgd: Sgd,
        fused: bool,
    ) -> Result<AnyExecutor> {
        Ok(match self.gpu {
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
}

/// The adapters that there are.
pub async fn adapters() -> Vec<AdapterSummary> {
    bregman::gpu::adapters().await
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

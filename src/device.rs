//! Where to train: the choice between the processor and an adapter, and one executor over both.

use std::sync::Arc;

use crate::cpu::CpuExecutor;
use crate::data::Splits;
use crate::error::{Error, Result};
use crate::executor::Either;
use crate::gpu::{Gpu, GpuExecutor, Plan, PlanOptions, Selection};
use crate::kind::{Storage, names};
use crate::nn::{Model, Parameters};

/// Where a user wants to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A hardware adapter if there is one, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// An adapter; a software adapter if there is no hardware.
    Gpu,
}
names!(
    DeviceKind,
    "device",
    Auto = "auto",
    Cpu = "cpu",
    Gpu = "gpu"
);

/// The part of an adapter's name that was given, else that in the environment variable
/// `WGPU_ADAPTER_NAME`.
///
/// # Errors
/// [`Error::Environment`] for a variable that is not Unicode.
#[doc(hidden)]
pub fn adapter_name(given: Option<String>) -> Result<Option<String>> {
    const VARIABLE: &str = "WGPU_ADAPTER_NAME";
    let variable = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
    match (given, variable.map(std::ffi::OsString::into_string)) {
        (Some(name), _) | (None, Some(Ok(name))) => Ok(Some(name)),
        (None, None) => Ok(None),
        (None, Some(Err(_))) => Err(Error::Environment {
            variable: VARIABLE.to_owned(),
            reason: "no adapter has a name that is not Unicode".to_owned(),
        }),
    }
}

/// A device, and the reason for its choice.
#[derive(Clone)]
pub struct Device {
    /// The open adapter; none on the processor.
    pub gpu: Option<Gpu>,
    /// The device and the reason for the choice, to be shown to the user.
    pub description: String,
    /// A warning about this choice, to be shown to the user.
    pub warning: Option<String>,
}

impl Device {
    /// A hardware adapter if there is one, else the processor. Blocks until it is open; see
    /// [`Self::choose`].
    ///
    /// # Errors
    /// Those of [`Self::choose`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn auto() -> Result<Self> {
        pollster::block_on(Self::choose(DeviceKind::Auto, None))
    }

    /// The processor.
    pub fn cpu() -> Self {
        Self::on_processor("as asked for")
    }

    /// An adapter; a software adapter if there is no hardware. `name` is a part of its name. Blocks until it
    /// is open; see [`Self::choose`].
    ///
    /// # Errors
    /// Those of [`Self::choose`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn gpu(name: Option<&str>) -> Result<Self> {
        let name = name.map(str::to_owned);
        pollster::block_on(Self::choose(DeviceKind::Gpu, name))
    }

    /// The device for `kind` and `adapter`, a part of an adapter's name. Without `adapter`, the
    /// environment variable `WGPU_ADAPTER_NAME` gives it.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for an adapter's name beside [`DeviceKind::Cpu`];
    /// [`Error::UnknownName`] if no adapter has the name, [`Error::NoAdapter`] if an adapter was asked
    /// for and none was found, [`Error::Gpu`] if it cannot be opened; [`Error::Environment`] for a
    /// variable that is not Unicode.
    pub async fn choose(kind: DeviceKind, adapter: Option<String>) -> Result<Self> {
        if kind == DeviceKind::Cpu {
            if let Some(adapter) = adapter {
                return Err(Error::InvalidValue {
                    field: "adapter",
                    value: adapter,
                    reason: "`device` cpu uses no adapter; leave out one of the two".to_owned(),
                });
            }
            return Ok(Self::cpu());
        }
        let name = adapter_name(adapter)?;
        let asked = kind == DeviceKind::Gpu || name.is_some();
        match Gpu::request(&Selection {
            name,
            allow_software: asked,
        })
        .await
        {
            Ok(gpu) => Ok(Self::on_adapter(
                gpu,
                if asked {
                    "as asked for"
                } else {
                    "hardware adapter"
                },
            )),
            Err(error) if asked => Err(error),
            Err(Error::NoAdapter { known, .. }) => Ok(Self::on_processor(&format!(
                "no hardware adapter; adapters: {known}"
            ))),
            Err(error) => Ok(Self::on_processor(&format!("no usable adapter: {error}"))),
        }
    }

    fn on_processor(reason: &str) -> Self {
        Self {
            gpu: None,
            description: format!("{} ({reason})", processor()),
            warning: None,
        }
    }

    fn on_adapter(gpu: Gpu, reason: &str) -> Self {
        let summary = gpu.summary();
        Self {
            description: format!("gpu, {summary} ({reason})"),
            warning: summary.software.then(|| {
                format!(
                    "{} runs on the processor; `device` cpu is faster",
                    summary.name
                )
            }),
            gpu: Some(gpu),
        }
    }

    /// `gpu` or `cpu`.
    pub fn kind(&self) -> &'static str {
        match self.gpu {
            Some(_) => "gpu",
            None => "cpu",
        }
    }

    /// Its name for reports: the adapter's, or that of the processor with its number of threads.
    pub fn name(&self) -> String {
        self.adapter().unwrap_or_else(processor)
    }

    /// The adapter's name, if there is one.
    pub fn adapter(&self) -> Option<String> {
        self.gpu.as_ref().map(|gpu| gpu.summary().name.clone())
    }

    /// Fails if a buffer of the plan of `options` is beyond the adapter's limits.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; those of [`Plan::new`].
    #[doc(hidden)]
    pub fn check_limits(&self, model: &Model, splits: &Splits, options: PlanOptions) -> Result<()> {
        match &self.gpu {
            None => Ok(()),
            Some(gpu) => Plan::new(model, splits, options)?.check_limits(&gpu.limits()),
        }
    }

    /// Lays `model` and the data out on the device. `parameters` makes the initial parameters of
    /// each of `options.realizations`, once it is known that the device can hold them.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a storage that the processor does not have; data that do not fit
    /// the model, a model too large for the adapter.
    pub async fn executor(
        self,
        model: &Model,
        splits: impl Into<Arc<Splits>>,
        options: PlanOptions,
        parameters: impl FnOnce() -> Vec<Parameters>,
    ) -> Result<AnyExecutor> {
        Ok(match self.gpu {
            None if options.storage != Storage::F32 => {
                return Err(Error::InvalidValue {
                    field: "storage",
                    value: options.storage.name().to_owned(),
                    reason: "the processor stores f32; `device` gpu takes an adapter".to_owned(),
                });
            }
            None => {
                let executor =
                    CpuExecutor::new(model, splits.into(), parameters(), options.recipe)?;
                AnyExecutor::Cpu(Box::new(executor))
            }
            Some(gpu) => {
                let plan = Plan::new(model, &splits.into(), options)?;
                plan.check_limits(&gpu.limits())?;
                let executor = GpuExecutor::from_plan(gpu, model, plan, &parameters()).await?;
                AnyExecutor::Gpu(Box::new(executor))
            }
        })
    }
}

/// The name of the processor, with the number of threads of this process.
fn processor() -> String {
    let threads = rayon::current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    format!("cpu, {threads} thread{plural}")
}

/// An executor of a network on either kind of device.
#[doc(hidden)]
pub type AnyExecutor = Either<CpuExecutor, GpuExecutor>;

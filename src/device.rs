//! Where a program trains: the choice between the processor and an adapter.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Selection};
use crate::kind::names;

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

/// A device, and why it was chosen.
pub struct Device {
    /// The open adapter; none on the processor.
    pub gpu: Option<Gpu>,
    /// The device and the reason for the choice, to be shown to the user.
    pub description: String,
    /// A warning about this choice, to be shown to the user.
    pub warning: Option<String>,
}

impl Device {
    /// The device for `kind` and `adapter`, a part of an adapter's name. Without `adapter`, the
    /// environment variable `WGPU_ADAPTER_NAME` gives it.
    ///
    /// # Errors
    /// [`Error::UnknownName`] if no adapter has the name, [`Error::NoAdapter`] if an adapter was asked
    /// for and none was found, [`Error::Gpu`] if it cannot be opened.
    pub async fn choose(kind: DeviceKind, adapter: Option<String>) -> Result<Self> {
        if kind == DeviceKind::Cpu {
            return Ok(Self::cpu("as asked for"));
        }
        let variable = std::env::var("WGPU_ADAPTER_NAME")
            .ok()
            .filter(|name| !name.is_empty());
        let name = adapter.or(variable);
        let asked = kind == DeviceKind::Gpu || name.is_some();
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
        let plural = if threads == 1 { "" } else { "s" };
        Self {
            gpu: None,
            description: format!("cpu, {threads} thread{plural} ({reason})"),
            warning: None,
        }
    }

    fn gpu(gpu: Gpu, reason: &str) -> Self {
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

    /// The adapter's name, if there is one.
    pub fn adapter(&self) -> Option<String> {
        self.gpu.as_ref().map(|gpu| gpu.summary().name.clone())
    }
}

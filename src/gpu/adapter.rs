//! Finding an adapter.

use crate::error::{Error, Result};

/// The properties that an adapter reports before a device is requested from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The adapter's own name, "NVIDIA H200", "llvmpipe (LLVM 15.0.6, 256 bits)".
    pub name: String,
    /// The graphics interface: "vulkan", "metal", "dx12".
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// Whether it is a software adapter, such as llvmpipe, SwiftShader or WARP.
    pub software: bool,
}

impl AdapterSummary {
    fn new(info: &wgpu::AdapterInfo) -> Self {
        Self {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
            software: info.device_type == wgpu::DeviceType::Cpu,
        }
    }
}

impl std::fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.name, self.backend)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        write!(f, "{})", if self.software { ", software" } else { "" })
    }
}

/// The sizes and number types of a product that an adapter's matrix units compute: (m, k) · (k, n), added to
/// sums (m, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// Rows of the left operand and of the sums.
    pub m: u32,
    /// Columns of the right operand and of the sums.
    pub n: u32,
    /// Columns of the left operand, rows of the right one.
    pub k: u32,
    /// The number type of the operands: "f16", "f32", "i32" or "u32".
    pub operands: &'static str,
    /// The number type of the sums.
    pub sums: &'static str,
}

impl MatrixShape {
    fn new(properties: &wgpu::CooperativeMatrixProperties) -> Self {
        let name = |scalar| match scalar {
            wgpu::CooperativeScalarType::F16 => "f16",
            wgpu::CooperativeScalarType::F32 => "f32",
            wgpu::CooperativeScalarType::I32 => "i32",
            wgpu::CooperativeScalarType::U32 => "u32",
        };
        Self {
            m: properties.m_size,
            n: properties.n_size,
            k: properties.k_size,
            operands: name(properties.ab_type),
            sums: name(properties.cr_type),
        }
    }
}

impl std::fmt::Display for MatrixShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            m,
            n,
            k,
            operands,
            sums,
        } = self;
        write!(f, "{m} × {n} × {k} {operands} → {sums}")
    }
}

/// An adapter's matrix units, which a subgroup of invocations uses together.
#[derive(Clone, Debug)]
pub struct MatrixUnits {
    /// The products that they compute, those of 8 and 16 rows and columns alone; none without such units.
    pub shapes: Vec<MatrixShape>,
    /// The number of invocations in a subgroup, if all subgroups have the same.
    pub subgroup: Option<usize>,
}

/// The matrix units of the adapter that `selection` selects. Some drivers end the process when they are asked.
///
/// # Errors
/// Those of [`select`].
pub(super) async fn matrix_units(selection: &Selection) -> Result<MatrixUnits> {
    let (adapter, _) = select(selection).await?;
    let properties = adapter.cooperative_matrix_properties();
    let mut shapes: Vec<MatrixShape> = Vec::new();
    for shape in properties.iter().map(MatrixShape::new) {
        // Saturating sums of integers are listed beside the others.
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    let info = adapter.get_info();
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    Ok(MatrixUnits {
        shapes,
        subgroup: fixed.then_some(info.subgroup_min_size as usize),
    })
}

/// Selects an adapter.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Part of the adapter's name; case is ignored, and the first match is taken. `None` takes the first
    /// hardware adapter, discrete ones before others.
    pub name: Option<String>,
    /// Whether a software adapter may be taken if there is no hardware. A named one always may.
    pub allow_software: bool,
}

/// The adapters of the backends that `WGPU_BACKEND` allows, or of all if it is unset.
pub async fn adapters() -> Vec<AdapterSummary> {
    enumerate()
        .await
        .iter()
        .map(|a| AdapterSummary::new(&a.get_info()))
        .collect()
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let backends = descriptor.backends;
    wgpu::Instance::new(descriptor)
        .enumerate_adapters(backends)
        .await
}

/// All adapters, hardware before software, discrete before others.
pub(super) async fn ranked() -> Vec<(wgpu::Adapter, AdapterSummary)> {
    let mut found: Vec<_> = enumerate()
        .await
        .into_iter()
        .map(|adapter| {
            let info = adapter.get_info();
            (adapter, AdapterSummary::new(&info), info.device_type)
        })
        .collect();
    found.sort_by_key(|(.., device_type)| match device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    let found = found.into_iter();
    found
        .map(|(adapter, summary, _)| (adapter, summary))
        .collect()
}

/// The adapter that `selection` selects.
///
/// # Errors
/// [`Error::UnknownName`] if no adapter has the name; [`Error::NoAdapter`] if there is none of the
/// allowed kind. Both list the adapters found.
pub(super) async fn select(selection: &Selection) -> Result<(wgpu::Adapter, AdapterSummary)> {
    let found = ranked().await;
    let known = match found.len() {
        0 => match std::env::var("WGPU_BACKEND") {
            Ok(backends) => format!("none with WGPU_BACKEND={backends}"),
            Err(_) => "none".to_owned(),
        },
        _ => found
            .iter()
            .map(|(_, summary)| summary.to_string())
            .collect::<Vec<_>>()
            .join("; "),
    };
    let wanted = |summary: &AdapterSummary| match &selection.name {
        Some(name) => summary.name.to_lowercase().contains(&name.to_lowercase()),
        None => selection.allow_software || !summary.software,
    };
    match found.into_iter().find(|(_, summary)| wanted(summary)) {
        Some((adapter, summary)) => Ok((adapter, summary)),
        None => Err(match &selection.name {
            Some(name) => Error::UnknownName {
                kind: "adapter",
                name: name.clone(),
                known,
            },
            None => Error::NoAdapter {
                software: selection.allow_software,
                known,
            },
        }),
    }
}

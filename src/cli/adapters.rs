//! `bregman adapters`: the adapters of this machine.

use clap::Parser;

use super::say::{print, say};
use super::{Command, Ended};
use crate::error::Result;
use crate::gpu;

/// List the adapters that can train a network.
///
/// Standard output has one line for each adapter: name, kind, backend and driver. WGPU_BACKEND
/// limits the backends.
#[derive(Clone, Debug, Parser)]
pub struct Options {}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        list()
    }
}

/// Prints one line for each adapter, or the reason why there is none.
///
/// # Errors
/// Those of [`print`].
pub fn list() -> Result<Ended> {
    let adapters = pollster::block_on(gpu::adapters());
    if adapters.is_empty() {
        match std::env::var("WGPU_BACKEND") {
            Ok(backends) => say(format_args!("no adapters with WGPU_BACKEND={backends}")),
            Err(_) => say("no adapters: there is no Vulkan, Metal or DX12 driver here"),
        }
    }
    let lines = adapters.iter().map(|adapter| format!("{adapter}\n"));
    print(&lines.collect::<String>())?;
    Ok(Ended::Whole)
}

//! Files: atomic replacement, safetensors, and settings in TOML.

pub mod atomic;
pub mod safetensors;
#[cfg(feature = "cli")]
pub mod settings;

//! Files: atomic replacement, safetensors, and settings in TOML.

pub mod atomic;
pub mod safetensors;
pub mod settings;

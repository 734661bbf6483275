//! Files: atomic replacement, locks, safetensors, settings in TOML, and paths as text.

pub mod atomic;
pub mod json;
pub mod lock;
pub mod path_text;
pub mod safetensors;
#[cfg(feature = "cli")]
pub mod settings;

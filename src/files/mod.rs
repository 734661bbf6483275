//! Files: written whole or not at all, and settings in them.

pub mod atomic;
pub mod settings;

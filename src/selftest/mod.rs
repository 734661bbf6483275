//! Whether this adapter computes what it should: elementary functions, activations, every kernel and
//! whole trainings against f64, each within a bound derived for it.
//!
//! `cargo run --release --bin selftest` runs it on a user's own adapters, the tests of the crate on
//! theirs. All of it waits for the adapter.

pub mod activations;
pub mod checks;
pub mod dispatch;
pub mod functions;
pub mod kernels;
pub mod networks;

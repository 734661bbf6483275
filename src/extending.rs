//! Where to add something to the crate.
//!
//! A program that uses the crate can define its own activation without any of this: see
//! [`activation`](crate::activation). The lists below are of the places in the crate's own tree.
//!
//! # An activation
//!
//! 1. `src/activation.rs`: a const, its entry in `ALL`, and its float32 functions.
//! 2. `src/math.rs` and `shaders/lib/math.wgsl`: the elementary functions that it needs and that are not
//!    there yet, the same operations in both.
//! 3. `shaders/activation/NAME.wgsl`: `rho`, `rho_inv`, `rho_slope` and `DUAL_MAX`.
//! 4. `src/onnx.rs`: an arm with its ONNX operators.
//!
//! `tests/activations.rs` walks `ALL` and names each place that is missing, `src/python/bregman/pytorch.py` and
//! `tests/forward.py` among them.
//!
//! # A kernel
//!
//! 1. `shaders/FAMILY/NAME.wgsl`: the entry point is named after the file, and the line `// Hooks:`
//!    names the functions that linked files define.
//! 2. `src/gpu/ops/FAMILY/NAME.rs`: its `Params`, its shader permutations and its dispatch.
//! 3. `src/gpu/plan/`: the place where a plan dispatches it.
//! 4. `src/selftest/kernels/`: its check against float64, with a bound derived for it.
//!
//! `tests/shaders.rs` parses and validates every permutation and writes it as SPIR-V, MSL and HLSL.
//!
//! # An option of a command
//!
//! 1. The command's `Options` in `src/cli/`: a field with its help, its default and one of the groups
//!    `RESULT`, `FREE` and `REQUEST`, which say whether a resumed run may change it.
//!    A field that an error of the library names goes into [`FIELDS`](crate::error::FIELDS) in
//!    `src/error/mod.rs`.
//! 2. `assets/options.md`: written again by `BREGMAN_BLESS=1 cargo test --release --test options`.
//!
//! # A command
//!
//! 1. A module in `src/cli/` with an `Options` struct that implements `Command`.
//! 2. Its line in `COMMANDS` in `src/cli/mod.rs`.
//!
//! # A figure of the two spirals
//!
//! 1. `src/experiments/spirals/figures.rs`: an entry of `FIGURES`, which says what is trained, how it is
//!    drawn, and which tables it has.
//! 2. `src/experiments/spirals/claims.rs`: the paper's claims about it, each with its tests.
//!
//! # A data set or a file format
//!
//! 1. `src/data/`: a reader such as `idx.rs`, which checks sizes, labels and checksums.
//! 2. `src/data/source.rs`: the data set's files, their mirrors and checksums.
//!
//! # A kind of hidden layer
//!
//! The enum [`LayerKind`](crate::kind::LayerKind) forces the places: the three executors, the sweeps,
//! the shaders in `shaders/layer/after_forward/` and `after_backward/`, ONNX, and the colours of
//! figures.

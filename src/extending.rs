//! Where to add something to the crate.
//!
//! A program that uses the crate can define its own activation without any of this: see
//! [`activation`](crate::activation). The lists below name places in the crate's own source tree.
//!
//! # An activation
//!
//! 1. `src/activation.rs`: a const, its entry in `ALL`, and its float32 functions.
//! 2. `src/math.rs` and `shaders/lib/math.wgsl`: the elementary functions that it needs and that do not exist
//!    yet, with the same operations in both files.
//! 3. `shaders/activation/NAME.wgsl`: `rho`, `rho_inv`, `rho_slope` and `DUAL_MAX`.
//! 4. `src/onnx.rs`: an arm with its ONNX operators.
//!
//! `tests/activations.rs` walks `ALL` and names each missing place, including `src/python/bregman/pytorch.py`
//! and `tests/forward.py`.
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
//! # An optimizer
//!
//! 1. `src/optim.rs`: a variant of `Rule` (or, if an existing optimizer differs in one setting, a field of its
//!    variant, as AdamW is `Adam` with `decoupled`), its number of moments in `Recipe::moments` (at most two),
//!    its checks in `Recipe::check`, its name in `OptimizerKind`, and a constructor of
//!    [`Optimizer`](crate::optim::Optimizer).
//! 2. `src/reference/mod.rs`: its step in float64, in `step`.
//! 3. `src/kernels/update.rs`: its float32 loop, and `src/cpu/update.rs`: the arm that calls it.
//! 4. `shaders/elementwise/update/NAME_step.wgsl`, and in `src/gpu/ops/update.rs` a variant of `Update` with this
//!    file. Numbers that are the same for all realizations of a step go into `Step` in `src/gpu/op.rs` and in
//!    `shaders/lib/step.wgsl`; settings of single realizations go into `shaders/lib/runs.wgsl`.
//! 5. `src/cli/train/options.rs`: its arm of `--optimizer`, and its own options. `src/python/optim.rs`: its
//!    constructor in Python.
//! 6. `src/selftest/networks.rs`: a recipe with it, for the ten steps that are compared with float64.
//!
//! # An option of a command
//!
//! 1. The command's `Options` in `src/cli/`: a field with its help, its default and one of the groups
//!    `RESULT`, `FREE` and `REQUEST`, which state whether a resumed run may change it.
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
//! 1. `src/experiments/spirals/figures.rs`: an entry of `FIGURES`, which states the runs, the form of the
//!    picture, and its tables.
//! 2. `src/experiments/spirals/claims.rs`: the paper's claims about it, each with its tests.
//!
//! # A data set or a file format
//!
//! - A format of the user's own data: a reader like those in `src/data/reader/`, and its entry in
//!   `src/data/reader/mod.rs`, which recognises the format.
//! - A named data set: a reader such as `src/data/idx.rs`, which checks sizes and labels, and an entry in
//!   `src/data/source.rs` with its files, their mirrors and checksums.
//!
//! # A kind of hidden layer
//!
//! A new variant of the enum [`LayerKind`](crate::kind::LayerKind) makes the compiler name most places: the three
//! executors, the sweeps, the shaders in `shaders/layer/after_forward/` and `after_backward/`, ONNX, and the
//! colours of figures.

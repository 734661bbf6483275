//! Bregman neural networks, trained on any GPU through WGSL compute shaders, or on the processor.
//!
//! Frecon, Salzo and Pontil ("Bilevel Learning of Deep Representations", 2021) show that a
//! feed-forward layer is one step of a majorization-minimization algorithm. With Bregman distances
//! the step becomes a new layer (eq. 20), beside the ones that Euclidean distances give:
//!
//! | layer | z′ |
//! |---|---|
//! | standard | ρ(Wz + b) |
//! | Euclidean | ρ(z + Wz + b) |
//! | Bregman | ρ(ρ⁻¹(z) + Wz + b) |
//!
//! The path that a batch takes through the crate:
//!
//! ```text
//! data       IDX files, found or downloaded, or digits that the program draws
//!   → nn         a Model: layers, shapes, parameters; no device
//!   → executor   what the three executors of one Model have in common
//!       reference    textbook f64 loops, which the others are checked against
//!       cpu          float32 on all cores
//!       gpu          WGSL on an adapter: a Plan of dispatches, laid out once, then replayed
//!   → train      epochs, metrics
//!   → checkpoint safetensors that any other program can run
//! ```
//!
//! Under them: [`activation`] is Table 1, one const an activation with its file in
//! `shaders/activation/`; [`math`] has the elementary functions, the twin of `shaders/math.wgsl`;
//! [`rng`] gives the same random numbers on every executor; [`plot`] draws figures; [`error`] has the
//! one error type.
//!
//! ```
//! use bregman::activation::TANH;
//! use bregman::nn::{Form, Init, LayerKind, Loss, Model};
//!
//! let widths = [784, 784];
//! let model =
//!     Model::new(LayerKind::Bregman, Form::Dual, &TANH, Loss::CrossEntropy, &widths, 10)?;
//! let parameters = Init::Random.parameters(&model, 0);
//! assert_eq!(parameters.layers[0].weight.len(), 784 * 784);
//! # Ok::<(), bregman::error::Error>(())
//! ```

pub mod activation;
pub mod atomic_file;
pub mod checkpoint;
pub mod cpu;
pub mod data;
pub mod error;
pub mod executor;
pub mod gpu;
pub mod math;
pub mod nn;
pub mod onnx;
pub mod plot;
pub mod predict;
pub mod reference;
pub mod rng;
pub mod selftest;
pub mod settings;
pub mod sweep;
pub mod tensorboard;
pub mod train;

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
//! Two spirals, learnt on the processor:
//!
//! ```
//! use std::sync::Arc;
//!
//! use bregman::activation::TANH;
//! use bregman::cpu::CpuExecutor;
//! use bregman::data::Dataset;
//! use bregman::data::Splits;
//! use bregman::executor::Sgd;
//! use bregman::kind::{Form, Init, LayerKind, Loss};
//! use bregman::nn::Model;
//! use bregman::train::{self, Schedule};
//!
//! // Samples are 8-bit features: here x and y of 400 points, 256 places each way.
//! let (channels, image, classes) = (1, [1, 2], 2);
//! let (mut pixels, mut labels) = (Vec::new(), Vec::new());
//! for point in 0..400 {
//!     let (turn, class) = (f64::from(point) / 400.0, point % 2);
//!     let radius = (0.3 + 0.7 * turn) * (1.0 - 2.0 * f64::from(class));
//!     let (sin, cos) = (6.0 * turn).sin_cos();
//!     pixels.extend([radius * cos, radius * sin].map(|x| (127.5 + 127.5 * x) as u8));
//!     labels.push(class as u8);
//! }
//! let name = "spirals".to_owned();
//! let data = Dataset { name, channels, image, classes, pixels, labels };
//!
//! // Three Bregman layers of 16 neurons, coordinates mapped to [-0.9, 0.9].
//! let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
//! let model = Model::new(kind, form, &TANH, loss, &[2, 16, 16, 16], 2)?.with_input_range(-0.9, 0.9)?;
//! let parameters = vec![Init::Random.parameters(&model, 0)];
//! let splits = Splits { train: data.clone(), validation: None, test: data };
//! let sgd = Sgd { batch_size: 10, learning_rate: 0.1 };
//! let mut executor = CpuExecutor::new(&model, Arc::new(splits), parameters, sgd)?;
//! let schedule = Schedule {
//!     epochs: 100, seed: 0, realizations: 1, samples: 400, batch_size: 10, validation: false,
//! };
//! let mut observer = train::Silent;
//! let training = train::train(&mut executor, &schedule, &mut observer);
//! let epochs = pollster::block_on(training)?;
//! assert!(epochs[99].test_accuracy > 0.95, "{:?}", epochs[99]);
//! # Ok::<(), bregman::error::Error>(())
//! ```
//!
//! An activation of one's own takes part in all of it: see [`activation`].
//!
//! The path that a batch takes through the crate:
//!
//! ```text
//! data       IDX or CIFAR-10 files, found or downloaded, or digits that the program draws
//!   → nn         a Model: layers, convolutions before them, shapes, parameters; no device
//!   → executor   what the three executors of one Model have in common
//!       reference    textbook f64 loops, which the others are checked against
//!       cpu          float32 on all cores
//!       gpu          WGSL on an adapter: a Plan of dispatches, laid out once, then replayed
//!   → sweep      small networks by the thousand: a run a lane of a vector, or an invocation
//!   → train      epochs, metrics; stops at any step, and goes on from there to the bit
//!   → checkpoint safetensors that any other program can run; runs that survive a kill
//!   → predict    what a trained network says of samples; onnx, for other runtimes
//! ```
//!
//! [`bilevel`] is the theory that this comes from, running: majorants, Bregman distances, proximity
//! operators, the MM algorithm, and the layer at its limit L → ∞.
//!
//! Under them: [`activation`] is Table 1, one const an activation with its file in
//! `shaders/activation/`; [`math`] has the elementary functions, the twin of `shaders/lib/math.wgsl`;
//! [`rng`] gives the same random numbers on every executor; [`device`] chooses where to train;
//! [`selftest`] tells whether an adapter computes what it should, and [`bench`] how fast; [`plot`]
//! draws figures, and [`tensorboard`] writes event files; [`settings`] reads option files;
//! [`files`] says what a crash leaves behind; [`error`] has the one error type.

pub mod activation;
pub mod bench;
#[cfg(feature = "theory")]
pub mod bilevel;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod device;
pub mod error;
pub mod executor;
#[cfg(all(feature = "plot", feature = "theory"))]
pub mod experiments;
pub mod files;
pub mod gpu;
pub mod kernels;
pub mod kind;
pub mod math;
pub mod nn;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "plot")]
pub mod plot;
pub mod predict;
pub mod reference;
pub mod rng;
pub mod selftest;
pub mod sweep;
pub mod train;

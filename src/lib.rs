//! Bregman neural networks, trained on GPUs through WGSL compute shaders, or on the processor.
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
//! Two spirals, learned on the processor:
//!
//! ```
//! use bregman::prelude::*;
//!
//! let turn = |i: usize| i as f32 / 400.0;
//! let point = |i: usize| {
//!     let radius = (0.3 + 0.6 * turn(i)) * if i % 2 == 0 { 1.0 } else { -1.0 };
//!     [radius * (6.0 * turn(i)).cos(), radius * (6.0 * turn(i)).sin()]
//! };
//! let points: Vec<[f32; 2]> = (0..400).map(point).collect();
//! let labels: Vec<u8> = (0..400).map(|i| (i % 2) as u8).collect();
//!
//! let (train, test) = Dataset::classification(&points, &labels)?.split(0.8, 0)?;
//! let model = Model::input(2).bregman(16).bregman(16).classes(2).build()?;
//! let trained = Trainer::new(&model)
//!     .optimizer(Optimizer::sgd(0.1).momentum(0.9))
//!     .schedule(RateSchedule::cosine())
//!     .batch_size(10)
//!     .epochs(60)
//!     .device(Device::cpu())
//!     .fit(&train, &test)?;
//! assert!(trained.history()[59].test_accuracy > 0.95, "{:?}", trained.history()[59]);
//! assert_eq!(trained.predict(&[point(7)])?, [1]);
//! # Ok::<(), bregman::error::Error>(())
//! ```
//!
//! [`activation`] explains how to define your own activation. [`extending`] lists the places to edit for an
//! activation, a kernel, an optimizer, an option, a figure or a data format of the crate.
//!
//! # The path of a batch
//!
//! ```text
//! data         bytes or numbers, with classes or values: your own, files of images, or drawn digits
//!   → nn           a Model: layers, convolutions before them, shapes, parameters, without a device
//!   → optim        optimizers, schedules, and the settings of each run
//!   → executor     the common interface of the three executors of a Model
//!       reference      textbook loops in float64, against which the others are checked
//!       cpu            float32 on all cores
//!       gpu            WGSL on an adapter: a Plan of dispatches, laid out once and then replayed
//!   → sweep        networks with two neurons in each layer, by the thousand
//!   → train        epochs and metrics; a run may stop at any step, and the resumed run is bit-identical
//!   → trainer      all of this in one call
//!   → checkpoint   safetensors files of trained networks and of runs
//!   → predict      the classes of samples; onnx, for other runtimes
//! ```
//!
//! # The floors
//!
//! A file imports only files of lower floors, and files of its own floor without cycles; `tests/floors.rs`
//! reads the imports and checks this rule.
//!
//! ```text
//! 7  bin                       bregman, train_mnist
//! 6  cli, experiments, python  commands and their options; the paper's figures and tables; Python
//! 5  selftest, bench, bilevel, plot, onnx
//! 4  trainer, train, checkpoint, predict, device
//! 3  reference, cpu, gpu, sweep      the engines
//! 2  nn, data, executor, optim models, data and optimizers, without a device
//! 1  activation, kernels       Table 1; float32 loops that are generic over an activation
//! 0  error, kind, math, memory, rng, files, threads
//! ```
//!
//! # Features
//!
//! All features except `python` are on by default. Without them the crate has 19 direct dependencies: wgpu,
//! naga, gemm and rayon; csv, flate2, tar, zip and sha2 for data files; safetensors, serde, serde_json and
//! tempfile for its own files; bytemuck, half, memchr, pollster, thiserror and web-time. It then also compiles
//! for `wasm32-unknown-unknown`.
//!
//! | feature | addition |
//! |---|---|
//! | `cli` | the programs `bregman` and `train_mnist`, and their code |
//! | `download` | missing data sets are downloaded |
//! | `python` | the compiled half of the Python package, which `pip install .` builds |
//! | `plot` | figures, and pictures read from PNG and JPEG files |
//! | `onnx` | networks are written as ONNX |
//! | `tensorboard` | metrics are also written as TensorBoard's event files |
//! | `theory` | the bilevel theory, its checks, and the limit of infinitely many layers |

pub mod activation;
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "theory")]
#[doc(hidden)]
pub mod bilevel;
pub mod checkpoint;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod cpu;
pub mod data;
pub mod device;
pub mod error;
#[doc(hidden)]
pub mod executor;
#[cfg(all(feature = "plot", feature = "theory"))]
#[doc(hidden)]
pub mod experiments;
pub mod extending;
#[doc(hidden)]
pub mod files;
pub mod gpu;
pub mod kernels;
pub mod kind;
#[doc(hidden)]
pub mod math;
#[doc(hidden)]
pub mod memory;
pub mod nn;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod optim;
#[cfg(feature = "plot")]
#[doc(hidden)]
pub mod plot;
#[doc(hidden)]
pub mod predict;
pub mod prelude;
#[cfg(feature = "python")]
#[doc(hidden)]
pub mod python;
#[doc(hidden)]
pub mod reference;
#[doc(hidden)]
pub mod rng;
pub mod selftest;
pub mod sweep;
#[doc(hidden)]
pub mod threads;
pub mod train;
pub mod trainer;

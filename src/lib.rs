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
//! Two spirals, learned on the processor:
//!
//! ```
//! use std::sync::Arc;
//!
//! use bregman::activation::TANH;
//! use bregman::cpu::CpuExecutor;
//! use bregman::data::{Dataset, Splits};
//! use bregman::kind::{Form, Init, LayerKind, Loss};
//! use bregman::nn::Model;
//! use bregman::optim::Sgd;
//! use bregman::train::{self, Schedule};
//!
//! // Features are bytes: here the coordinates of 400 points, each rounded to one of 256 values.
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
//! [`activation`] tells how to define your own activation. [`extending`] lists the places to edit for an
//! activation, a kernel, an option, a figure or a data format of the crate.
//!
//! # The path of a batch
//!
//! ```text
//! data         bytes of images: IDX or CIFAR-10 files, found or downloaded, or drawn digits
//!   → nn           a Model: layers, convolutions before them, shapes, parameters; it knows no device
//!   → optim        optimizers, schedules, and the settings of each run
//!   → executor     what the three executors of a Model have in common
//!       reference      textbook loops in float64, which the others are checked against
//!       cpu            float32 on all cores
//!       gpu            WGSL on an adapter: a Plan of dispatches, laid out once and then replayed
//!   → sweep        networks of two neurons a layer by the thousand
//!   → train        epochs and metrics; a run stops at any step and continues from it to the bit
//!   → checkpoint   safetensors files of trained networks and of runs
//!   → predict      the classes of samples; onnx, for other runtimes
//! ```
//!
//! # The floors
//!
//! A file uses only files of lower floors, and of its own floor without a loop; `tests/floors.rs` reads
//! the imports and holds the crate to it.
//!
//! ```text
//! 7  bin                       bregman, train_mnist
//! 6  cli, experiments          commands and their options; the paper's figures and tables
//! 5  selftest, bench, bilevel, plot, onnx
//! 4  train, checkpoint, predict, device
//! 3  reference, cpu, gpu, sweep      the engines
//! 2  nn, data, executor, optim what is trained, on what data, and how; no device
//! 1  activation, kernels       Table 1; float32 loops that are generic over an activation
//! 0  error, kind, math, rng, files
//! ```
//!
//! # Features
//!
//! All are on by default. Without them the crate depends on little more than wgpu, naga, gemm, rayon,
//! safetensors and serde, and compiles for `wasm32-unknown-unknown`.
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` | the programs `bregman` and `train_mnist`, and their code |
//! | `download` | data sets are downloaded where they are missing |
//! | `plot` | figures, and pictures read from PNG and JPEG files |
//! | `onnx` | networks are written as ONNX |
//! | `tensorboard` | metrics are also written as TensorBoard's event files |
//! | `theory` | the bilevel theory, its checks, and the limit of infinitely many layers |

pub mod activation;
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "theory")]
pub mod bilevel;
pub mod checkpoint;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod device;
pub mod error;
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
pub mod predict;
pub mod reference;
#[doc(hidden)]
pub mod rng;
pub mod selftest;
pub mod sweep;
pub mod train;

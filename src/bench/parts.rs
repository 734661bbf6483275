//! The parts of the report on an adapter, and their measurement.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Network, Row, Steps};
use crate::activation::Activation;
use crate::bench;
use crate::data::Splits;
use crate::data::{self, Request};
use crate::error::{Error, Result};
use crate::files::json;
use crate::gpu::{Gpu, GpuExecutor, PlanOptions, Selection};
use crate::kind::Storage;
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::nn::Model;
use crate::optim::Sgd;
use crate::selftest;
use crate::train::{self, Schedule, Silent};

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Name, driver and limits of the adapter, and its measured rates of FMAs and of copying.
    Adapter,
    /// Seconds from the request for the adapter to the end of the first training step.
    FirstStep,
    /// A training step, dispatch by dispatch.
    Profile,
    /// Training steps of fully connected networks.
    Steps,
    /// Training steps of the small convolutional network.
    Cnn,
    /// Products of square matrices, with each tile.
    Matmul,
    /// Epochs of MNIST.
    Mnist,
    /// PyTorch on the same network, by a script.
    Pytorch,
    /// burn on the same network, by a program.
    Burn,
    /// Forward and backward of single layers.
    Layers,
    /// The self-test.
    Selftest,
}

impl Part {
    /// All parts in the order in which they run, the most wanted first.
    pub const ALL: [Self; 11] = [
        Self::Adapter,
        Self::FirstStep,
        Self::Profile,
        Self::Steps,
        Self::Cnn,
        Self::Matmul,
        Self::Mnist,
        Self::Pytorch,
        Self::Burn,
        Self::Layers,
        Self::Selftest,
    ];

    /// Its name, as in the report.
    pub fn name(self) -> &'static str {
        self.name_and_seconds().0
    }

    /// The seconds that it may take.
    pub fn seconds(self) -> u64 {
        self.name_and_seconds().1
    }

    /// Whether another program measures it, which may not be there.
    pub fn is_of_another_program(self) -> bool {
        matches!(self, Self::Pytorch | Self::Burn)
    }

    fn name_and_seconds(self) -> (&'static str, u64) {
        match self {
            Self::Adapter => ("adapter", 20),
            Self::FirstStep => ("first step", 20),
            Self::Profile => ("profile", 20),
            Self::Steps => ("steps", 90),
            Self::Cnn => ("cnn", 30),
            Self::Matmul => ("matmul", 45),
            Self::Mnist => ("mnist", 60),
            Self::Pytorch => ("pytorch", 120),
            Self::Burn => ("burn", 60),
            Self::Layers => ("layers", 90),
            Self::Selftest => ("selftest", 300),
        }
    }

    /// The part with this name.
    ///
    /// # Errors
    /// [`Error::UnknownName`].
    pub fn by_name(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        found.ok_or_else(|| Error::UnknownName {
            kind: "part",
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }

    /// Measures this part on the adapter of `selection` and returns the results in the form of the report.
    /// `partial` is called with all rows so far after each row of a part that has rows.
    ///
    /// # Errors
    /// Those of the adapter, the data and the executor; [`Error::UnknownName`] for PyTorch and burn,
    /// which other programs measure.
    pub fn measure(
        self,
        selection: &Selection,
        data_dir: PathBuf,
        partial: &mut dyn FnMut(&Value),
    ) -> Result<Value> {
        let mut gpu = pollster::block_on(Gpu::request(selection))?;
        let software = gpu.summary().software;
        let rounds = if software { 2 } else { 5 };
        let usual = if software { [32, 64] } else { [128, 784] };
        let mut rows = Rows {
            rows: Vec::new(),
            partial,
        };
        match self {
            Self::Adapter => {
                let limits = bench::limits(&mut gpu, rounds)?;
                let summary = gpu.summary();
                Ok(json!({
                    "name": summary.name,
                    "backend": summary.backend,
                    "driver": summary.driver,
                    "software": summary.software,
                    "limits": format!("{:?}", gpu.limits()),
                    "measured": limits,
                    "seconds_to_encode_a_dispatch": bench::encoding(&gpu)?,
                }))
            }
            Self::FirstStep => {
                drop(gpu);
                let network = Network::bregman(usual[0], usual[1]);
                let seconds = bench::first_step(selection, &network)?;
                Ok(json!({ "case": network.name("step", true), "seconds": seconds }))
            }
            Self::Profile => {
                let mut rows = Vec::new();
                for realizations in if software { &[1][..] } else { &[1, 5] } {
                    let mut network = Network::bregman(usual[0], usual[1]);
                    network.realizations = *realizations;
                    for (kernel, seconds) in network.profile(&gpu)?.unwrap_or_default() {
                        rows.push(json!({
                            "realizations": realizations,
                            "kernel": kernel,
                            "device_seconds": seconds,
                        }));
                    }
                }
                Ok(json!(rows))
            }
            Self::Steps => {
                let limits = bench::limits(&mut gpu, rounds)?;
                let networks = Network::all(software, false).into_iter();
                for network in networks.chain(Network::halves(&gpu)) {
                    for mut steps in network.steps(&gpu)? {
                        rows.push(steps.row(&limits, rounds)?);
                    }
                }
                Ok(rows.all())
            }
            Self::Cnn => {
                let limits = bench::limits(&mut gpu, rounds)?;
                // Five realizations take a software adapter minutes.
                let all = if software { &[1][..] } else { &[1, 5] };
                for &realizations in all {
                    rows.push(Steps::cnn(&gpu, realizations)?.row(&limits, rounds)?);
                }
                Ok(rows.all())
            }
            Self::Matmul => {
                let limits = bench::limits(&mut gpu, rounds)?;
                for size in if software { &[64][..] } else { &[1024, 4096] } {
                    for target in bench::matmul(&gpu, *size)? {
                        rows.push(target.row(&mut gpu, &limits, rounds)?);
                    }
                }
                Ok(rows.all())
            }
            Self::Layers => {
                let limits = bench::limits(&mut gpu, rounds)?;
                for network in Network::all(software, false) {
                    for target in network.layer(&gpu)? {
                        rows.push(target.row(&mut gpu, &limits, rounds)?);
                    }
                }
                Ok(rows.all())
            }
            Self::Mnist => mnist(&gpu, data_dir),
            Self::Selftest => Ok(json::value(&selftest::run(&mut gpu, false, &mut |_| {})?)),
            Self::Pytorch | Self::Burn => Err(Error::UnknownName {
                kind: "part of this program",
                name: self.name().to_owned(),
                known: "all but pytorch and burn, which programs of their own measure".to_owned(),
            }),
        }
    }
}

/// Rows of a part. All rows so far are passed on after each, so that a part that is stopped leaves
/// them.
struct Rows<'a> {
    rows: Vec<Row>,
    partial: &'a mut dyn FnMut(&Value),
}

impl Rows<'_> {
    fn push(&mut self, row: Row) {
        self.rows.push(row);
        (self.partial)(&json!(self.rows));
    }

    fn all(self) -> Value {
        json!(self.rows)
    }
}

/// Three layers of 784 in batches of 128, at R = 1 and 5; a smaller network on 512 samples on a
/// software adapter.
fn mnist(gpu: &Gpu, data_dir: PathBuf) -> Result<Value> {
    let request = Request {
        dataset: Some("mnist".to_owned()),
        data_dir: Some(data_dir),
        ..Request::default()
    };
    let loaded = data::load(&request, &mut |_| {})?;
    let (width, samples, epochs) = match gpu.summary().software {
        true => (64, 512, 1),
        false => (784, 60_000, 10),
    };
    let (mut train, mut test) = (loaded.train, loaded.test);
    train.truncate(samples);
    test.truncate(samples);
    let mut rows = Vec::new();
    for realizations in [1, 5] {
        let widths = [784, width, width, width];
        let (kind, loss) = (LayerKind::Bregman, Loss::CrossEntropy);
        let model = Model::new(kind, Form::Dual, &Activation::TANH, loss, &widths, 10)?;
        let sgd = Sgd {
            batch_size: 128,
            learning_rate: 0.2,
        };
        let schedule = Schedule {
            epochs,
            seed: 0,
            realizations,
            samples: train.len(),
            batch_size: sgd.batch_size,
            validation: false,
        };
        let splits = Splits {
            train: train.clone(),
            validation: None,
            test: test.clone(),
        };
        let parameters: Vec<_> = (0..realizations as u64)
            .map(|seed| Init::Random.parameters(&model, seed))
            .collect();
        let plan = PlanOptions {
            realizations,
            recipe: sgd.into(),
            fused: true,
            storage: Storage::F32,
            small: true,
        };
        let epochs = pollster::block_on(async {
            let gpu = gpu.clone();
            let mut executor = GpuExecutor::new(gpu, &model, &splits, &parameters, plan).await?;
            train::train(&mut executor, &schedule, &mut Silent).await
        })?;
        let seconds = epochs.iter().map(|epoch| epoch.seconds);
        rows.push(json!({
            "realizations": realizations,
            "width": width,
            "samples": train.len(),
            "fastest_epoch_seconds": seconds.fold(f64::INFINITY, f64::min),
            "epochs": epochs,
        }));
    }
    Ok(json!(rows))
}

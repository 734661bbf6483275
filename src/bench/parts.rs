//! The parts of the report on an adapter, and their measurement.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::units::{self, Units};
use super::{Case, Network, Steps};
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
    /// Fused training steps, dispatch by dispatch.
    Profile,
    /// Training steps of fully connected networks.
    Steps,
    /// PyTorch on the same networks, by a script.
    Pytorch,
    /// Training steps of the small convolutional network.
    Cnn,
    /// Products of square matrices, with each tile.
    Matmul,
    /// The products that the adapter's matrix units compute, and their rate.
    MatrixUnits,
    /// Epochs of MNIST.
    Mnist,
    /// Seconds from the request for the adapter to the end of the first training step.
    FirstStep,
    /// The self-test.
    Selftest,
    /// Forward and backward of single layers.
    Layers,
    /// burn on the same networks, by a program.
    Burn,
}

impl Part {
    /// All parts in the order in which they run, the most wanted first.
    pub const ALL: [Self; 12] = [
        Self::Adapter,
        Self::Profile,
        Self::Steps,
        Self::Pytorch,
        Self::Cnn,
        Self::Matmul,
        Self::MatrixUnits,
        Self::Mnist,
        Self::FirstStep,
        Self::Selftest,
        Self::Layers,
        Self::Burn,
    ];

    /// Its name, as in the report.
    pub fn name(self) -> &'static str {
        self.name_and_seconds().0
    }

    /// Its share of the report's time, in seconds. The shares of all parts are at most the 520 s that the
    /// report takes at most, and a part also gets what those before it leave of theirs.
    pub fn seconds(self) -> u64 {
        self.name_and_seconds().1
    }

    /// Whether another program measures it, which may not be there.
    pub fn is_of_another_program(self) -> bool {
        matches!(self, Self::Pytorch | Self::Burn)
    }

    fn name_and_seconds(self) -> (&'static str, u64) {
        match self {
            Self::Adapter => ("adapter", 15),
            Self::Profile => ("profile", 40),
            Self::Steps => ("steps", 90),
            Self::Pytorch => ("pytorch", 75),
            Self::Cnn => ("cnn", 20),
            Self::Matmul => ("matmul", 35),
            Self::MatrixUnits => ("matrix units", 20),
            Self::Mnist => ("mnist", 20),
            Self::FirstStep => ("first step", 10),
            Self::Selftest => ("selftest", 75),
            Self::Layers => ("layers", 60),
            Self::Burn => ("burn", 60),
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
    /// `partial` is called with all rows so far after each row of a part that has rows, and with the name of
    /// each check of the self-test before it runs, so that a part that is cut off leaves these.
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
            partial: &mut *partial,
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
                for case in Case::all(software) {
                    for dispatch in case.measure(&gpu)?.unwrap_or_default() {
                        rows.push(dispatch);
                    }
                }
                Ok(rows.all())
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
            Self::MatrixUnits => {
                let limits = bench::limits(&mut gpu, rounds)?;
                drop(gpu);
                let mut partial = |units: &Units| partial(&json::value(units));
                let units = units::measure(selection, &limits, rounds, &mut partial)?;
                Ok(json::value(&units))
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
            Self::Mnist => mnist(&gpu, data_dir, rows),
            Self::Selftest => {
                let mut progress = |check: &str| partial(&json!({ "running": check }));
                Ok(json::value(&selftest::run(&mut gpu, false, &mut progress)?))
            }
            Self::Pytorch | Self::Burn => Err(Error::UnknownName {
                kind: "part of this program",
                name: self.name().to_owned(),
                known: "all but pytorch and burn, which programs of their own measure".to_owned(),
            }),
        }
    }
}

/// Rows of a part. All rows so far are passed on after each, so that a part that is cut off leaves
/// them.
struct Rows<'a> {
    rows: Vec<Value>,
    partial: &'a mut dyn FnMut(&Value),
}

impl Rows<'_> {
    fn push(&mut self, row: impl Serialize) {
        self.rows.push(json::value(&row));
        (self.partial)(&json!(self.rows));
    }

    fn all(self) -> Value {
        json!(self.rows)
    }
}

/// Three layers of 784 in batches of 128, at R = 1 and 5; a smaller network on 512 samples on a
/// software adapter.
fn mnist(gpu: &Gpu, data_dir: PathBuf, mut rows: Rows) -> Result<Value> {
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
    Ok(rows.all())
}

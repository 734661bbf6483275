//! The speed of an adapter: its own limits, matrix products, single layers and whole training steps,
//! fused and unfused. `cargo bench --bench gpu` prints it; [`Report`] keeps it with the figures of
//! other libraries, as measured by `bregman bench`.

mod page;
mod parts;
mod profile;
mod report;
mod units;

pub use page::page;
pub use parts::Part;
pub use profile::{Case, Dispatch};
pub use report::{Adapter, Measured, Report};
pub use units::Units;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::data::{Dataset, Inputs, Splits, Targets};
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::ops::bench as limits;
use crate::gpu::ops::product::matmul;
use crate::gpu::tile::Product;
use crate::gpu::tile::{Layout, Tile};
use crate::gpu::{
    BufferId, BufferSpec, Buffers, Contents, Gpu, GpuExecutor, LayerPlan, Op, PlanOptions, Program,
};
use crate::kind::{Form, Init, KINDS, LayerKind, Loss, Storage};
use crate::nn::{Cnn, Model};
use crate::optim::{Recipe, Sgd};
use crate::selftest::dispatch::random;

/// A measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The measured operation.
    pub name: String,
    /// Wall seconds of one run, the last wait included; the median.
    pub seconds: f64,
    /// The same by the device's own clock, where it has one.
    pub device_seconds: Option<f64>,
    /// FLOPs of one run, matrix products alone.
    pub flops: f64,
    /// Dispatches of one run.
    pub dispatches: usize,
    /// FLOPs a second, by the wall clock.
    pub flops_per_second: f64,
    /// The part of the measured FMA peak that this is.
    pub share_of_peak: f64,
    /// Samples that one run trains on, of all realizations together, where the report gives their
    /// rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
}

/// The wall time of the unfused operation among `rows` divided by that of `row`, if that is the fused one.
pub fn unfused_over_fused(row: &Row, rows: &[Row]) -> Option<f64> {
    let unfused = row.name.strip_suffix(", fused")?.to_owned() + ", unfused";
    let other = rows.iter().find(|other| other.name == unfused)?;
    Some(other.seconds / row.seconds)
}

/// The measured limits of the adapter.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// FLOPs a second of independent FMAs.
    pub fma_flops_per_second: f64,
    /// Bytes a second, read and written, of a copy.
    pub copy_bytes_per_second: f64,
}

/// The clocks of a card that is idle or under a light load take about a second to rise, and a measurement during
/// this time is up to five times too slow. So a card repeats the measured work until a window of this length is
/// hardly faster than the one before.
const WINDOW: Duration = Duration::from_millis(250);

/// The longest time for these rounds.
const WARM: Duration = Duration::from_secs(3);

/// Seconds of a round: long compared with a wait, short compared with other work of the machine.
const ROUND: f64 = 0.05;

/// Calls `f`, which returns the seconds of a run, until a hardware adapter's clocks are up, and once
/// on a software one; returns the seconds of a run at that point. The measurement must follow immediately.
fn warm(software: bool, mut f: impl FnMut() -> Result<f64>) -> Result<f64> {
    let start = Instant::now();
    let mut before = f64::INFINITY;
    loop {
        let window = Instant::now();
        let mut best = f()?;
        while !software && window.elapsed() < WINDOW {
            best = best.min(f()?);
        }
        if software || best >= 0.97 * before || start.elapsed() >= WARM {
            return Ok(best);
        }
        before = best;
    }
}

/// Median wall seconds of a run and the device's own, of `rounds` rounds of as many runs as take a
/// twentieth of a second together, on a card whose clocks are up.
///
/// # Errors
/// Those of [`Program::run`].
pub fn time(gpu: &mut Gpu, program: &Program, rounds: usize) -> Result<(f64, Option<f64>)> {
    let software = gpu.summary().software;
    let mut wall = |times: usize| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..times {
            program.run(gpu, 0..1)?;
        }
        gpu.finish()?;
        Ok(start.elapsed().as_secs_f64())
    };
    // The first run completes the work of the driver at the first use of a kernel.
    wall(1)?;
    let mut times = 1;
    let once = warm(software, || {
        let once = wall(times)? / times as f64;
        // Few waits, so that the card has no time to rest, but many in a window.
        times = (0.2 * ROUND / once).clamp(1.0, 1000.0) as usize;
        Ok(once)
    })?;
    let times = (ROUND / once).clamp(1.0, 1000.0) as usize;
    let mut seconds = Vec::new();
    for _ in 0..rounds.max(1) {
        seconds.push(wall(times)? / times as f64);
    }
    seconds.sort_by(f64::total_cmp);
    let device = pollster::block_on(program.device_seconds(gpu, times))?;
    let device = device.map(|device| device / times as f64);
    Ok((seconds[seconds.len() / 2], device))
}

fn spec(name: &str, len: usize) -> BufferSpec {
    BufferSpec {
        name: name.to_owned(),
        bytes: 4 * len as u64,
        half: false,
        // Zeros may be computed faster than other numbers.
        contents: Contents::Bytes(
            bytemuck::cast_slice(&random(len as u32, len, -0.5, 0.5)).to_vec(),
        ),
    }
}

fn program(
    gpu: &Gpu,
    specs: &[BufferSpec],
    ops: &[Op],
    steps: Option<BufferId>,
) -> Result<Program> {
    pollster::block_on(async {
        let buffers = Buffers::new(gpu, specs).await?;
        Program::new(gpu, &buffers, ops, steps).await
    })
}

/// The adapter's limits.
///
/// # Errors
/// Those of [`Program`].
pub fn limits(gpu: &mut Gpu, rounds: usize) -> Result<Limits> {
    let software = gpu.summary().software;
    let workgroups = if software { 64 } else { 16_384 };
    let output = spec("output", workgroups * limits::fma_peak::WORKGROUP);
    let op = limits::fma_peak::fma_peak(workgroups, BufferId(0));
    let measured = program(gpu, &[output], &[op], None)?;
    let (seconds, device) = time(gpu, &measured, rounds)?;
    let flops = (workgroups * limits::fma_peak::WORKGROUP * limits::fma_peak::FLOPS) as f64;
    // Far beyond a card's caches.
    let vectors = if software { 1 << 18 } else { 1 << 24 };
    let input = spec("input", 4 * vectors);
    let output = BufferSpec {
        name: "output".to_owned(),
        contents: Contents::Zeros,
        ..input.clone()
    };
    let specs = [input, output];
    let op = limits::copy::copy(vectors, BufferId(0), BufferId(1));
    let measured = program(gpu, &specs, &[op], None)?;
    let (copy_seconds, copy_device) = time(gpu, &measured, rounds)?;
    Ok(Limits {
        fma_flops_per_second: flops / device.unwrap_or(seconds),
        copy_bytes_per_second: 32.0 * vectors as f64 / copy_device.unwrap_or(copy_seconds),
    })
}

fn row(
    name: String,
    (seconds, device_seconds): (f64, Option<f64>),
    flops: f64,
    dispatches: usize,
    peak: &Limits,
) -> Row {
    let flops_per_second = flops / seconds;
    Row {
        name,
        seconds,
        device_seconds,
        flops,
        dispatches,
        flops_per_second,
        share_of_peak: flops_per_second / peak.fma_flops_per_second,
        samples: None,
    }
}

/// An operation that is run repeatedly.
pub struct Target {
    /// The name.
    pub name: String,
    /// FLOPs of one run, matrix products alone.
    pub flops: f64,
    /// The program that is measured.
    pub program: Program,
}

impl Target {
    /// Measures it.
    ///
    /// # Errors
    /// Those of [`Program::run`].
    pub fn row(&self, gpu: &mut Gpu, peak: &Limits, rounds: usize) -> Result<Row> {
        let times = time(gpu, &self.program, rounds)?;
        let dispatches = self.program.dispatches();
        Ok(row(self.name.clone(), times, self.flops, dispatches, peak))
    }
}

/// The product of two square matrices, without tiles and with each tile.
///
/// # Errors
/// Those of [`Program`].
pub fn matmul(gpu: &Gpu, size: usize) -> Result<Vec<Target>> {
    let product = Product {
        m: size,
        n: size,
        k: size,
    };
    let [l, r, output] = [0, 1, 2].map(BufferId);
    let naive = limits::matmul_naive::matmul_naive(product, [l, r], output);
    let tiled = Tile::ALL.map(|tile| {
        let name = format!("{tile:?}").to_lowercase();
        let op = matmul::matmul(Layout::Nt, tile, 1, product, l, r, output);
        (name, op)
    });
    let specs = ["lhs", "rhs", "output"].map(|name| spec(name, size * size));
    let all = [("naive".to_owned(), naive)].into_iter().chain(tiled);
    all.map(|(tile, op)| {
        Ok(Target {
            name: format!("matmul {size}³ {tile}"),
            flops: 2.0 * (size as f64).powi(3),
            program: program(gpu, &specs, &[op], None)?,
        })
    })
    .collect()
}

/// The shape of a network under measurement.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// The kind of the hidden layers.
    pub kind: LayerKind,
    /// The form of Bregman layers.
    pub form: Form,
    /// R.
    pub realizations: usize,
    /// Samples of a mini-batch.
    pub batch: usize,
    /// The width of the input and of each hidden layer.
    pub width: usize,
    /// The number type in which weights and activations are stored.
    pub storage: Storage,
}

impl Network {
    /// Bregman layers in dual form, the ones that matter most.
    pub fn bregman(batch: usize, width: usize) -> Self {
        Self {
            kind: LayerKind::Bregman,
            form: Form::Dual,
            realizations: 1,
            batch,
            width,
            storage: Storage::F32,
        }
    }

    /// Training steps with storage in half precision, which fused kernels alone have; none where
    /// `gpu` has none.
    pub fn halves(gpu: &Gpu) -> Vec<Self> {
        let sizes: &[_] = match (gpu.has_f16(), gpu.summary().software) {
            (false, _) => &[],
            (true, true) => &[[32, 64]],
            (true, false) => &[[128, 784], [4096, 4096]],
        };
        let half = |&[batch, width]: &[usize; 2]| Self {
            storage: Storage::F16,
            ..Self::bregman(batch, width)
        };
        sizes.iter().map(half).collect()
    }

    /// The sizes of the full product; on a software adapter the small ones alone.
    pub fn sizes(software: bool) -> &'static [[usize; 2]] {
        const SIZES: [[usize; 2]; 7] = [
            [10, 2],
            [32, 32],
            [32, 64],
            [128, 784],
            [512, 784],
            [4096, 784],
            [4096, 4096],
        ];
        if software { &SIZES[..3] } else { &SIZES }
    }

    /// Bregman layers in dual form at all sizes, and one network for each other kind, form and R; or with `full`
    /// all combinations. On a card, many realizations of a small network too.
    pub fn all(software: bool, full: bool) -> Vec<Self> {
        let sizes = Self::sizes(software);
        let one = if software { [32, 64] } else { [128, 784] };
        let mut networks = Vec::new();
        for (kind, form) in KINDS {
            for realizations in [1, 5] {
                for &[batch, width] in sizes {
                    let usual = kind == LayerKind::Bregman && form == Form::Dual;
                    let first = usual && realizations == 1;
                    let alone = realizations == 1 || usual;
                    if full || first || (alone && [batch, width] == one) {
                        networks.push(Self {
                            kind,
                            form,
                            realizations,
                            batch,
                            width,
                            storage: Storage::F32,
                        });
                    }
                }
            }
        }
        if !software {
            // As many as an H100 has multiprocessors.
            networks.push(Self {
                realizations: 132,
                ..Self::bregman(32, 32)
            });
        }
        networks
    }

    /// The name of a measurement of this network.
    pub fn name(&self, what: &str, fused: bool) -> String {
        let form = match self.kind {
            LayerKind::Bregman => format!(" {}", self.form.name()),
            _ => String::new(),
        };
        let path = if fused { "fused" } else { "unfused" };
        let storage = match self.storage {
            Storage::F32 => "",
            Storage::F16 => " f16",
        };
        format!(
            "{what} {}{form}{storage}, batch {} × {}, R = {}, {path}",
            self.kind.name(),
            self.batch,
            self.width,
            self.realizations
        )
    }

    fn options(&self, fused: bool) -> PlanOptions {
        PlanOptions {
            realizations: self.realizations,
            recipe: Recipe::from(Sgd {
                batch_size: self.batch,
                learning_rate: 1e-3,
            }),
            fused,
            storage: self.storage,
            small: true,
        }
    }

    /// A network of `layers` hidden layers and ten classes.
    ///
    /// # Errors
    /// Those of [`Model::new`]; none for the networks of this module.
    pub fn model(&self, layers: usize) -> Result<Model> {
        let widths = vec![self.width; layers + 1];
        Model::new(
            self.kind,
            self.form,
            &Activation::TANH,
            Loss::CrossEntropy,
            &widths,
            10,
        )
    }

    /// Forward and backward of the second of two layers.
    ///
    /// # Errors
    /// Those of [`Program`].
    pub fn layer(&self, gpu: &Gpu) -> Result<Vec<Target>> {
        let model = self.model(2)?;
        let mut targets = Vec::new();
        for fused in [true, false] {
            let mut plan = LayerPlan::new(&model, 1, self.options(fused))?;
            let of_numbers = |buffer: &&mut BufferSpec| {
                matches!(buffer.contents, Contents::Zeros | Contents::Bytes(_))
            };
            for buffer in plan.buffers.iter_mut().filter(of_numbers) {
                *buffer = spec(&buffer.name, buffer.bytes as usize / 4);
            }
            let product = 2.0 * (self.realizations * self.batch * self.width * self.width) as f64;
            let parts = [
                ("forward", &plan.forward, product),
                ("backward", &plan.backward, 2.0 * product),
            ];
            for (what, ops, flops) in parts {
                targets.push(Target {
                    name: self.name(what, fused),
                    flops,
                    program: program(gpu, &plan.buffers, ops, Some(plan.steps))?,
                });
            }
        }
        Ok(targets)
    }

    /// An executor of three layers on `steps` batches of noise.
    ///
    /// # Errors
    /// Those of [`GpuExecutor::new`].
    pub fn executor(&self, gpu: &Gpu, fused: bool, steps: usize) -> Result<GpuExecutor> {
        let image = [1, self.width];
        executor(gpu, &self.model(3)?, image, self.options(fused), steps)
    }

    /// The paths, fused or not, that its storage has.
    pub fn paths(&self) -> &'static [bool] {
        match self.storage {
            Storage::F32 => &[true, false],
            Storage::F16 => &[true],
        }
    }

    /// Whole training steps of three layers, ready to be measured.
    ///
    /// # Errors
    /// Those of [`GpuExecutor::new`].
    pub fn steps(&self, gpu: &Gpu) -> Result<Vec<Steps>> {
        let model = self.model(3)?;
        let all = self.paths().iter().map(|&fused| {
            let (name, options) = (self.name("step", fused), self.options(fused));
            Steps::new(gpu, name, &model, [1, self.width], options)
        });
        all.collect()
    }
}

/// An executor of a network for images of one channel on `steps` batches of noise.
fn executor(
    gpu: &Gpu,
    model: &Model,
    image: [usize; 2],
    options: PlanOptions,
    steps: usize,
) -> Result<GpuExecutor> {
    let pixels: usize = image.iter().product();
    let batch = options.recipe.batch_size;
    let data = |samples: usize| Dataset {
        name: "noise".to_owned(),
        channels: 1,
        image,
        classes: 10,
        inputs: Inputs::Bytes(
            (0..samples * pixels)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect(),
        ),
        targets: Targets::Classes((0..samples as u32).map(|i| i % 10).collect()),
    };
    let splits = Splits {
        train: data(steps * batch),
        validation: None,
        test: data(batch),
    };
    let parameters: Vec<_> = (0..options.realizations as u64)
        .map(|seed| Init::Random.parameters(model, seed))
        .collect();
    let executor = GpuExecutor::new(gpu.clone(), model, &splits, &parameters, options);
    pollster::block_on(executor)
}

/// Training steps of a network, as an epoch runs them.
pub struct Steps {
    name: String,
    flops: f64,
    /// Samples of a step, where the report gives their rate.
    samples: Option<usize>,
    orders: Vec<Vec<u32>>,
    steps: usize,
    executor: GpuExecutor,
}

impl Steps {
    /// The steps of `model` on images of one channel.
    ///
    /// # Errors
    /// Those of [`GpuExecutor::new`].
    fn new(
        gpu: &Gpu,
        name: String,
        model: &Model,
        image: [usize; 2],
        options: PlanOptions,
    ) -> Result<Self> {
        let (batch, realizations) = (options.recipe.batch_size, options.realizations);
        let flops = (realizations as u64 * model.step_flops(batch)) as f64;
        // A few tenths of a second on a slow card, and 200 steps of small networks.
        let steps = (2e11 / flops).clamp(4.0, 200.0) as usize;
        let steps = if gpu.summary().software { 8 } else { steps };
        let order: Vec<u32> = (0..(steps * batch) as u32).collect();
        Ok(Self {
            name,
            flops,
            samples: None,
            orders: vec![order; realizations],
            steps,
            executor: executor(gpu, model, image, options, steps)?,
        })
    }

    /// The steps of the small CNN, with one Bregman layer behind it, on images of 28 × 28 in batches
    /// of 32: the network of `benches/peers/cnn_torch.py`.
    ///
    /// # Errors
    /// Those of [`GpuExecutor::new`].
    pub fn cnn(gpu: &Gpu, realizations: usize) -> Result<Self> {
        let cnn = Cnn::small(&Activation::RELU, [1, 28, 28])?;
        let widths = [cnn.features(); 2];
        let (kind, loss) = (LayerKind::Bregman, Loss::CrossEntropy);
        let model =
            Model::new(kind, Form::Dual, &Activation::TANH, loss, &widths, 10)?.with_cnn(cnn)?;
        let options = PlanOptions {
            realizations,
            recipe: Recipe::from(Sgd {
                batch_size: 32,
                learning_rate: 1e-3,
            }),
            fused: true,
            storage: Storage::F32,
            small: true,
        };
        let name = format!("step cnn, batch 32, R = {realizations}");
        Ok(Self {
            samples: Some(realizations * options.recipe.batch_size),
            ..Self::new(gpu, name, &model, [28, 28], options)?
        })
    }

    /// Measures them: as many epochs a round as take a twentieth of a second.
    ///
    /// # Errors
    /// Those of [`GpuExecutor`].
    pub fn row(&mut self, peak: &Limits, rounds: usize) -> Result<Row> {
        let Self {
            orders,
            steps,
            executor,
            ..
        } = self;
        let software = executor.gpu().summary().software;
        let mut wall = |epochs: usize| -> Result<f64> {
            let start = Instant::now();
            for _ in 0..epochs {
                pollster::block_on(executor.train_epoch(orders, &mut |_| {}))?;
            }
            Ok(start.elapsed().as_secs_f64() / (epochs * *steps) as f64)
        };
        let once = warm(software, || wall(1))?;
        let epochs = (ROUND / (once * *steps as f64)).clamp(1.0, 1000.0) as usize;
        let mut seconds = Vec::new();
        for _ in 0..rounds.max(1) {
            seconds.push(wall(epochs)?);
        }
        seconds.sort_by(f64::total_cmp);
        let device = pollster::block_on(executor.device_seconds((*steps).min(50)))?;
        let times = (seconds[seconds.len() / 2], device);
        let (program, _) = executor.train_step();
        let dispatches = program.dispatches();
        Ok(Row {
            samples: self.samples,
            ..row(self.name.clone(), times, self.flops, dispatches, peak)
        })
    }
}

/// Seconds that the host takes to encode one dispatch of a training step.
///
/// # Errors
/// Those of [`GpuExecutor`].
pub fn encoding(gpu: &Gpu) -> Result<f64> {
    const STEPS: usize = 200;
    // Too wide for one workgroup, and little work.
    let mut executor = Network::bregman(32, 64).executor(gpu, true, 4)?;
    let (program, gpu) = executor.train_step();
    program.encode(gpu, STEPS);
    let start = Instant::now();
    program.encode(gpu, STEPS);
    let seconds = start.elapsed().as_secs_f64();
    Ok(seconds / (STEPS * program.dispatches()) as f64)
}

/// Seconds from the request for the adapter to the end of the first training step of three layers: adapter,
/// device, buffers, kernels and step. The driver may have pipelines in its shader cache.
///
/// # Errors
/// Those of the adapter and of [`GpuExecutor`].
pub fn first_step(selection: &crate::gpu::Selection, network: &Network) -> Result<f64> {
    let start = Instant::now();
    let gpu = pollster::block_on(Gpu::request(selection))?;
    let mut executor = network.executor(&gpu, true, 1)?;
    let orders = vec![(0..network.batch as u32).collect(); network.realizations];
    pollster::block_on(executor.train_epoch(&orders, &mut |_| {}))?;
    Ok(start.elapsed().as_secs_f64())
}

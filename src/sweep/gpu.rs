//! Runs side by side on an adapter, each by a few invocations of `shaders/sweep/sweep.wgsl` from its first
//! epoch to its last. Dispatches are bounded in time, since drivers kill those that take seconds.

use std::ops::Range;
use std::time::Duration;

use super::{Metrics, Record, Run, Samples, Sweep, WIDTH};
use crate::error::{Error, Result};
use crate::gpu::ops::sweep::{MAX_LAYERS, Operands, Order, Params, SIZES, sweep as sweep_op};
use crate::gpu::{BufferSpecs, Buffers, Gpu, Op, Program, SOFTWARE_TURNS, Step};
use crate::kind::{Init, LayerKind};

/// The time that a dispatch should take: drivers give up after some 2 s, and a first estimate may be wrong.
const DISPATCH: Duration = Duration::from_millis(250);

/// Trains every run of `sweep` on its own of `samples`. `clock` returns the time since a fixed moment. The first
/// dispatch trains one epoch; its duration decides the number of epochs in each later dispatch.
/// `progress` is called with the number of steps finished since its last call, summed over runs.
///
/// # Errors
/// Those of [`Sweep::check`]; [`Error::InvalidValue`] for more layers than an invocation holds;
/// [`Error::Shape`] for more samples than a software adapter does in a dispatch; [`Error::Gpu`] and
/// [`Error::DeviceLost`].
pub async fn train<'a>(
    gpu: &mut Gpu,
    sweep: &Sweep,
    samples: impl Into<Samples<'a>>,
    clock: &dyn Fn() -> Duration,
    progress: &mut dyn FnMut(u64),
) -> Result<Record> {
    let samples = samples.into();
    sweep.check(samples)?;
    let mut record = Record::new(sweep);
    resume(gpu, sweep, samples, &mut record, &|| false, clock, progress).await?;
    Ok(record)
}

/// [`train`] with a change of the dispatch: tests plant faults in it.
///
/// # Errors
/// Those of [`train`].
#[doc(hidden)]
pub async fn train_changed<'a>(
    gpu: &mut Gpu,
    sweep: &Sweep,
    samples: impl Into<Samples<'a>>,
    change: &dyn Fn(&mut Op),
    clock: &dyn Fn() -> Duration,
) -> Result<Record> {
    let samples = samples.into();
    sweep.check(samples)?;
    let mut record = Record::new(sweep);
    let mut training = Training {
        sweep,
        samples,
        change,
        stop: &|| false,
        clock,
        progress: &mut |_| {},
    };
    training.resume(gpu, &mut record).await?;
    Ok(record)
}

/// Goes on with `sweep` from where `record` is, to its end or until `stop` says so, which is asked
/// after each dispatch. Where training stops does not change what it computes, not by a bit.
///
/// # Errors
/// Those of [`train`].
#[doc(hidden)]
pub async fn resume<'a>(
    gpu: &mut Gpu,
    sweep: &Sweep,
    samples: impl Into<Samples<'a>>,
    record: &mut Record,
    stop: &dyn Fn() -> bool,
    clock: &dyn Fn() -> Duration,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let samples = samples.into();
    sweep.check(samples)?;
    let mut training = Training {
        sweep,
        samples,
        change: &|_| {},
        stop,
        clock,
        progress,
    };
    training.resume(gpu, record).await
}

/// What [`resume`] is called with, and a change of the dispatch.
struct Training<'a> {
    sweep: &'a Sweep,
    samples: Samples<'a>,
    change: &'a dyn Fn(&mut Op),
    stop: &'a dyn Fn() -> bool,
    clock: &'a dyn Fn() -> Duration,
    progress: &'a mut dyn FnMut(u64),
}

impl Training<'_> {
    async fn resume(&mut self, gpu: &mut Gpu, record: &mut Record) -> Result<()> {
        let &mut Self { sweep, samples, .. } = self;
        let layers = sweep.model.layers.len();
        if layers > MAX_LAYERS {
            return Err(Error::InvalidValue {
                field: "layers",
                value: layers.to_string(),
                reason: format!("an adapter trains at most {MAX_LAYERS} layers; use `device` cpu"),
            });
        }
        let turns = turns(sweep, samples.len());
        if gpu.summary().software && turns > SOFTWARE_TURNS {
            let most = samples.len() * SOFTWARE_TURNS / turns;
            return Err(Error::Shape {
                operation: format!("points of a sweep on {}", gpu.summary().name),
                expected: vec![most, WIDTH],
                found: vec![samples.len(), WIDTH],
            });
        }
        // Whatever is laid out by run must fit into a binding.
        let own = match samples {
            Samples::Shared(_) => 0,
            Samples::OfSeed(_) => WIDTH * samples.len(),
        };
        let order = order_words(samples.len());
        let words = order.max(own).max(2 * record.epochs.len());
        let words = words.max(sweep.model.parameter_count());
        let limit = gpu.limits().max_storage_buffer_binding_size as usize / 4;
        let most = (limit / words).max(1);
        for part in record.parts(sweep.epochs) {
            for first in part.clone().step_by(most) {
                if (self.stop)() {
                    return Ok(());
                }
                let runs = first..part.end.min(first + most);
                self.train_runs(gpu, runs, record).await?;
            }
        }
        Ok(())
    }

    /// Trains as many runs as fit, which have done as much as each other.
    async fn train_runs(
        &mut self,
        gpu: &mut Gpu,
        which: Range<usize>,
        record: &mut Record,
    ) -> Result<()> {
        let &mut Self { sweep, samples, .. } = self;
        let runs = &sweep.runs[which.clone()];
        let mut first = record.done[which.start];
        let slot_of = |first: u32| (1..=first).filter(|&epoch| sweep.records(epoch)).count();
        let known = slot_of(first);
        let records = sweep.recorded_epochs().len();
        let count = sweep.model.parameter_count();
        let mut specs = BufferSpecs::default();
        let (sets, len) = (samples.sets(runs), samples.len());
        // (samples, sets), so that neighbouring runs read neighbouring words where they read the same sample.
        let in_order = || (0..len).flat_map(|i| sets.iter().map(move |set| (set, i)));
        let points: Vec<[f32; WIDTH]> = in_order().map(|(set, i)| set.points[i]).collect();
        let labels: Vec<u32> = in_order().map(|(set, i)| set.labels[i].into()).collect();
        let seeds: Vec<[u32; 2]> = runs
            .iter()
            .map(|run| [run.seed as u32, (run.seed >> 32) as u32])
            .collect();
        let rates: Vec<f32> = runs.iter().map(|run| run.learning_rate).collect();
        // (parameters, runs). Before the first epoch the shader draws its own.
        let mut so_far = vec![0f32; count * runs.len()];
        for (run, parameters) in record.parameters[which.clone()].iter().enumerate() {
            let places = so_far.iter_mut().skip(run).step_by(runs.len());
            for (place, value) in places.zip(parameters.tensors().flatten()) {
                *place = *value;
            }
        }
        let operands = Operands {
            points: specs.values("sweep points", &points),
            labels: specs.values("sweep labels", &labels),
            seeds: specs.values("sweep seeds", &seeds),
            learning_rates: specs.values("sweep learning rates", &rates),
            order: match order_words(len) {
                0 => None,
                words => Some(specs.zeros("sweep order", words * runs.len())),
            },
            parameters: specs.values("sweep parameters", &so_far),
            metrics: specs.zeros("sweep metrics", 2 * records * runs.len()),
        };
        // Written before each dispatch.
        let steps = specs.steps("sweep steps", [Step::new(0, 0, 0)]);

        let buffers = Buffers::new(gpu, &specs.0).await?;
        let params = params(sweep, runs, [sets.len(), len]);
        let mut op = sweep_op(&sweep.model, &params, operands);
        (self.change)(&mut op);
        let program = Program::new(gpu, &buffers, &[op], Some(steps)).await?;
        let steps_an_epoch = len.div_ceil(sweep.batch_size) as u64;
        let most = match gpu.summary().software {
            true => (SOFTWARE_TURNS / turns(sweep, len)) as u32,
            false => u32::MAX,
        };
        let mut epochs = 1;
        while first < sweep.epochs && !(self.stop)() {
            let step = Step::new(first, epochs, slot_of(first) as u32);
            buffers.write(gpu, steps, bytemuck::bytes_of(&step));
            let start = (self.clock)();
            program.run(gpu, 0..1)?;
            // Waits for the end.
            buffers.read(gpu, &[operands.learning_rates]).await?;
            let seconds = (self.clock)().saturating_sub(start).as_secs_f64();
            (self.progress)(u64::from(epochs) * steps_an_epoch * runs.len() as u64);
            first += epochs;
            // Never many times what was seen to go well.
            let fit = f64::from(epochs) * DISPATCH.as_secs_f64() / seconds.max(1e-6);
            epochs = (fit as u32)
                .clamp(1, epochs.saturating_mul(8))
                .min(most)
                .min(sweep.epochs - first);
        }

        let ids = [operands.metrics, operands.parameters];
        let read = buffers.read(gpu, &ids).await?;
        let metrics: Vec<[u32; 2]> = bytemuck::pod_collect_to_vec(&read[0]);
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&read[1]);
        for (run, place) in which.enumerate() {
            let metrics = metrics.iter().skip(run).step_by(runs.len());
            let metrics = metrics.map(|&[loss, correct]| Metrics {
                loss: f32::from_bits(loss),
                correct,
            });
            let new = known..slot_of(first);
            record.metrics[place].extend(metrics.take(new.end).skip(new.start));
            let values = values.iter().skip(run).step_by(runs.len());
            let tensors = record.parameters[place].tensors_mut().flatten();
            for (parameter, value) in tensors.zip(values) {
                *parameter = *value;
            }
            record.done[place] = first;
        }
        Ok(())
    }
}

/// Words of a run's order of `samples` samples in the buffer of orders.
fn order_words(samples: usize) -> usize {
    match Order::of(samples) {
        Order::Workgroup => 0,
        Order::Storage => 2 * samples,
    }
}

/// An upper bound of the turns of all loops that an invocation of `shaders/sweep/sweep.wgsl` takes in an epoch
/// on `samples` samples, with an evaluation, and before and after the epochs. llvmpipe counts two more of each
/// loop.
fn turns(sweep: &Sweep, samples: usize) -> usize {
    let lanes = SIZES.lanes;
    let parameters = sweep.model.parameter_count();
    let batches = samples.div_ceil(sweep.batch_size);
    let chunks = sweep.batch_size.min(samples).div_ceil(lanes);
    // Ten rounds of the generator.
    let draw = 12;
    let shuffle = samples.div_ceil(4 * lanes) * (1 + draw) + 2 + samples + 2;
    let training = batches * (chunks + 3) + 2;
    let evaluation = samples.div_ceil(lanes) + lanes + parameters + 6;
    // Initial parameters, and those that are read and written.
    let around = 2 * draw + 12 + 2 * (parameters.div_ceil(lanes) + 2);
    shuffle + training + evaluation + 1 + around + 2
}

fn params(sweep: &Sweep, runs: &[Run], [sets, samples]: [usize; 2]) -> Params {
    let model = &sweep.model;
    let fan_in = model.inputs() as f32;
    Params {
        runs: runs.len() as u32,
        samples: samples as u32,
        sets: sets as u32,
        batch: sweep.batch_size.min(samples) as u32,
        epochs: sweep.epochs,
        record_every: sweep.record_every,
        random: u32::from(sweep.init == Init::Random),
        bound: 1.0 / fan_in.sqrt(),
        diagonal: if model.layers[0].kind == LayerKind::Standard {
            1.0
        } else {
            0.0
        },
        head_weight: 1.0 / fan_in,
        clamp_low: model.layers[0].clamp[0],
        clamp_high: model.layers[0].clamp[1],
    }
}

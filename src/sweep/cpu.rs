//! Runs side by side on the processor: 16 float32 in the lanes of a vector, groups of runs on all
//! cores.
//!
//! The lanes hold runs; where a group has one run alone they hold the samples of its batch. Both
//! take every sum in the same order, and no operation is contracted, so a run has the same bits in
//! any company, on any number of cores and with any vectors. Inside a step nothing is allocated,
//! handed to another thread or called through a pointer: the loops are compiled for each activation
//! and kind of layer.

use std::array;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{LAYER_PARAMETERS, Metrics, Record, Run, Sweep, WIDTH};
use crate::activation::Twin;
use crate::data::spirals::Spirals;
use crate::error::Result;
use crate::math;
use crate::nn::{Form, LayerKind, Loss, Parameters};
use crate::rng::sample_order_into;

/// Lanes of a vector: those of AVX-512, two vectors' worth of AVX2.
pub const LANES: usize = 16;

/// One number a lane.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Lanes([f32; LANES]);

impl Lanes {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
}

/// What the lanes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Lane i is run i of the group; a row is a sample of each.
    Runs,
    /// All lanes are one run; a row is 16 samples.
    Samples,
}

/// Trains every run of `sweeps`, all on `data`, on all cores. `progress` is told, from any thread, of
/// steps finished since it was last told, summed over runs.
///
/// # Errors
/// Those of [`Sweep::check`].
pub fn train(
    sweeps: &[Sweep],
    data: &Spirals,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Record>> {
    train_in(sweeps, data, None, progress)
}

/// [`train`] with the lanes laid out as told, or else in whichever layout is faster.
///
/// # Errors
/// Those of [`Sweep::check`].
pub fn train_in(
    sweeps: &[Sweep],
    data: &Spirals,
    layout: Option<Layout>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Record>> {
    sweeps.iter().try_for_each(|sweep| sweep.check(data))?;
    let mut records: Vec<Record> = sweeps.iter().map(Record::new).collect();
    go_on(sweeps, data, &mut records, layout, &|| false, progress);
    Ok(records)
}

/// Goes on with `sweeps` from where `records` are, to their end or until `stop` says so, which is
/// asked from any thread after each epoch of a run. Where training stops does not change what it
/// computes, not by a bit.
///
/// # Errors
/// Those of [`Sweep::check`].
pub fn resume(
    sweeps: &[Sweep],
    data: &Spirals,
    records: &mut [Record],
    stop: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    sweeps.iter().try_for_each(|sweep| sweep.check(data))?;
    go_on(sweeps, data, records, None, stop, progress);
    Ok(())
}

fn go_on(
    sweeps: &[Sweep],
    data: &Spirals,
    records: &mut [Record],
    layout: Option<Layout>,
    stop: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) {
    let mut tasks = Vec::new();
    for (s, (sweep, record)) in sweeps.iter().zip(&*records).enumerate() {
        for part in record.parts(sweep.epochs) {
            let size = match layout {
                Some(Layout::Samples) => 1,
                _ => LANES,
            };
            // As even as can be.
            let size = part.len().div_ceil(part.len().div_ceil(size));
            for first in part.clone().step_by(size) {
                let runs = first..part.end.min(first + size);
                let task = Task {
                    sweep,
                    data,
                    runs: &sweep.runs[runs.clone()],
                    done: record.done[first],
                    parameters: &record.parameters[runs],
                    stop,
                    progress,
                };
                tasks.push((s, first, task));
            }
        }
    }
    let trained: Vec<(usize, usize, Trained)> = tasks
        .into_par_iter()
        .with_max_len(1)
        .map(|(s, first, task)| {
            let layout = layout.unwrap_or(match task.runs.len() {
                1 => Layout::Samples,
                _ => Layout::Runs,
            });
            let loops = task.sweep.model.activation.sweep;
            (s, first, (loops.train)(&task, layout))
        })
        .collect();
    for (s, first, trained) in trained {
        let record = &mut records[s];
        for (run, (metrics, parameters)) in (first..).zip(trained.runs) {
            record.metrics[run].extend(metrics);
            record.parameters[run] = parameters;
            record.done[run] = trained.done;
        }
    }
}

/// What a group of runs came to.
struct Trained {
    /// The epochs that each has done now.
    done: u32,
    /// The metrics of the epochs that it did, and the parameters after them.
    runs: Vec<(Vec<Metrics>, Parameters)>,
}

/// Up to 16 runs that have done as many epochs.
pub struct Task<'a> {
    sweep: &'a Sweep,
    data: &'a Spirals,
    runs: &'a [Run],
    done: u32,
    parameters: &'a [Parameters],
    stop: &'a (dyn Fn() -> bool + Sync),
    progress: &'a (dyn Fn(u64) + Sync),
}

/// The loops of one activation.
#[derive(Clone, Copy)]
pub struct Loops {
    train: fn(&Task<'_>, Layout) -> Trained,
}

impl Loops {
    /// The loops of `T`.
    pub const fn of<T: Twin>() -> Self {
        Self {
            train: for_kind::<T>,
        }
    }
}

/// A kind of layer in one of its forms.
trait Kind {
    const KIND: LayerKind;
    /// Whether a is carried beside z.
    const DUAL: bool = false;
}

struct Standard;
struct Euclidean;
struct BregmanDual;
struct BregmanPrimal;

impl Kind for Standard {
    const KIND: LayerKind = LayerKind::Standard;
}
impl Kind for Euclidean {
    const KIND: LayerKind = LayerKind::Euclidean;
}
impl Kind for BregmanDual {
    const KIND: LayerKind = LayerKind::Bregman;
    const DUAL: bool = true;
}
impl Kind for BregmanPrimal {
    const KIND: LayerKind = LayerKind::Bregman;
}

fn for_kind<T: Twin>(task: &Task<'_>, layout: Layout) -> Trained {
    let model = &task.sweep.model;
    match (model.kind, model.form) {
        (LayerKind::Standard, _) => for_vectors::<T, Standard>(task, layout),
        (LayerKind::Euclidean, _) => for_vectors::<T, Euclidean>(task, layout),
        (LayerKind::Bregman, Form::Dual) => for_vectors::<T, BregmanDual>(task, layout),
        (LayerKind::Bregman, Form::Primal) => for_vectors::<T, BregmanPrimal>(task, layout),
    }
}

/// The vectors of a processor, with the loops that neither activation nor kind of layer changes: they
/// are compiled once for each, not once for every network.
trait Vectors {
    fn shuffle(state: &mut State, runs: &[Run], epoch: u32);
    fn gather(state: &mut State, first: usize, count: usize, shuffled: bool);
    fn head(state: &mut State, count: usize, training: bool);
    fn layer_gradient(state: &mut State, l: usize, count: usize);
    fn update(state: &mut State);
}

macro_rules! vectors {
    ($name:ident $(, $features:literal)?) => {
        struct $name;
        impl Vectors for $name {
            vectors!(@loops $($features)?:
                shuffle(runs: &[Run], epoch: u32),
                gather(first: usize, count: usize, shuffled: bool),
                head(count: usize, training: bool),
                layer_gradient(l: usize, count: usize),
                update()
            );
        }
    };
    (@loops $features:literal: $($name:ident($($argument:ident: $type:ty),*)),+) => {
        $(
            #[inline(always)]
            fn $name(state: &mut State, $($argument: $type),*) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn compiled(state: &mut State, $($argument: $type),*) {
                    state.$name($($argument),*);
                }
                // SAFETY: `for_vectors` takes these vectors only where they are detected.
                unsafe { compiled(state, $($argument),*) }
            }
        )+
    };
    (@loops: $($name:ident($($argument:ident: $type:ty),*)),+) => {
        $(
            #[inline(never)]
            fn $name(state: &mut State, $($argument: $type),*) {
                state.$name($($argument),*);
            }
        )+
    };
}
#[cfg(target_arch = "x86_64")]
vectors!(Avx512, "avx512f,avx512bw,avx512dq,avx512vl");
#[cfg(target_arch = "x86_64")]
vectors!(Avx2, "avx2");
vectors!(Portable);

/// Takes the widest vectors that the processor has.
fn for_vectors<T: Twin, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the features were just detected.
            return unsafe { train_avx512::<T, K>(task, layout) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { train_avx2::<T, K>(task, layout) };
        }
    }
    train_group::<Portable, T, K>(task, layout)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn train_avx512<T: Twin, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    train_group::<Avx512, T, K>(task, layout)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn train_avx2<T: Twin, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    train_group::<Avx2, T, K>(task, layout)
}

/// A group of runs, from start to end.
#[inline(always)]
fn train_group<V: Vectors, T: Twin, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    let Task {
        sweep, data, runs, ..
    } = *task;
    let samples = data.len();
    let batches = samples.div_ceil(sweep.batch_size) as u64;
    let mut state = State::new(task, layout, T::rho_inv);
    let mut trained: Vec<Vec<Metrics>> = vec![Vec::new(); runs.len()];
    let mut done = task.done;
    while done < sweep.epochs && !(task.stop)() {
        let epoch = done;
        V::shuffle(&mut state, runs, epoch);
        // One loop for both, so that it is compiled once.
        let passes = if sweep.records(epoch + 1) { 2 } else { 1 };
        for pass in 0..passes {
            let training = pass == 0;
            state.losses = [0.0; LANES];
            state.corrects = [0; LANES];
            for first in (0..samples).step_by(sweep.batch_size) {
                let count = sweep.batch_size.min(samples - first);
                V::gather(&mut state, first, count, training);
                state.forward::<T, K>(count);
                V::head(&mut state, count, training);
                if training {
                    state.backward::<V, T, K>(count);
                    V::update(&mut state);
                }
            }
            if !training {
                for (lane, trained) in trained.iter_mut().enumerate() {
                    trained.push(state.metrics(lane));
                }
            }
        }
        (task.progress)(batches * runs.len() as u64);
        done += 1;
    }
    let parameters = (0..runs.len()).map(|lane| state.parameters_of(lane, task));
    Trained {
        done,
        runs: trained.into_iter().zip(parameters).collect(),
    }
}

/// A point with its label, and ρ⁻¹ of it, clamped.
#[derive(Clone, Copy)]
struct Sample {
    point: [f32; WIDTH],
    dual: [f32; WIDTH],
    label: f32,
}

/// All memory of a group, laid out once.
///
/// A plane is one number for each row of a batch; planes of neurons stand side by side.
struct State {
    layout: Layout,
    depth: usize,
    outputs: usize,
    loss: Loss,
    clamp: [f32; 2],
    /// The learning rates, once for each parameter, so that the update is one loop.
    rates: Vec<Lanes>,
    samples: Vec<Sample>,
    /// The order of the samples of each run, one after the other, and scratch memory for one.
    orders: Vec<u32>,
    picks: Vec<u32>,
    /// In the canonical order of [`crate::nn::Model::tensors`].
    parameters: Vec<Lanes>,
    gradient: Vec<Lanes>,
    /// Rows of a plane.
    rows: usize,
    /// z₀ … z_L, two planes each.
    z: Vec<Lanes>,
    /// a₀ … a_L likewise in dual form.
    a: Vec<Lanes>,
    /// The head's outputs; then the gradient in them.
    logits: Vec<Lanes>,
    /// dL/da of a layer, two planes.
    delta: Vec<Lanes>,
    labels: Vec<Lanes>,
    /// Σ loss over the batches of a pass, and how many samples are correct, by lane of a run.
    losses: [f64; LANES],
    corrects: [u32; LANES],
}

impl State {
    fn new(task: &Task<'_>, layout: Layout, rho_inv: fn(f32) -> f32) -> Self {
        let Task {
            sweep, data, runs, ..
        } = *task;
        let model = &sweep.model;
        let (depth, outputs) = (model.layers.len(), model.head.outputs);
        let rows = match layout {
            Layout::Runs => sweep.batch_size.min(data.len()),
            Layout::Samples => sweep.batch_size.min(data.len()).div_ceil(LANES),
        };
        // Lanes without a run repeat the last.
        let of_lane = |lane: usize| lane.min(runs.len() - 1);
        let initial: [Vec<f32>; LANES] = array::from_fn(|lane| {
            let parameters = &task.parameters[of_lane(lane)];
            parameters.tensors().flatten().copied().collect()
        });
        let count = initial[0].len();
        let parameters = (0..count).map(|k| Lanes(array::from_fn(|lane| initial[lane][k])));
        let [low, high] = model.clamp;
        let samples = data.points.iter().zip(&data.labels);
        let planes = |count: usize| vec![Lanes::splat(0.0); count * rows];
        Self {
            layout,
            depth,
            outputs,
            loss: model.loss,
            clamp: model.clamp,
            rates: vec![Lanes(array::from_fn(|lane| runs[of_lane(lane)].learning_rate)); count],
            samples: samples
                .map(|(&point, &label)| Sample {
                    point,
                    dual: point.map(|x| rho_inv(limit(x, low, high))),
                    label: f32::from(label),
                })
                .collect(),
            orders: vec![0; runs.len() * data.len()],
            picks: vec![0; data.len().next_multiple_of(4)],
            parameters: parameters.collect(),
            gradient: vec![Lanes::splat(0.0); count],
            rows,
            z: planes((depth + 1) * WIDTH),
            a: planes(if model.is_dual() {
                (depth + 1) * WIDTH
            } else {
                0
            }),
            logits: planes(outputs),
            delta: planes(WIDTH),
            labels: planes(1),
            losses: [0.0; LANES],
            corrects: [0; LANES],
        }
    }

    /// The parameters of the run in `lane`.
    fn parameters_of(&self, lane: usize, task: &Task<'_>) -> Parameters {
        let mut parameters = Parameters::zeros(&task.sweep.model);
        let values = self.parameters.iter().map(|p| p.0[lane]);
        for (place, value) in parameters.tensors_mut().flatten().zip(values) {
            *place = value;
        }
        parameters
    }

    /// Rows that `count` samples of a batch take.
    #[inline(always)]
    fn rows_of(&self, count: usize) -> usize {
        match self.layout {
            Layout::Runs => count,
            Layout::Samples => count.div_ceil(LANES),
        }
    }

    /// The order of the samples in `epoch`, for each run.
    #[inline(always)]
    fn shuffle(&mut self, runs: &[Run], epoch: u32) {
        let samples = self.samples.len();
        for (run, order) in runs.iter().zip(self.orders.chunks_exact_mut(samples)) {
            sample_order_into(run.seed, epoch, order, &mut self.picks);
        }
    }

    /// Samples first … first + count, in each run's order or, to evaluate, in the data's own.
    #[inline(always)]
    fn gather(&mut self, first: usize, count: usize, shuffled: bool) {
        let stride = self.samples.len();
        let last_run = self.orders.len() - stride;
        let (layout, dual) = (self.layout, !self.a.is_empty());
        for row in 0..self.rows_of(count) {
            for lane in 0..LANES {
                let (run, place) = match layout {
                    Layout::Runs => ((lane * stride).min(last_run), first + row),
                    // Lanes without a sample repeat the last.
                    Layout::Samples => (0, first + (row * LANES + lane).min(count - 1)),
                };
                let sample = if shuffled {
                    self.orders[run + place] as usize
                } else {
                    place
                };
                let sample = self.samples[sample];
                for n in 0..WIDTH {
                    self.z[n * self.rows + row].0[lane] = sample.point[n];
                    if dual {
                        self.a[n * self.rows + row].0[lane] = sample.dual[n];
                    }
                }
                self.labels[row].0[lane] = sample.label;
            }
        }
    }

    /// z and a of a batch: eq. 20, or its dual.
    #[inline(always)]
    fn forward<T: Twin, K: Kind>(&mut self, count: usize) {
        let rows = self.rows_of(count);
        let stride = WIDTH * self.rows;
        for l in 0..self.depth {
            let (z, z_out) = self.z[l * stride..].split_at_mut(stride);
            let (a, a_out) = if K::DUAL {
                self.a[l * stride..].split_at_mut(stride)
            } else {
                (&mut [][..], &mut [][..])
            };
            let (p, _) = self.parameters[l * LAYER_PARAMETERS..]
                .split_first_chunk::<LAYER_PARAMETERS>()
                .expect("a layer's parameters");
            for n in 0..WIDTH {
                let weights = [&p[n * WIDTH], &p[n * WIDTH + 1], &p[WIDTH * WIDTH + n]];
                let plane = n * self.rows..n * self.rows + rows;
                let a = if K::DUAL {
                    Some((&a[plane.clone()], &mut a_out[plane.clone()]))
                } else {
                    None
                };
                neuron_forward::<T, K>(
                    weights,
                    [&z[..rows], &z[self.rows..self.rows + rows]],
                    n,
                    a,
                    &mut z_out[plane],
                    self.clamp,
                );
            }
        }
    }

    /// The outputs of a batch, its loss and, for training, the head's gradient and dL/dz below it.
    #[inline(always)]
    fn head(&mut self, count: usize, training: bool) {
        let rows = self.rows_of(count);
        let stride = WIDTH * self.rows;
        let z = &self.z[self.depth * stride..];
        let head = &self.parameters[self.depth * LAYER_PARAMETERS..];
        for j in 0..self.outputs {
            let weights = [
                &head[j * WIDTH],
                &head[j * WIDTH + 1],
                &head[self.outputs * WIDTH + j],
            ];
            let logits = &mut self.logits[j * self.rows..j * self.rows + rows];
            head_forward(
                weights,
                [&z[..rows], &z[self.rows..self.rows + rows]],
                logits,
            );
        }
        self.loss(count);
        if training {
            self.head_backward(count);
        }
    }

    /// Adds Σ loss and correct classes of a batch; the logits become the gradient in them.
    #[inline(always)]
    fn loss(&mut self, count: usize) {
        let rows = self.rows_of(count);
        let labels = &self.labels[..rows];
        let mut losses = Lanes::splat(0.0);
        let mut corrects = Lanes::splat(0.0);
        let terms = (count * self.loss_outputs()) as f32;
        let (first, second) = self.logits.split_at_mut(self.rows);
        let first = &mut first[..rows];
        for row in 0..rows {
            let (loss, correct) = match self.loss {
                Loss::MeanSquaredError => squared_error(&mut first[row], &labels[row], terms),
                Loss::CrossEntropy => {
                    cross_entropy(&mut first[row], &mut second[row], &labels[row], terms)
                }
            };
            match self.layout {
                Layout::Runs => {
                    add(&mut losses, &loss);
                    add(&mut corrects, &correct);
                }
                Layout::Samples => {
                    let taken = LANES.min(count - row * LANES);
                    for lane in 0..taken {
                        losses.0[0] += loss.0[lane];
                        corrects.0[0] += correct.0[lane];
                    }
                }
            }
        }
        for lane in 0..LANES {
            self.losses[lane] += f64::from(losses.0[lane]);
            self.corrects[lane] += corrects.0[lane] as u32;
        }
    }

    /// The head's gradient, and dL/dz below it in `delta`.
    #[inline(always)]
    fn head_backward(&mut self, count: usize) {
        let rows = self.rows_of(count);
        let head = self.depth * LAYER_PARAMETERS;
        for n in 0..WIDTH {
            let z = &self.z[(self.depth * WIDTH + n) * self.rows..][..rows];
            let g = &mut self.delta[n * self.rows..][..rows];
            g.fill(Lanes::splat(0.0));
            for j in 0..self.outputs {
                let delta = &self.logits[j * self.rows..][..rows];
                let weight = head + j * WIDTH + n;
                self.gradient[weight] = outer((self.layout, count), delta, z);
                let weight = self.parameters[weight];
                for (g, delta) in g.iter_mut().zip(delta) {
                    for i in 0..LANES {
                        g.0[i] += delta.0[i] * weight.0[i];
                    }
                }
            }
        }
        for j in 0..self.outputs {
            let delta = &self.logits[j * self.rows..][..rows];
            self.gradient[head + self.outputs * WIDTH + j] = sum((self.layout, count), delta);
        }
    }

    /// The gradient of layer l from its δ.
    #[inline(always)]
    fn layer_gradient(&mut self, l: usize, count: usize) {
        let rows = self.rows_of(count);
        let of_batch = (self.layout, count);
        let z0 = &self.z[l * WIDTH * self.rows..][..rows];
        let z1 = &self.z[(l * WIDTH + 1) * self.rows..][..rows];
        let gradient = &mut self.gradient[l * LAYER_PARAMETERS..][..LAYER_PARAMETERS];
        for n in 0..WIDTH {
            let delta = &self.delta[n * self.rows..][..rows];
            gradient[n * WIDTH] = outer(of_batch, delta, z0);
            gradient[n * WIDTH + 1] = outer(of_batch, delta, z1);
            gradient[WIDTH * WIDTH + n] = sum(of_batch, delta);
        }
    }

    /// Gradients of a batch in all parameters below the head.
    #[inline(always)]
    fn backward<V: Vectors, T: Twin, K: Kind>(&mut self, count: usize) {
        let rows = self.rows_of(count);
        // δ = h(z) ∘ dL/dz.
        for n in 0..WIDTH {
            let z = &self.z[(self.depth * WIDTH + n) * self.rows..][..rows];
            times_slope::<T>(&mut self.delta[n * self.rows..][..rows], z);
        }
        for l in (0..self.depth).rev() {
            V::layer_gradient(self, l, count);
            if l > 0 {
                let [first, second] = [l * WIDTH, l * WIDTH + 1].map(|plane| plane * self.rows);
                let z = [&self.z[first..][..rows], &self.z[second..][..rows]];
                let a = if K::DUAL {
                    [&self.a[first..][..rows], &self.a[second..][..rows]]
                } else {
                    [&[][..]; 2]
                };
                let (delta0, delta1) = self.delta.split_at_mut(self.rows);
                let delta = [&mut delta0[..rows], &mut delta1[..rows]];
                let p = &self.parameters[l * LAYER_PARAMETERS..];
                let weights = [&p[0], &p[1], &p[2], &p[3]];
                layer_backward::<T, K>(weights, z, a, delta, self.clamp);
            }
        }
    }

    /// parameter −= learning rate · gradient.
    #[inline(always)]
    fn update(&mut self) {
        let parameters: &mut [f32] = bytemuck::cast_slice_mut(&mut self.parameters);
        let gradient = numbers(&self.gradient).iter();
        for ((parameter, gradient), rate) in parameters
            .iter_mut()
            .zip(gradient)
            .zip(numbers(&self.rates))
        {
            *parameter -= rate * gradient;
        }
    }

    /// Of the run in `lane`, after a pass over all samples without an update.
    fn metrics(&self, lane: usize) -> Metrics {
        let terms = self.samples.len() * self.loss_outputs();
        let loss = (self.losses[lane] / terms as f64) as f32;
        // A parameter may overflow without a trace in the loss.
        let finite = self.parameters.iter().all(|p| p.0[lane].is_finite());
        Metrics {
            loss: if finite && loss.is_finite() {
                loss
            } else {
                f32::NAN
            },
            correct: self.corrects[lane],
        }
    }

    /// Outputs that the loss is the mean over, beside the samples.
    fn loss_outputs(&self) -> usize {
        match self.loss {
            Loss::MeanSquaredError => self.outputs,
            Loss::CrossEntropy => 1,
        }
    }
}

/// Lets NaN through, so that a diverged run stays visible.
#[inline(always)]
fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// out = one neuron of a layer, `n`: ρ of its pre-activation, with the skip of its kind. `a` is the
/// neuron's dual variable below, and above.
#[inline(always)]
fn neuron_forward<T: Twin, K: Kind>(
    [w0, w1, b]: [&Lanes; 3],
    [z0, z1]: [&[Lanes]; 2],
    n: usize,
    a: Option<(&[Lanes], &mut [Lanes])>,
    out: &mut [Lanes],
    [low, high]: [f32; 2],
) {
    let rows = out.len();
    let (z0, z1) = (&z0[..rows], &z1[..rows]);
    let own = if n == 0 { z0 } else { z1 };
    match a {
        Some((a, a_out)) => {
            let (a, a_out) = (&a[..rows], &mut a_out[..rows]);
            for row in 0..rows {
                let (z0, z1, a) = (z0[row], z1[row], a[row]);
                let mut sum = Lanes::splat(0.0);
                let mut z = Lanes::splat(0.0);
                for i in 0..LANES {
                    let affine = (w0.0[i] * z0.0[i] + w1.0[i] * z1.0[i]) + b.0[i];
                    sum.0[i] = limit(a.0[i] + affine, -T::DUAL_MAX, T::DUAL_MAX);
                    z.0[i] = T::rho(sum.0[i]);
                }
                a_out[row] = sum;
                out[row] = z;
            }
        }
        None => {
            for row in 0..rows {
                let (z0, z1, own) = (z0[row], z1[row], own[row]);
                let mut z = Lanes::splat(0.0);
                for i in 0..LANES {
                    let affine = (w0.0[i] * z0.0[i] + w1.0[i] * z1.0[i]) + b.0[i];
                    let sum = match K::KIND {
                        LayerKind::Standard => affine,
                        LayerKind::Euclidean => own.0[i] + affine,
                        LayerKind::Bregman => T::rho_inv(limit(own.0[i], low, high)) + affine,
                    };
                    z.0[i] = T::rho(sum);
                }
                out[row] = z;
            }
        }
    }
}

/// out = Wz + b, one output.
#[inline(always)]
fn head_forward([w0, w1, b]: [&Lanes; 3], [z0, z1]: [&[Lanes]; 2], out: &mut [Lanes]) {
    let rows = out.len();
    let (z0, z1) = (&z0[..rows], &z1[..rows]);
    for row in 0..rows {
        let (z0, z1) = (z0[row], z1[row]);
        let mut output = Lanes::splat(0.0);
        for i in 0..LANES {
            output.0[i] = (w0.0[i] * z0.0[i] + w1.0[i] * z1.0[i]) + b.0[i];
        }
        out[row] = output;
    }
}

/// delta = h(z) ∘ delta.
#[inline(always)]
fn times_slope<T: Twin>(delta: &mut [Lanes], z: &[Lanes]) {
    for (delta, z) in delta.iter_mut().zip(z) {
        let mut product = *delta;
        for i in 0..LANES {
            product.0[i] *= T::rho_slope(z.0[i]);
        }
        *delta = product;
    }
}

/// δ of the layer below in place of δ: h(z) ∘ δW, and what the skip of its kind lets through.
#[inline(always)]
fn layer_backward<T: Twin, K: Kind>(
    [w00, w01, w10, w11]: [&Lanes; 4],
    [z0, z1]: [&[Lanes]; 2],
    [a0, a1]: [&[Lanes]; 2],
    [delta0, delta1]: [&mut [Lanes]; 2],
    [low, high]: [f32; 2],
) {
    let rows = delta0.len();
    let (z0, z1, delta1) = (&z0[..rows], &z1[..rows], &mut delta1[..rows]);
    // Only a bound that is finite is ever reached by clamping.
    let gates_dual = K::DUAL && T::DUAL_MAX < f32::MAX;
    let (a0, a1) = if gates_dual {
        (&a0[..rows], &a1[..rows])
    } else {
        (z0, z1)
    };
    let below = |delta: f32, g: f32, z: f32, a: f32| {
        let h = T::rho_slope(z);
        match K::KIND {
            LayerKind::Standard => h * g,
            LayerKind::Euclidean => h * (g + delta),
            LayerKind::Bregman => {
                let open = if gates_dual {
                    a.abs() < T::DUAL_MAX
                } else if K::DUAL {
                    true
                } else {
                    (z >= low) & (z <= high)
                };
                h * g + if open { delta } else { 0.0 }
            }
        }
    };
    for row in 0..rows {
        let (z0, z1, a0, a1) = (z0[row], z1[row], a0[row], a1[row]);
        let (mut d0, mut d1) = (delta0[row], delta1[row]);
        for i in 0..LANES {
            let g0 = d0.0[i] * w00.0[i] + d1.0[i] * w10.0[i];
            let g1 = d0.0[i] * w01.0[i] + d1.0[i] * w11.0[i];
            d0.0[i] = below(d0.0[i], g0, z0.0[i], a0.0[i]);
            d1.0[i] = below(d1.0[i], g1, z1.0[i], a1.0[i]);
        }
        delta0[row] = d0;
        delta1[row] = d1;
    }
}

/// Σ δz over a batch.
#[inline(always)]
fn outer((layout, count): (Layout, usize), delta: &[Lanes], z: &[Lanes]) -> Lanes {
    match layout {
        Layout::Runs => {
            let mut sum = Lanes::splat(0.0);
            for (delta, z) in delta.iter().zip(z) {
                for i in 0..LANES {
                    sum.0[i] += delta.0[i] * z.0[i];
                }
            }
            sum
        }
        Layout::Samples => {
            let mut sum = 0.0;
            for (delta, z) in numbers(delta).iter().zip(numbers(z)).take(count) {
                sum += delta * z;
            }
            Lanes::splat(sum)
        }
    }
}

/// Σ δ over a batch.
#[inline(always)]
fn sum((layout, count): (Layout, usize), delta: &[Lanes]) -> Lanes {
    match layout {
        Layout::Runs => {
            let mut sum = Lanes::splat(0.0);
            for delta in delta {
                add(&mut sum, delta);
            }
            sum
        }
        Layout::Samples => {
            let mut sum = 0.0;
            for delta in &numbers(delta)[..count] {
                sum += delta;
            }
            Lanes::splat(sum)
        }
    }
}

/// Row after row.
#[inline(always)]
fn numbers(lanes: &[Lanes]) -> &[f32] {
    bytemuck::cast_slice(lanes)
}

#[inline(always)]
fn add(sum: &mut Lanes, term: &Lanes) {
    for i in 0..LANES {
        sum.0[i] += term.0[i];
    }
}

/// Loss and whether correct; the output becomes its gradient.
#[inline(always)]
fn squared_error(output: &mut Lanes, labels: &Lanes, terms: f32) -> (Lanes, Lanes) {
    let (mut loss, mut correct) = (Lanes::splat(0.0), Lanes::splat(0.0));
    for i in 0..LANES {
        let y = output.0[i];
        let difference = y - labels.0[i];
        loss.0[i] = difference * difference;
        let class = if y > 0.5 { 1.0 } else { 0.0 };
        correct.0[i] = if class == labels.0[i] { 1.0 } else { 0.0 };
        output.0[i] = 2.0 * difference / terms;
    }
    (loss, correct)
}

/// Loss and whether correct, of two outputs, which become their gradients.
#[inline(always)]
fn cross_entropy(
    first: &mut Lanes,
    second: &mut Lanes,
    labels: &Lanes,
    terms: f32,
) -> (Lanes, Lanes) {
    let (mut loss, mut correct) = (Lanes::splat(0.0), Lanes::splat(0.0));
    for i in 0..LANES {
        let (y, label) = ([first.0[i], second.0[i]], labels.0[i]);
        let higher = y[1] > y[0];
        let largest = if higher { y[1] } else { y[0] };
        let e = y.map(|y| math::exp_f32(y - largest));
        let sum = e[0] + e[1];
        let labelled = if label == 1.0 { y[1] } else { y[0] };
        loss.0[i] = math::log_f32(sum) + (largest - labelled);
        let class = if higher { 1.0 } else { 0.0 };
        correct.0[i] = if class == label { 1.0 } else { 0.0 };
        first.0[i] = (e[0] / sum - (1.0 - label)) / terms;
        second.0[i] = (e[1] / sum - label) / terms;
    }
    (loss, correct)
}

//! Trainings of networks of two neurons per layer, 16 side by side in the lanes of a vector.
//!
//! Where a group has several runs, each lane holds a run; where it has one run only, the lanes hold
//! the samples of its batch. Both take every sum in the same order, and no operation is contracted,
//! so a run has the same bits whatever other runs are beside it and with any vectors. Inside a step nothing is
//! allocated, handed to another thread or called through a pointer: the loops are compiled for each
//! activation and kind of layer.

use std::array;
use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::isa::{Isa, Level};
use super::{Float32, LANES, limit};
use crate::kind::{Form, LayerKind, Loss};
use crate::math;
use crate::rng::sample_order_into;

/// Neurons of every layer, and coordinates of a point.
#[doc(hidden)]
pub const WIDTH: usize = 2;

/// Parameters of a layer: W, (2, 2), then b.
#[doc(hidden)]
pub const LAYER_PARAMETERS: usize = WIDTH * WIDTH + WIDTH;

/// One number per lane.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Lanes([f32; LANES]);

impl Lanes {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
}

/// The contents of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Lane i is run i of the group; a row is a sample of each.
    Runs,
    /// All lanes are one run; a row is 16 samples.
    Samples,
}

/// Whether metrics are taken after `epoch`, from 1, of `epochs`: after each multiple of `every` and
/// after the last one.
pub fn records(epoch: u32, epochs: u32, every: u32) -> bool {
    epoch.is_multiple_of(every) || epoch == epochs
}

/// The metrics of a network on all samples after an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The mean loss; NaN where it or a parameter is not finite: the run has diverged.
    pub loss: f32,
    /// Number of samples that are classified correctly.
    pub correct: u32,
}

/// Samples to train on, at least one.
#[derive(Clone, Copy)]
pub struct Set<'a> {
    /// (samples, 2).
    pub points: &'a [[f32; WIDTH]],
    /// The class of each sample, 0 or 1.
    pub labels: &'a [u8],
}

/// Up to 16 runs of one network that have done the same number of epochs.
pub struct Task<'a> {
    /// The kind of the hidden layers.
    pub kind: LayerKind,
    /// The form of Bregman layers.
    pub form: Form,
    /// The loss that training minimises.
    pub loss: Loss,
    /// The interval to which every argument of ρ⁻¹ is clamped.
    pub clamp: [f32; 2],
    /// Number of hidden layers.
    pub depth: usize,
    /// Outputs of the head: 1 for squared error, 2 for cross-entropy.
    pub outputs: usize,
    /// Samples of a mini-batch.
    pub batch: usize,
    /// One set of samples for all runs, or one for each, all of the same size.
    pub sets: &'a [Set<'a>],
    /// The seed of each run, for the order of its samples.
    pub seeds: &'a [u64],
    /// The learning rate of each run.
    pub rates: &'a [f32],
    /// The parameters of each run before these epochs: by layer W, (2, 2), then b; the head's weight,
    /// (outputs, 2), and bias at the end.
    pub parameters: &'a [Vec<f32>],
    /// The epochs to train, counted from 0; the last one of all is `epochs.end − 1`.
    pub epochs: Range<u32>,
    /// See [`records`].
    pub record_every: u32,
    /// Called before each epoch; training ends when it returns true.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Called with the number of steps of each epoch when it is finished, summed over the runs.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// The result of a [`Task`].
pub struct Trained {
    /// Number of epochs that each run has done now.
    pub done: u32,
    /// By run, the metrics that were taken, and the parameters at the end.
    pub runs: Vec<(Vec<Metrics>, Vec<f32>)>,
}

/// Trains the runs of a task with the vectors of `Isa`.
pub type Train = fn(&Task<'_>, Layout, Isa) -> Trained;

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

/// [`Train`] for the activation `T`.
pub fn train<T: Float32>(task: &Task<'_>, layout: Layout, isa: Isa) -> Trained {
    match (task.kind, task.form) {
        (LayerKind::Standard, _) => for_vectors::<T, Standard>(task, layout, isa),
        (LayerKind::Euclidean, _) => for_vectors::<T, Euclidean>(task, layout, isa),
        (LayerKind::Bregman, Form::Dual) => for_vectors::<T, BregmanDual>(task, layout, isa),
        (LayerKind::Bregman, Form::Primal) => for_vectors::<T, BregmanPrimal>(task, layout, isa),
    }
}

/// The vectors of a processor, with the loops that depend on neither the activation nor the kind of
/// layer: they are compiled once for each processor, not once for each network.
trait Vectors {
    fn shuffle(state: &mut State, seeds: &[u64], epoch: u32);
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
                shuffle(seeds: &[u64], epoch: u32),
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
                // SAFETY: `for_vectors` takes these vectors only for an `Isa` that has them.
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

fn for_vectors<T: Float32, K: Kind>(task: &Task<'_>, layout: Layout, isa: Isa) -> Trained {
    match isa.0 {
        Level::Baseline => train_group::<Portable, T, K>(task, layout),
        // SAFETY: an `Isa` exists only where the machine has its instructions.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { train_avx2::<T, K>(task, layout) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { train_avx512::<T, K>(task, layout) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn train_avx512<T: Float32, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    train_group::<Avx512, T, K>(task, layout)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn train_avx2<T: Float32, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    train_group::<Avx2, T, K>(task, layout)
}

/// A group of runs, from start to end.
#[inline(always)]
fn train_group<V: Vectors, T: Float32, K: Kind>(task: &Task<'_>, layout: Layout) -> Trained {
    let (samples, runs) = (task.sets[0].labels.len(), task.seeds.len());
    let batches = samples.div_ceil(task.batch) as u64;
    let mut state = State::new(task, layout, T::rho_inv);
    let mut trained: Vec<Vec<Metrics>> = vec![Vec::new(); runs];
    let mut done = task.epochs.start;
    while done < task.epochs.end && !(task.stop)() {
        let epoch = done;
        V::shuffle(&mut state, task.seeds, epoch);
        // One loop for both, so that it is compiled once.
        let records = records(epoch + 1, task.epochs.end, task.record_every);
        let passes = if records { 2 } else { 1 };
        for pass in 0..passes {
            let training = pass == 0;
            state.losses = [0.0; LANES];
            state.corrects = [0; LANES];
            for first in (0..samples).step_by(task.batch) {
                let count = task.batch.min(samples - first);
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
        (task.progress)(batches * runs as u64);
        done += 1;
    }
    let parameters = (0..runs).map(|lane| state.parameters_of(lane));
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
/// A plane has one [`Lanes`] for each row of a batch; the planes of a layer's neurons follow each
/// other.
struct State {
    layout: Layout,
    depth: usize,
    outputs: usize,
    loss: Loss,
    clamp: [f32; 2],
    /// The learning rates, repeated for each parameter, so that the update is one loop.
    rates: Vec<Lanes>,
    /// Set after set, one for all runs or one for each.
    samples: Vec<Sample>,
    /// Number of samples of a set.
    set_len: usize,
    /// The order of the samples of each run, run after run, and scratch memory for one run.
    orders: Vec<u32>,
    picks: Vec<u32>,
    /// In the order of [`Task::parameters`].
    parameters: Vec<Lanes>,
    gradient: Vec<Lanes>,
    /// Number of rows of a plane.
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
    /// Σ loss over the batches of a pass, and the number of correct samples, by lane of a run.
    losses: [f64; LANES],
    corrects: [u32; LANES],
}

impl State {
    fn new(task: &Task<'_>, layout: Layout, rho_inv: fn(f32) -> f32) -> Self {
        let (depth, runs) = (task.depth, task.seeds.len());
        let samples = task.sets[0].labels.len();
        assert!(task.sets.len() == 1 || task.sets.len() == runs);
        assert!(task.sets.iter().all(|set| set.labels.len() == samples));
        let rows = match layout {
            Layout::Runs => task.batch.min(samples),
            Layout::Samples => task.batch.min(samples).div_ceil(LANES),
        };
        let is_dual = task.kind == LayerKind::Bregman && task.form == Form::Dual;
        // Lanes without a run repeat the last one.
        let of_lane = |lane: usize| lane.min(runs - 1);
        let count = task.parameters[0].len();
        let in_lanes = |k: usize| Lanes(array::from_fn(|lane| task.parameters[of_lane(lane)][k]));
        let [low, high] = task.clamp;
        let planes = |count: usize| vec![Lanes::splat(0.0); count * rows];
        Self {
            layout,
            depth,
            outputs: task.outputs,
            loss: task.loss,
            clamp: task.clamp,
            rates: vec![Lanes(array::from_fn(|lane| task.rates[of_lane(lane)])); count],
            samples: (task.sets.iter())
                .flat_map(|&Set { points, labels }| points.iter().zip(labels))
                .map(|(&point, &label)| Sample {
                    point,
                    dual: point.map(|x| rho_inv(limit(x, low, high))),
                    label: f32::from(label),
                })
                .collect(),
            set_len: samples,
            orders: vec![0; runs * samples],
            picks: vec![0; samples.next_multiple_of(4)],
            parameters: (0..count).map(in_lanes).collect(),
            gradient: vec![Lanes::splat(0.0); count],
            rows,
            z: planes((depth + 1) * WIDTH),
            a: planes(if is_dual { (depth + 1) * WIDTH } else { 0 }),
            logits: planes(task.outputs),
            delta: planes(WIDTH),
            labels: planes(1),
            losses: [0.0; LANES],
            corrects: [0; LANES],
        }
    }

    /// The parameters of the run in `lane`.
    fn parameters_of(&self, lane: usize) -> Vec<f32> {
        self.parameters.iter().map(|p| p.0[lane]).collect()
    }

    /// Number of rows that `count` samples of a batch take.
    #[inline(always)]
    fn rows_of(&self, count: usize) -> usize {
        match self.layout {
            Layout::Runs => count,
            Layout::Samples => count.div_ceil(LANES),
        }
    }

    /// The order of the samples in `epoch`, for each run.
    #[inline(always)]
    fn shuffle(&mut self, seeds: &[u64], epoch: u32) {
        let samples = self.set_len;
        for (&seed, order) in seeds.iter().zip(self.orders.chunks_exact_mut(samples)) {
            sample_order_into(seed, epoch, order, &mut self.picks);
        }
    }

    /// Samples first … first + count − 1, in the order of each run or, to evaluate, in the order of
    /// the data.
    #[inline(always)]
    fn gather(&mut self, first: usize, count: usize, shuffled: bool) {
        let stride = self.set_len;
        let last_run = self.orders.len() - stride;
        let last_set = self.samples.len() - stride;
        let (layout, dual) = (self.layout, !self.a.is_empty());
        for row in 0..self.rows_of(count) {
            for lane in 0..LANES {
                let (run, place) = match layout {
                    Layout::Runs => ((lane * stride).min(last_run), first + row),
                    // Lanes without a sample repeat the last one.
                    Layout::Samples => (0, first + (row * LANES + lane).min(count - 1)),
                };
                let sample = if shuffled {
                    self.orders[run + place] as usize
                } else {
                    place
                };
                let sample = self.samples[run.min(last_set) + sample];
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
    fn forward<T: Float32, K: Kind>(&mut self, count: usize) {
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

    /// Adds Σ loss and the number of correct samples of a batch; the logits are replaced by the
    /// gradient in them.
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
                // Sweeps are of classes, which Huber's loss does not take.
                Loss::MeanSquaredError | Loss::Huber => {
                    squared_error(&mut first[row], &labels[row], terms)
                }
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

    /// The gradients of a batch in all parameters below the head.
    #[inline(always)]
    fn backward<V: Vectors, T: Float32, K: Kind>(&mut self, count: usize) {
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

    /// The metrics of the run in `lane`, after a pass over all samples without an update.
    fn metrics(&self, lane: usize) -> Metrics {
        let terms = self.set_len * self.loss_outputs();
        let loss = (self.losses[lane] / terms as f64) as f32;
        // A parameter can overflow while the loss stays finite.
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

    /// Number of outputs that the loss is the mean over, beside the samples.
    fn loss_outputs(&self) -> usize {
        match self.loss {
            Loss::MeanSquaredError | Loss::Huber => self.outputs,
            Loss::CrossEntropy => 1,
        }
    }
}

/// out = neuron `n` of a layer: ρ of its pre-activation, with the skip of its kind. `a` is the
/// neuron's dual variable in the layer below, and in this one.
#[inline(always)]
fn neuron_forward<T: Float32, K: Kind>(
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
fn times_slope<T: Float32>(delta: &mut [Lanes], z: &[Lanes]) {
    for (delta, z) in delta.iter_mut().zip(z) {
        let mut product = *delta;
        for i in 0..LANES {
            product.0[i] *= T::rho_slope(z.0[i]);
        }
        *delta = product;
    }
}

/// Replaces δ by δ of the layer below: h(z) ∘ δW, plus the gradient through the skip of its kind.
#[inline(always)]
fn layer_backward<T: Float32, K: Kind>(
    [w00, w01, w10, w11]: [&Lanes; 4],
    [z0, z1]: [&[Lanes]; 2],
    [a0, a1]: [&[Lanes]; 2],
    [delta0, delta1]: [&mut [Lanes]; 2],
    [low, high]: [f32; 2],
) {
    let rows = delta0.len();
    let (z0, z1, delta1) = (&z0[..rows], &z1[..rows], &mut delta1[..rows]);
    // Only a finite bound is ever reached by clamping.
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

/// The numbers of all lanes, row after row.
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

/// The loss, and 1 where the class is correct, else 0; the output is replaced by its gradient.
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

/// The same for two outputs, which are replaced by their gradients.
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

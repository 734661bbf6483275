//! Training and evaluation on an adapter.

use std::ops::Range;

use super::device::{Gpu, SOFTWARE_TURNS};
use super::metrics::batch_metrics;
use super::op::{BufferId, Op, Part, Step};
use super::plan::{Plan, PlanOptions, SmallSteps, SplitPlan, TensorState};
use super::program::{Buffers, Program, copy, run_in_turn};
use super::storage::{decode, encode};
use crate::data::{Split, Splits};
use crate::error::{Error, Result};
use crate::executor::{BatchMetrics, Executor, check_moments, check_orders};
use crate::kind::Storage;
use crate::nn::{Model, Parameters};

/// The most FLOPs of one submission. A slow card at a tenth of its peak needs less than a second for them,
/// so that no driver considers it hung; and they are some 20 steps of 3 × 784 in batches of 128, since a
/// submission costs the host tens of µs.
const SUBMISSION_FLOPS: u64 = 30_000_000_000;

/// The same on a software adapter: one or two steps of a large network, which take about a second there.
const SOFTWARE_SUBMISSION_FLOPS: u64 = 10_000_000_000;

/// The most steps of one submission.
const SUBMISSION_STEPS: u64 = 64;

/// The most seconds of a submission of small networks. Browsers and drivers give up after some 2 s.
const SMALL_SECONDS: f64 = 0.25;

/// A pessimistic estimate of one workgroup on a small card: the seconds from one barrier to the next, the FLOPs
/// a second, and the number of workgroups at once. An H200 takes 1 µs from barrier to barrier.
const WORKGROUP_PHASE_SECONDS: f64 = 5e-6;
const WORKGROUP_FLOPS: f64 = 5e9;
const WORKGROUPS: usize = 4;

/// R realizations of a network on an adapter.
pub struct GpuExecutor {
    gpu: Gpu,
    model: Model,
    options: PlanOptions,
    buffers: Buffers,
    training: Training,
    /// There are two of each program: after an even and after an odd number of steps.
    epoch_end: [Program; 2],
    tensors: [Vec<BufferId>; 2],
    /// Whether each tensor is in half precision.
    half: Vec<bool>,
    /// Where the optimizer's state of each tensor is, if it has any.
    states: Vec<TensorState>,
    /// The number of the run's steps so far.
    steps: u64,
    /// The number of steps so far, modulo 2.
    parity: usize,
    flags: BufferId,
    /// The logits, and whether they are in half precision.
    logits: (BufferId, bool),
    splits: Vec<SplitPrograms>,
}

/// The programs of training.
enum Training {
    /// A step, after an even and after an odd number of steps.
    Steps([Program; 2]),
    /// Many steps of a small network.
    Small {
        program: Program,
        steps: SmallSteps,
        /// The parts at either parity.
        parts: [Vec<Part>; 2],
    },
}

struct SplitPrograms {
    split: Split,
    samples: usize,
    order: BufferId,
    steps: BufferId,
    metrics: BufferId,
    evaluate: [Program; 2],
    /// Forward, and the logits. They are compiled at their first use.
    outputs: [Vec<Op>; 2],
    outputs_programs: Option<[Program; 2]>,
}

impl GpuExecutor {
    /// Lays the network and the data out on `gpu`, with one set of parameters for each realization.
    ///
    /// # Errors
    /// [`Error::Shape`] for data or parameters that do not fit the model, [`Error::TooLarge`] for a
    /// buffer beyond the adapter's limits, [`Error::InvalidValue`] for half precision if the
    /// adapter or a kernel has none, [`Error::Gpu`] with the driver's message.
    pub async fn new(
        gpu: Gpu,
        model: &Model,
        splits: &Splits,
        parameters: &[Parameters],
        options: PlanOptions,
    ) -> Result<Self> {
        let plan = Plan::new(model, splits, options)?;
        Self::from_plan(gpu, model, plan, parameters).await
    }

    /// Lays out `plan`, which was made for `model`.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub async fn from_plan(
        gpu: Gpu,
        model: &Model,
        plan: Plan,
        parameters: &[Parameters],
    ) -> Result<Self> {
        let options = plan.options.clone();
        for p in parameters {
            model.check_parameters(p)?;
        }
        if parameters.len() != options.realizations {
            return Err(Error::Shape {
                operation: "sets of parameters".to_owned(),
                expected: vec![options.realizations],
                found: vec![parameters.len()],
            });
        }
        plan.check_limits(&gpu.limits())?;
        if options.storage == Storage::F16 && !gpu.has_f16() {
            return Err(Error::InvalidValue {
                field: "storage",
                value: options.storage.name().to_owned(),
                reason: format!("{} has no shader-f16", gpu.summary().name),
            });
        }
        let buffers = Buffers::new(&gpu, &plan.buffers).await?;
        let steps = |split: &SplitPlan| Some(split.steps);
        let train = plan
            .splits
            .iter()
            .find(|s| s.split == Split::Train)
            .and_then(steps);
        // All kernels at once, so that no processor waits while a program's last kernel compiles.
        let memory = gpu.limits().max_compute_workgroup_storage_size as usize;
        let software = gpu.summary().software;
        let small = plan.small.filter(|small| {
            let turns = small.turns.iter().sum::<usize>();
            small.memory_bytes <= memory && !(software && turns > SOFTWARE_TURNS)
        });
        let training = match &small {
            Some(small) => std::slice::from_ref(&small.op),
            None => &plan.train_step,
        };
        let evaluations = plan.splits.iter().flat_map(|split| &split.evaluate);
        let ops = training.iter().chain(&plan.epoch_end);
        let shaders: Vec<_> = ops.chain(evaluations).map(|op| &op.shader).collect();
        gpu.compile(&shaders).await?;
        let swapped = |ops: &[Op]| ops.iter().map(|op| op.swapped(&plan.pairs)).collect();
        let both = async |ops: &[Op], steps| -> Result<[Program; 2]> {
            let swapped: Vec<Op> = swapped(ops);
            Ok([
                Program::new(&gpu, &buffers, ops, steps).await?,
                Program::new(&gpu, &buffers, &swapped, steps).await?,
            ])
        };
        let trade = |&id: &BufferId| {
            let pair = plan.pairs.iter().find(|pair| pair[0] == id);
            pair.map_or(id, |pair| pair[1])
        };
        let training = match small {
            None => Training::Steps(both(&plan.train_step, train).await?),
            Some(small) => {
                let after = small.parts.iter().map(|part| Part {
                    own: trade(&part.own),
                    ..*part
                });
                let op = std::slice::from_ref(&small.op);
                Training::Small {
                    program: Program::new(&gpu, &buffers, op, Some(small.span)).await?,
                    parts: [small.parts.clone(), after.collect()],
                    steps: small,
                }
            }
        };
        let epoch_end = both(&plan.epoch_end, None).await?;
        let mut split_programs = Vec::new();
        for split in &plan.splits {
            split_programs.push(SplitPrograms {
                split: split.split,
                samples: split.samples,
                order: split.order,
                steps: split.steps,
                metrics: split.metrics,
                evaluate: both(&split.evaluate, steps(split)).await?,
                outputs: [split.outputs.clone(), swapped(&split.outputs)],
                outputs_programs: None,
            });
        }
        let tensors_after = plan.tensors.iter().map(trade).collect();
        let is_half = |id: &BufferId| plan.buffers[id.0].half;
        let half: Vec<bool> = plan.tensors.iter().map(is_half).collect();
        for (t, &tensor) in plan.tensors.iter().enumerate() {
            let values: Vec<f32> = parameters
                .iter()
                .flat_map(|p| p.tensors().nth(t).into_iter().flatten().copied())
                .collect();
            buffers.write(&gpu, tensor, &encode(&values, half[t]));
        }
        Ok(Self {
            gpu,
            model: model.clone(),
            states: plan.states,
            steps: options.recipe.first_step,
            options,
            buffers,
            training,
            epoch_end,
            tensors: [plan.tensors, tensors_after],
            half,
            parity: 0,
            flags: plan.flags,
            logits: (plan.logits, plan.buffers[plan.logits.0].half),
            splits: split_programs,
        })
    }

    /// The device it runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The program of a training step after an even number of steps, for measurements.
    pub fn train_step(&mut self) -> (&Program, &mut Gpu) {
        let program = match &self.training {
            Training::Steps(programs) => &programs[0],
            Training::Small { program, steps, .. } => {
                self.buffers.write_span(&self.gpu, steps.span, &(0..1));
                program
            }
        };
        (program, &mut self.gpu)
    }

    /// Seconds of each of the first `times` steps of an epoch by the device's own clock, or of as many times
    /// the first one; `None` if it has no clock that advances.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or [`Error::Gpu`] with the driver's message.
    pub async fn device_seconds(&mut self, times: usize) -> Result<Option<f64>> {
        let (program, dispatches) = match &self.training {
            Training::Steps(programs) => (&programs[0], times),
            Training::Small { program, steps, .. } => {
                self.buffers.write_span(&self.gpu, steps.span, &(0..times));
                (program, 1)
            }
        };
        let seconds = program.device_seconds(&mut self.gpu, dispatches).await?;
        Ok(seconds.map(|seconds| seconds / times as f64))
    }

    /// (R, batch).
    fn rows(&self) -> [usize; 2] {
        [self.options.realizations, self.options.recipe.batch_size]
    }

    fn split_index(&self, split: Split) -> usize {
        let index = self.splits.iter().position(|s| s.split == split);
        index.expect("a validation split was asked for without one")
    }

    /// Puts the samples of a split into the data's order. Returns the split's index.
    fn in_file_order(&mut self, split: Split) -> usize {
        let index = self.split_index(split);
        let SplitPrograms { samples, order, .. } = self.splits[index];
        // The orders of the other splits never change.
        if split == Split::Train {
            let file_order: Vec<u32> = (0..samples as u32).collect();
            let orders = file_order.repeat(self.options.realizations);
            self.buffers
                .write(&self.gpu, order, bytemuck::cast_slice(&orders));
        }
        index
    }

    fn steps_per_submission(&self) -> usize {
        let batch = self.options.recipe.batch_size;
        let flops = self.options.realizations as u64 * self.model.step_flops(batch);
        let most = match self.gpu.summary().software {
            true => SOFTWARE_SUBMISSION_FLOPS,
            false => SUBMISSION_FLOPS,
        };
        (most / flops.max(1)).clamp(1, SUBMISSION_STEPS) as usize
    }

    /// The same for training, which on a small network is one dispatch.
    fn training_steps_per_submission(&self) -> usize {
        let Training::Small { steps, .. } = &self.training else {
            return self.steps_per_submission();
        };
        let [turns, turns_around] = steps.turns;
        if self.gpu.summary().software {
            return (SOFTWARE_TURNS - turns_around) / turns;
        }
        let flops = self.model.step_flops(self.options.recipe.batch_size) as f64;
        let phases = (2 * self.model.layers.len() + 3) as f64;
        let seconds = phases * WORKGROUP_PHASE_SECONDS + flops / WORKGROUP_FLOPS;
        let rounds = self.options.realizations.div_ceil(WORKGROUPS);
        (SMALL_SECONDS / (seconds * rounds as f64)).max(1.0) as usize
    }

    /// Submits the training steps `slots`. Returns the number of earlier submissions that finished meanwhile.
    fn submit_steps(&mut self, slots: Range<usize>) -> Result<usize> {
        match &self.training {
            Training::Steps(programs) => {
                let programs = [self.parity, 1 - self.parity].map(|p| &programs[p]);
                self.parity = (self.parity + slots.len()) % 2;
                run_in_turn(&mut self.gpu, &programs, slots)
            }
            Training::Small { program, steps, .. } => {
                self.buffers.write_span(&self.gpu, steps.span, &slots);
                program.run(&mut self.gpu, 0..1)
            }
        }
    }

    /// Runs `steps` of an epoch, or those submitted before `stop` returned true.
    async fn run_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        let train = &self.splits[self.split_index(Split::Train)];
        let (samples, metrics, uniforms) = (train.samples, train.metrics, train.steps);
        check_orders(orders, self.options.realizations, samples)?;
        self.buffers.write(
            &self.gpu,
            train.order,
            bytemuck::cast_slice(&orders.concat()),
        );
        let epoch = samples.div_ceil(self.options.recipe.batch_size);
        let mut steps = steps.start.min(epoch)..steps.end.min(epoch);
        let recipe = &self.options.recipe;
        let numbered = Step::all(samples, recipe.batch_size).skip(steps.start);
        let numbered = numbered.take(steps.len()).zip(self.steps..);
        let numbered = numbered.map(|(step, number)| step.trained_by(recipe, number, epoch as u64));
        match &self.training {
            Training::Steps(_) => {
                self.buffers
                    .write_steps(&self.gpu, uniforms, steps.start, numbered);
            }
            Training::Small {
                steps: small,
                parts,
                ..
            } => {
                let factors: Vec<f32> = numbered.map(|step| step.factor).collect();
                self.buffers
                    .write_from(&self.gpu, small.factors, steps.start, &factors);
                copy(&mut self.gpu, &self.buffers, &parts[self.parity], true)?;
            }
        }
        let most = self.training_steps_per_submission();
        // The first submissions are short, so that the device has work while the host records the next; one
        // dispatch of many steps takes no time to record.
        let mut each = match &self.training {
            Training::Steps(_) => 1,
            Training::Small { .. } => most,
        };
        // On a small network the parameters are joined first.
        let mut ends = match &self.training {
            Training::Steps(_) => Vec::new(),
            Training::Small { .. } => vec![0],
        };
        let mut finished = 0;
        let mut next = steps.start;
        while next < steps.end {
            let slots = next..steps.end.min(next + each);
            next = slots.end;
            ends.push(next - steps.start);
            finished += self.submit_steps(slots)?;
            let done = finished.checked_sub(1).and_then(|last| ends.get(last));
            progress(done.copied().unwrap_or(0));
            each = (2 * each).min(most);
            if stop() {
                steps.end = next;
            }
        }
        if let Training::Small { parts, .. } = &self.training {
            copy(&mut self.gpu, &self.buffers, &parts[self.parity], false)?;
        }
        self.steps += steps.len() as u64;
        let to_the_end = steps.end == epoch;
        if to_the_end {
            self.epoch_end[self.parity].run(&mut self.gpu, 0..1)?;
        }
        let read = self
            .buffers
            .read(&mut self.gpu, &[metrics, self.flags])
            .await?;
        progress(steps.len());
        let mut batches = batch_metrics(&read[0], self.rows(), samples, steps);
        // A parameter can overflow while the loss stays finite; report the last step's loss as NaN then.
        let flags: Vec<u32> = bytemuck::pod_collect_to_vec(&read[1]);
        for (batches, _) in batches.iter_mut().zip(flags).filter(|(_, flag)| *flag != 0) {
            if let Some(last) = batches.last_mut().filter(|_| to_the_end) {
                last.loss = f64::NAN;
            }
        }
        Ok(batches)
    }
}

impl Executor for GpuExecutor {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        self.run_steps(orders, steps, &|| false, progress).await
    }

    async fn train_rest(
        &mut self,
        orders: &[Vec<u32>],
        first: usize,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Vec<Vec<BatchMetrics>>>> {
        let steps = first..usize::MAX;
        Ok(Some(self.run_steps(orders, steps, stop, progress).await?))
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let index = self.in_file_order(split);
        let SplitPrograms {
            samples, metrics, ..
        } = self.splits[index];
        let steps = samples.div_ceil(self.options.recipe.batch_size);
        let each = self.steps_per_submission();
        for first in (0..steps).step_by(each) {
            let slots = first..steps.min(first + each);
            self.splits[index].evaluate[self.parity].run(&mut self.gpu, slots)?;
        }
        let read = self.buffers.read(&mut self.gpu, &[metrics]).await?;
        Ok(batch_metrics(&read[0], self.rows(), samples, 0..steps))
    }

    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>> {
        let index = self.in_file_order(split);
        if self.splits[index].outputs_programs.is_none() {
            let SplitPrograms { outputs, steps, .. } = &self.splits[index];
            let (gpu, buffers) = (&self.gpu, &self.buffers);
            let programs = [
                Program::new(gpu, buffers, &outputs[0], Some(*steps)).await?,
                Program::new(gpu, buffers, &outputs[1], Some(*steps)).await?,
            ];
            self.splits[index].outputs_programs = Some(programs);
        }
        let [realizations, batch] = self.rows();
        let (samples, outputs) = (self.splits[index].samples, self.model.head.outputs);
        let mut all = vec![Vec::with_capacity(samples * outputs); realizations];
        for slot in 0..samples.div_ceil(batch) {
            if let Some(programs) = &self.splits[index].outputs_programs {
                programs[self.parity].run(&mut self.gpu, slot..slot + 1)?;
            }
            let (id, half) = self.logits;
            let read = self.buffers.read(&mut self.gpu, &[id]).await?;
            let logits = decode(&read[0], half, realizations * batch * outputs);
            let count = batch.min(samples - slot * batch) * outputs;
            for (own, logits) in all.iter_mut().zip(logits.chunks_exact(batch * outputs)) {
                own.extend(&logits[..count]);
            }
        }
        Ok(all)
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        let mut all = vec![Parameters::zeros(&self.model); self.options.realizations];
        // One tensor at a time: together they may exceed the largest buffer.
        for (t, &tensor) in self.tensors[self.parity].iter().enumerate() {
            let read = self.buffers.read(&mut self.gpu, &[tensor]).await?;
            let len = all
                .iter()
                .filter_map(|p| p.tensors().nth(t))
                .map(|t| t.len())
                .sum();
            let values = decode(&read[0], self.half[t], len);
            let mut rest = &values[..];
            for parameters in &mut all {
                if let Some(tensor) = parameters.tensors_mut().nth(t) {
                    let (own, others) = rest.split_at(tensor.len());
                    tensor.copy_from_slice(own);
                    rest = others;
                }
            }
        }
        Ok(all)
    }

    async fn moments(&mut self) -> Result<Vec<Vec<Parameters>>> {
        let count = self.options.recipe.moments();
        let zeros = vec![Parameters::zeros(&self.model); count];
        let mut all = vec![zeros; self.options.realizations];
        for t in 0..self.states.len() {
            let state = self.states[t];
            let read = self.buffers.read(&mut self.gpu, &[state.buffer]).await?;
            let words: Vec<f32> = bytemuck::pod_collect_to_vec(&read[0]);
            let tensors = all.iter_mut().map(|sets| tensor_of_each(sets, t));
            for (r, mut moments) in tensors.enumerate() {
                state.each(r, moments[0].len(), |number, place| {
                    for (which, moment) in moments.iter_mut().enumerate() {
                        moment[number] = words[place * count + which];
                    }
                });
            }
        }
        Ok(all)
    }

    fn set_moments(&mut self, moments: &[Vec<Parameters>]) -> Result<()> {
        let count = self.options.recipe.moments();
        check_moments(moments, self.options.realizations, count)?;
        for moment in moments.iter().flatten() {
            self.model.check_parameters(moment)?;
        }
        // Weight and bias may share a buffer.
        let mut contents: Vec<(BufferId, Vec<f32>)> = Vec::new();
        for (t, state) in self.states.iter().enumerate() {
            let known = contents.iter().position(|(id, _)| *id == state.buffer);
            let index = known.unwrap_or_else(|| {
                contents.push((state.buffer, Vec::new()));
                contents.len() - 1
            });
            let words = &mut contents[index].1;
            for (r, sets) in moments.iter().enumerate() {
                let tensors: Vec<&Vec<f32>> =
                    sets.iter().filter_map(|set| set.tensors().nth(t)).collect();
                state.each(r, tensors[0].len(), |number, place| {
                    let end = (place + 1) * count;
                    if words.len() < end {
                        words.resize(end, 0.0);
                    }
                    for (which, tensor) in tensors.iter().enumerate() {
                        words[place * count + which] = tensor[number];
                    }
                });
            }
        }
        for (id, words) in contents {
            self.buffers
                .write(&self.gpu, id, bytemuck::cast_slice(&words));
        }
        Ok(())
    }
}

/// Tensor `t` of each of `sets`.
fn tensor_of_each(sets: &mut [Parameters], t: usize) -> Vec<&mut Vec<f32>> {
    let tensors = sets.iter_mut().filter_map(|set| set.tensors_mut().nth(t));
    tensors.collect()
}

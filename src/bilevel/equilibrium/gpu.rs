//! The equilibrium layer on an adapter.
//!
//! The iteration stays on the device: one submission has several steps, and then the residuals of the
//! batch, one number for each sample, are read back, until all are below the tolerance or the cap is
//! reached. They are first read after as many steps as the last batch needed, so that for most batches they are
//! read once or twice.

use std::ops::Range;

use super::layer::{Equilibrium, NEGLIGIBLE_SQUARE, SolverReport};
use crate::data::{Split, Splits};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, check_orders};
use crate::gpu::ops;
use crate::gpu::ops::loss::Objective;
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::tile::{Layout, Product, Tile};
use crate::gpu::{BufferId, BufferSpecs, Buffers, Gpu, Op, Program, Step, batch_metrics};
use crate::nn::Parameters;
use crate::optim::Sgd;

/// The number of steps between two readings of the residuals, after the first found some too large.
const STEPS_BETWEEN_LOOKS: usize = 8;

/// Training of an equilibrium layer on an adapter.
pub struct GpuEquilibrium {
    gpu: Gpu,
    equilibrium: Equilibrium,
    sgd: Sgd,
    buffers: Buffers,
    ids: Ids,
    programs: Programs,
    splits: Vec<SplitPrograms>,
    /// Steps before the first reading, of the iteration and of conjugate gradients.
    looks: [usize; 2],
    report: SolverReport,
}

/// The buffers that are read or written after the layout.
struct Ids {
    /// U, b, V, head W, head b.
    tensors: [BufferId; 5],
    flags: BufferId,
    inside: BufferId,
    residuals: BufferId,
    iterations: BufferId,
    squares: BufferId,
    logits: BufferId,
}

/// The programs that all splits share.
struct Programs {
    /// D and W from V.
    weight: Program,
    start: Program,
    iterate: Program,
    measure: Program,
    /// dL/dz, and the start of conjugate gradients.
    adjoint: Program,
    conjugate: Program,
    /// Gradients, updates, and the new W.
    update: Program,
    check_finite: Program,
}

struct SplitPrograms {
    split: Split,
    samples: usize,
    order: BufferId,
    metrics: BufferId,
    /// Gathers and injects the samples of a step.
    inject: Program,
    /// Head and loss of a step.
    loss: Program,
}

fn matmul(
    layout: Layout,
    [m, n, k]: [usize; 3],
    [lhs, rhs]: [BufferId; 2],
    output: BufferId,
) -> Op {
    let product = Product { m, n, k };
    let tile = Tile::for_product(product);
    ops::product::matmul::matmul(layout, tile, 1, product, lhs, rhs, output)
}

impl GpuEquilibrium {
    /// Lays the network and the data out on `gpu`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) or
    /// [`Error::Label`](crate::error::Error::Label) for data or parameters that do not fit,
    /// [`Error::Gpu`](crate::error::Error::Gpu) with the driver's message.
    pub async fn new(
        gpu: Gpu,
        equilibrium: &Equilibrium,
        splits: &Splits,
        parameters: &Parameters,
        sgd: Sgd,
    ) -> Result<Self> {
        let model = &equilibrium.model;
        model.check_splits(splits)?;
        sgd.check(1)?;
        equilibrium.check_parameters(parameters)?;
        let (n, features, outputs) = (equilibrium.width(), model.inputs(), model.head.outputs);
        let rows = sgd.batch_size;
        let activation = model.layers[0].activation;
        let solver = equilibrium.solver;
        let rate = sgd.learning_rate;

        let mut specs = BufferSpecs::default();
        let updating = Updating {
            update: Update::Sgd,
            runs: specs.runs(&sgd.into(), 1)?,
            state: None,
        };
        let scales = specs.values("gradient scales", &[1.0f32]);
        let one_step = specs.steps("one step", Step::all(1, 1));
        let step_of = |len, gradient, parameter| {
            let operands = [gradient, scales];
            ops::elementwise::optimizer_step::optimizer_step(
                [1, 1],
                len,
                updating,
                operands,
                parameter,
            )
        };
        let names = ["U", "b", "V", "head weight", "head bias"];
        let lens = [n * features, n, n * n, outputs * n, outputs];
        let mut lens = names.iter().zip(lens);
        let tensors = [(); 5].map(|()| {
            let (name, len) = lens.next().expect("five tensors");
            specs.zeros(*name, len)
        });
        let [u, bias, v, head_weight, head_bias] = tensors;
        let row_scales = specs.zeros("scales", n);
        let through = specs.zeros("through", n);
        let weight = specs.zeros("W", n * n);
        let weight_gradient = specs.zeros("weight gradient", n * n.max(features).max(outputs));
        let bias_gradient = specs.zeros("bias gradient", n.max(outputs));
        let x = specs.zeros("x", rows * features);
        let mut of_rows = |name| specs.zeros(name, rows * n);
        let injected = of_rows("Ux");
        let product = of_rows("product");
        let a = of_rows("a");
        let z = of_rows("z");
        let g = of_rows("g");
        let inside = of_rows("inside");
        let solution = of_rows("solution");
        let residual = of_rows("residual");
        let direction = of_rows("direction");
        let residuals = specs.zeros("residuals", rows);
        let iterations = specs.zeros("iterations", rows);
        let squares = specs.zeros("squares", 2 * rows);
        let logits = specs.zeros("logits", rows * outputs);
        let delta = specs.zeros("delta", rows * outputs);
        let flags = specs.zeros("flags", 1);
        let pixel_values = specs.values("pixel values", &model.pixel_values());

        let [center, radius] = equilibrium.center_and_radius().map(|x| x as f32);
        let make_weight = [
            ops::equilibrium::equilibrium_scale::equilibrium_scale(n, v, row_scales),
            ops::equilibrium::equilibrium_weight::equilibrium_weight(
                n,
                [center, radius],
                [v, row_scales],
                weight,
            ),
        ];
        let start = ops::equilibrium::equilibrium_start::equilibrium_start(
            activation,
            [rows, n],
            [a, z],
            iterations,
        );
        let step = |tolerance| {
            let operands = ops::equilibrium::equilibrium_step::Operands {
                product,
                injected,
                bias,
                a,
                z,
                inside,
                residuals,
                iterations,
            };
            [
                matmul(Layout::Nn, [rows, n, n], [z, weight], product),
                ops::equilibrium::equilibrium_step::equilibrium_step(
                    activation,
                    [rows, n],
                    tolerance,
                    operands,
                ),
            ]
        };
        let state = ops::equilibrium::conjugate_start::State {
            inside,
            solution,
            residual,
            direction,
            squares,
        };
        let adjoint = [
            matmul(Layout::Nn, [rows, n, outputs], [delta, head_weight], g),
            ops::equilibrium::conjugate_start::conjugate_start(
                [rows, n],
                [solver.gradient_tolerance, NEGLIGIBLE_SQUARE],
                g,
                state,
            ),
        ];
        let conjugate = [
            matmul(Layout::Nn, [rows, n, n], [direction, weight], product),
            ops::equilibrium::conjugate_step::conjugate_step([rows, n], product, state),
        ];
        let update = |m, n, k, lhs, rhs, parameter| {
            [
                matmul(Layout::Tn, [m, n, k], [lhs, rhs], weight_gradient),
                step_of(m * n, weight_gradient, parameter),
            ]
        };
        let update_bias = |len, delta, parameter| {
            [
                ops::elementwise::bias_gradient::bias_gradient(
                    [1, rows, len],
                    delta,
                    bias_gradient,
                ),
                step_of(len, bias_gradient, parameter),
            ]
        };
        let mut updates = Vec::new();
        updates.extend(update(outputs, n, rows, delta, z, head_weight));
        updates.extend(update_bias(outputs, delta, head_bias));
        updates.extend(update(n, features, rows, solution, x, u));
        updates.extend(update_bias(n, solution, bias));
        updates.extend([
            matmul(Layout::Tn, [n, n, rows], [solution, z], weight_gradient),
            ops::equilibrium::equilibrium_through::equilibrium_through(
                n,
                [weight_gradient, v, row_scales],
                through,
            ),
            ops::equilibrium::equilibrium_update::equilibrium_update(
                n,
                [radius, rate],
                [weight_gradient, row_scales, through],
                v,
            ),
        ]);
        updates.extend(make_weight.clone());
        let lens = [n * features, n, n * n, outputs * n, outputs];
        let check_finite: Vec<Op> = tensors
            .into_iter()
            .zip(lens)
            .map(|(tensor, len)| {
                ops::elementwise::check_finite::check_finite(1, len, tensor, flags)
            })
            .collect();

        let present = [Split::Train, Split::Validation, Split::Test]
            .into_iter()
            .filter(|&split| split != Split::Validation || splits.validation.is_some());
        let mut plans = Vec::new();
        for split in present {
            let data = splits.get(split);
            let samples = data.len();
            let steps = samples.div_ceil(rows);
            let source = specs.source("split", data, pixel_values);
            let targets = specs.targets("split", data);
            let file_order: Vec<u32> = (0..samples as u32).collect();
            let order = specs.values("order", &file_order);
            let uniforms = specs.steps("steps", Step::all(samples, rows));
            let metrics = specs.zeros("metrics", 2 * steps * rows);
            let gather = ops::layer::gather::Operands {
                source,
                order,
                output: x,
            };
            let inject = [
                ops::layer::gather::gather([1, rows, features], 0, gather),
                matmul(Layout::Nt, [rows, n, features], [x, u], injected),
            ];
            let loss = ops::loss::Operands {
                logits,
                targets,
                order,
                delta,
                metrics,
            };
            let loss = [
                matmul(Layout::Nt, [rows, outputs, n], [z, head_weight], logits),
                ops::elementwise::add_bias::add_bias([1, rows, outputs], head_bias, logits),
                ops::loss::loss(Objective::of(model.loss, data), [1, rows, outputs], 0, loss),
            ];
            plans.push((split, samples, order, metrics, uniforms, inject, loss));
        }

        let buffers = Buffers::new(&gpu, &specs.0).await?;
        let program = async |ops: &[Op]| Program::new(&gpu, &buffers, ops, Some(one_step)).await;
        let programs = Programs {
            weight: program(&make_weight).await?,
            start: program(&[start]).await?,
            iterate: program(&step(solver.tolerance)).await?,
            measure: program(&step(f32::MAX)).await?,
            adjoint: program(&adjoint).await?,
            conjugate: program(&conjugate).await?,
            update: program(&updates).await?,
            check_finite: program(&check_finite).await?,
        };
        let mut split_programs = Vec::new();
        for (split, samples, order, metrics, steps, inject, loss) in plans {
            split_programs.push(SplitPrograms {
                split,
                samples,
                order,
                metrics,
                inject: Program::new(&gpu, &buffers, &inject, Some(steps)).await?,
                loss: Program::new(&gpu, &buffers, &loss, Some(steps)).await?,
            });
        }
        let values = parameters.tensors().filter(|tensor| !tensor.is_empty());
        for (values, tensor) in values.zip([u, bias, v, head_weight, head_bias]) {
            buffers.write(&gpu, tensor, bytemuck::cast_slice(values));
        }
        let mut executor = Self {
            gpu,
            equilibrium: equilibrium.clone(),
            sgd,
            buffers,
            ids: Ids {
                tensors,
                flags,
                inside,
                residuals,
                iterations,
                squares,
                logits,
            },
            programs,
            splits: split_programs,
            looks: [STEPS_BETWEEN_LOOKS; 2],
            report: SolverReport::default(),
        };
        executor.programs.weight.run(&mut executor.gpu, 0..1)?;
        Ok(executor)
    }

    /// The solver's statistics since the last call.
    pub fn take_report(&mut self) -> SolverReport {
        std::mem::take(&mut self.report)
    }

    fn split_index(&self, split: Split) -> usize {
        let index = self.splits.iter().position(|s| s.split == split);
        index.expect("a validation split was asked for without one")
    }

    /// Puts the samples of a split into the data's order. Returns the split's index and its number of
    /// steps.
    fn in_file_order(&mut self, split: Split) -> (usize, usize) {
        let index = self.split_index(split);
        let samples = self.splits[index].samples;
        let order: Vec<u32> = (0..samples as u32).collect();
        let order = bytemuck::cast_slice(&order);
        self.buffers
            .write(&self.gpu, self.splits[index].order, order);
        (index, samples.div_ceil(self.sgd.batch_size))
    }

    /// z, logits, loss and dL/dlogits of step `slot`.
    async fn forward(&mut self, index: usize, slot: usize) -> Result<()> {
        let solver = self.equilibrium.solver;
        let split = &self.splits[index];
        split.inject.run(&mut self.gpu, slot..slot + 1)?;
        self.programs.start.run(&mut self.gpu, 0..1)?;
        let mut done = 0;
        let mut next = self.looks[0];
        loop {
            let steps = next.min(solver.max_iterations - done);
            self.programs.iterate.run(&mut self.gpu, 0..steps)?;
            done += steps;
            // These are the residuals of z before the last step; it suffices that they are small.
            let residuals = self.read::<f32>(self.ids.residuals).await?;
            let open = |residual: &f32| *residual > solver.tolerance;
            if done == solver.max_iterations || !residuals.iter().any(open) {
                break;
            }
            next = STEPS_BETWEEN_LOOKS;
        }
        self.programs.measure.run(&mut self.gpu, 0..1)?;
        self.splits[index].loss.run(&mut self.gpu, slot..slot + 1)?;

        let rows = self.sgd.batch_size;
        let count = rows.min(self.splits[index].samples - slot * rows);
        let ids = [self.ids.residuals, self.ids.iterations, self.ids.inside];
        let read = self.buffers.read(&mut self.gpu, &ids).await?;
        let residuals: Vec<f32> = bytemuck::pod_collect_to_vec(&read[0]);
        let iterations: Vec<u32> = bytemuck::pod_collect_to_vec(&read[1]);
        let inside: Vec<f32> = bytemuck::pod_collect_to_vec(&read[2]);
        let most = iterations[..count].iter().copied().max().unwrap_or(0);
        self.looks[0] = (most as usize + 1).min(solver.max_iterations);
        let report = &mut self.report;
        report.samples += count as u64;
        report.most_iterations = report.most_iterations.max(u64::from(most));
        for (residual, iterations) in residuals.iter().zip(&iterations).take(count) {
            report.residuals += f64::from(*residual);
            report.iterations += u64::from(*iterations);
            report.capped += u64::from(*residual > solver.tolerance);
        }
        let of_samples = &inside[..count * self.equilibrium.width()];
        report.at_ends += of_samples.iter().filter(|&&inside| inside == 0.0).count() as u64;
        Ok(())
    }

    /// The hypergradient of the step of the last [`Self::forward`], and SGD.
    async fn backward(&mut self) -> Result<()> {
        let solver = self.equilibrium.solver;
        self.programs.adjoint.run(&mut self.gpu, 0..1)?;
        let mut done = 0;
        let mut next = self.looks[1];
        loop {
            let steps = next.min(solver.max_gradient_iterations - done);
            self.programs.conjugate.run(&mut self.gpu, 0..steps)?;
            done += steps;
            let squares = self.read::<[f32; 2]>(self.ids.squares).await?;
            let open = |[now, enough]: &[f32; 2]| now > enough;
            if done == solver.max_gradient_iterations || !squares.iter().any(open) {
                break;
            }
            next = STEPS_BETWEEN_LOOKS / 2;
        }
        // One step less next time, so that the number can fall.
        self.looks[1] = done.saturating_sub(1).max(1);
        self.report.gradients += 1;
        self.report.gradient_iterations += done as u64;
        self.programs.update.run(&mut self.gpu, 0..1)?;
        Ok(())
    }

    async fn read<T: bytemuck::Pod>(&mut self, id: BufferId) -> Result<Vec<T>> {
        let read = self.buffers.read(&mut self.gpu, &[id]).await?;
        Ok(bytemuck::pod_collect_to_vec(&read[0]))
    }

    /// The metrics of steps `slots` of a split.
    async fn metrics(&mut self, index: usize, slots: Range<usize>) -> Result<Vec<BatchMetrics>> {
        let SplitPrograms {
            samples, metrics, ..
        } = self.splits[index];
        let read = self.buffers.read(&mut self.gpu, &[metrics]).await?;
        let rows = [1, self.sgd.batch_size];
        Ok(batch_metrics(&read[0], rows, samples, slots).remove(0))
    }
}

impl Executor for GpuEquilibrium {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        let index = self.split_index(Split::Train);
        let samples = self.splits[index].samples;
        check_orders(orders, 1, samples)?;
        let order = bytemuck::cast_slice(&orders[0]);
        self.buffers
            .write(&self.gpu, self.splits[index].order, order);
        let count = samples.div_ceil(self.sgd.batch_size);
        let steps = steps.start.min(count)..steps.end.min(count);
        for slot in steps.clone() {
            self.forward(index, slot).await?;
            self.backward().await?;
            progress(slot + 1 - steps.start);
        }
        let mut batches = self.metrics(index, steps.clone()).await?;
        // A parameter can overflow while the loss stays finite; report the last step's loss as NaN then.
        if steps.end == count {
            self.programs.check_finite.run(&mut self.gpu, 0..1)?;
            let flags = self.read::<u32>(self.ids.flags).await?;
            if let Some(last) = batches.last_mut()
                && flags[0] != 0
            {
                last.loss = f64::NAN;
            }
        }
        Ok(vec![batches])
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let (index, steps) = self.in_file_order(split);
        for slot in 0..steps {
            self.forward(index, slot).await?;
        }
        Ok(vec![self.metrics(index, 0..steps).await?])
    }

    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>> {
        let (index, steps) = self.in_file_order(split);
        let outputs = self.equilibrium.model.head.outputs;
        let mut logits = Vec::new();
        for slot in 0..steps {
            self.forward(index, slot).await?;
            logits.extend(self.read::<f32>(self.ids.logits).await?);
        }
        logits.truncate(self.splits[index].samples * outputs);
        Ok(vec![logits])
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        let mut parameters = self.equilibrium.initial(0);
        for (t, id) in self.ids.tensors.into_iter().enumerate() {
            let values = self.read::<f32>(id).await?;
            let mut tensors = parameters.tensors_mut().filter(|tensor| !tensor.is_empty());
            tensors
                .nth(t)
                .expect("five tensors")
                .copy_from_slice(&values);
        }
        Ok(vec![parameters])
    }
}

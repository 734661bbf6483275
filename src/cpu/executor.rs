//! R realizations, one after another, each step on all cores.

use std::ops::Range;
use std::sync::Arc;

use super::cnn::{Batch, Front};
use super::step::Network;
use super::team::{Member, Team};
use super::workspace::Workspace;
use crate::data::{Split, Splits};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, Sgd, check_orders};
use crate::kernels::Isa;
use crate::nn::{Model, Parameters};

/// FLOPs of a step for each thread; with less work, a further thread costs more than it gains.
const FLOPS_PER_THREAD: u64 = 2_000_000;

/// R realizations of a network on the processor.
///
/// The same seed gives the same bits on one machine with any number of threads: no sum depends on
/// how work is divided among them.
pub struct CpuExecutor {
    model: Model,
    splits: Arc<Splits>,
    sgd: Sgd,
    parameters: Vec<Parameters>,
    workspace: Workspace,
    /// The buffers of the convolutions, if there are any.
    front: Option<Front>,
    /// Number of training steps done.
    steps: u32,
    team: Team,
    isa: Isa,
}

impl CpuExecutor {
    /// The network with one set of parameters for each realization, on the number of threads of
    /// rayon's current pool, or fewer if its steps are small.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) or
    /// [`Error::Label`](crate::error::Error::Label) for data or parameters that do not fit;
    /// [`Error::Threads`](crate::error::Error::Threads) if the system does not provide the threads.
    pub fn new(
        model: &Model,
        splits: Arc<Splits>,
        parameters: Vec<Parameters>,
        sgd: Sgd,
    ) -> Result<Self> {
        model.check_splits(&splits)?;
        sgd.check(parameters.len())?;
        for p in &parameters {
            model.check_parameters(p)?;
        }
        let useful = model.step_flops(sgd.batch_size) / FLOPS_PER_THREAD;
        let threads = rayon::current_num_threads().min(useful as usize).max(1);
        Ok(Self {
            model: model.clone(),
            splits,
            sgd,
            parameters,
            workspace: Workspace::new(model, sgd.batch_size),
            front: (model.cnn.as_ref()).map(|cnn| Front::new(cnn, sgd.batch_size)),
            steps: 0,
            team: Team::new(threads)?,
            isa: Isa::widest(),
        })
    }

    /// Number of threads that a step runs on.
    pub fn threads(&self) -> usize {
        self.team.members()
    }

    /// The same executor with elementwise loops for `isa`; their results do not depend on it. The
    /// `gemm` crate chooses its own instructions.
    pub fn on(mut self, isa: Isa) -> Self {
        self.isa = isa;
        self
    }
}

impl Executor for CpuExecutor {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        check_orders(orders, self.parameters.len(), self.splits.train.len())?;
        let mut all = Vec::with_capacity(orders.len());
        let loops = self.model.activation.loops.dense(self.isa);
        let data = &self.splits.train;
        let pixel_values = self.workspace.pixel_values;
        let batch = |indices| Batch {
            data,
            pixel_values: &pixel_values,
            indices,
        };
        let mut finished = 0;
        for (r, (order, p)) in orders.iter().zip(&mut self.parameters).enumerate() {
            let epoch = order.chunks(self.sgd.batch_size);
            let to_the_end = steps.end >= epoch.len();
            let epoch = epoch.take(steps.end).skip(steps.start);
            let mut batches = Vec::with_capacity(epoch.len());
            let (model, rate) = (&self.model, self.sgd.learning_rate);
            let (layers, head) = (&mut p.layers, &mut p.head);
            let network = Network::new(model, loops, rate, layers, head, &mut self.workspace);
            let mut lead = |member: Member<'_>, indices: &[u32], features: Option<&[f32]>| {
                network.forward(member, data, indices, features);
                batches.push(network.metrics(indices.len()));
                network.backward(member, indices.len());
                finished += 1;
                progress(finished / orders.len());
            };
            let follow = |member: Member<'_>, indices: &[u32], features: Option<&[f32]>| {
                network.forward(member, data, indices, features);
                network.backward(member, indices.len());
            };
            if let (Some(cnn), Some(front)) = (&model.cnn, &mut self.front) {
                // The convolutions run on rayon's pool, the team runs the layers only.
                for (step, indices) in (self.steps..).zip(epoch) {
                    let rows = indices.len();
                    let batch = batch(indices);
                    front.forward(cnn, &p.conv, batch, Some((r, step)));
                    let features = Some(&front.features[..]);
                    self.team.run(
                        |member| follow(member, indices, features),
                        |member| lead(member, indices, features),
                    );
                    let len = rows * model.layers[0].inputs;
                    network.feature_gradient(&mut front.delta[..len]);
                    front.backward(cnn, &mut p.conv, rows, rate);
                }
            } else {
                self.team.run(
                    |member| {
                        for indices in epoch.clone() {
                            follow(member, indices, None);
                        }
                    },
                    |member| {
                        for indices in epoch.clone() {
                            lead(member, indices, None);
                        }
                    },
                );
            }
            // A parameter can overflow while the loss stays finite; report the last step's loss as
            // NaN then.
            let mut parameters = p.tensors().flatten();
            if let Some(last) = batches.last_mut()
                && to_the_end
                && !parameters.all(|p| p.is_finite())
            {
                last.loss = f64::NAN;
            }
            all.push(batches);
        }
        self.steps += all[0].len() as u32;
        Ok(all)
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let data = self.splits.get(split);
        let order: Vec<u32> = (0..data.len() as u32).collect();
        let loops = self.model.activation.loops.dense(self.isa);
        let mut all = Vec::with_capacity(self.parameters.len());
        let pixel_values = self.workspace.pixel_values;
        let batch = |indices| Batch {
            data,
            pixel_values: &pixel_values,
            indices,
        };
        for p in &mut self.parameters {
            let batches = order.chunks(self.sgd.batch_size);
            let mut found = Vec::with_capacity(batches.len());
            let (model, rate) = (&self.model, self.sgd.learning_rate);
            let (layers, head) = (&mut p.layers, &mut p.head);
            let network = Network::new(model, loops, rate, layers, head, &mut self.workspace);
            let mut lead = |member: Member<'_>, indices: &[u32], features: Option<&[f32]>| {
                network.forward(member, data, indices, features);
                found.push(network.metrics(indices.len()));
            };
            if let (Some(cnn), Some(front)) = (&model.cnn, &mut self.front) {
                for indices in batches {
                    front.forward(cnn, &p.conv, batch(indices), None);
                    let features = Some(&front.features[..]);
                    self.team.run(
                        |member| network.forward(member, data, indices, features),
                        |member| lead(member, indices, features),
                    );
                }
            } else {
                self.team.run(
                    |member| {
                        for indices in batches.clone() {
                            network.forward(member, data, indices, None);
                        }
                    },
                    |member| {
                        for indices in batches.clone() {
                            lead(member, indices, None);
                        }
                    },
                );
            }
            all.push(found);
        }
        Ok(all)
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(self.parameters.clone())
    }
}

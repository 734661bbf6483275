//! R realizations, one after another; each step runs on all cores.

use std::ops::Range;
use std::sync::Arc;

use super::cnn::{Batch, Front};
use super::predictor::{Forward, useful_threads};
use super::step::{Network, State, scratch_of};
use super::team::{Member, Team};
use super::update::{Updater, square_sum};
use super::workspace::Workspace;
use crate::data::augment::{Augmenter, Augmenting};
use crate::data::{Split, Splits};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, check_moments, check_orders};
use crate::kernels::Isa;
use crate::nn::{LayerParameters, Model, Parameters};
use crate::optim::Recipe;
use crate::threads;

/// R realizations of a network on the processor.
///
/// The same seed gives the same bits on one machine with any number of threads: no sum depends on
/// how work is divided among them.
pub struct CpuExecutor {
    model: Model,
    splits: Arc<Splits>,
    recipe: Recipe,
    parameters: Vec<Parameters>,
    /// The moments of each realization.
    moments: Vec<Vec<Parameters>>,
    workspace: Workspace,
    /// Memory for gradients: of all parameters if their norm is limited, and a part for each member.
    gradient: Option<Parameters>,
    scratch: Vec<f32>,
    /// The buffers of the convolutions, if there are any.
    front: Option<Front>,
    /// Number of training steps done.
    steps: u64,
    augmenter: Option<Augmenter>,
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
        recipe: impl Into<Recipe>,
    ) -> Result<Self> {
        threads::ready()?;
        let recipe = recipe.into();
        model.check_splits(&splits)?;
        recipe.check_run(parameters.len(), &splits.train)?;
        for p in &parameters {
            model.check_parameters(p)?;
        }
        let batch_size = recipe.batch_size;
        let threads = useful_threads(model, batch_size);
        let all_plain = (0..parameters.len()).all(|r| recipe.is_plain(r));
        let zeros = || Parameters::zeros(model);
        // Convolutions sum the gradients of their groups of images before an optimizer uses them.
        let whole_gradient = recipe.clip_norm.is_some() || (model.cnn.is_some() && !all_plain);
        let scratch = match all_plain {
            true => 0,
            false => threads * scratch_of(model),
        };
        Ok(Self {
            model: model.clone(),
            moments: vec![vec![zeros(); recipe.moments()]; parameters.len()],
            parameters,
            workspace: Workspace::new(model, batch_size),
            gradient: whole_gradient.then(|| {
                let mut gradient = zeros();
                if recipe.clip_norm.is_none() {
                    // Those of the convolutions alone.
                    gradient.layers = Vec::new();
                    gradient.head = LayerParameters {
                        weight: Vec::new(),
                        bias: Vec::new(),
                        mix: None,
                    };
                }
                gradient
            }),
            scratch: vec![0.0; scratch],
            front: (model.cnn.as_ref()).map(|cnn| Front::new(cnn, batch_size)),
            steps: recipe.first_step,
            augmenter: (recipe.augmentation)
                .map(|augmentation| Augmenter::new(augmentation, &splits.train))
                .transpose()?,
            recipe,
            splits,
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

    /// The forward pass of each realization on all batches of a split, in the data's order. After each
    /// batch `visit` is called with the realization, its network, and the number of samples of the batch.
    fn forward_all(
        &mut self,
        split: Split,
        visit: &mut (dyn FnMut(usize, &Network<'_>, usize) + Send),
    ) {
        let mut forward = Forward {
            model: &self.model,
            workspace: &mut self.workspace,
            front: self.front.as_mut(),
            team: &self.team,
            isa: self.isa,
        };
        for (r, p) in self.parameters.iter_mut().enumerate() {
            forward.run(p, self.splits.get(split), &mut |network, samples| {
                visit(r, network, samples);
            });
        }
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
        let isa = self.isa;
        let data = &self.splits.train;
        let pixel_values = self.workspace.pixel_values;
        let mut finished = 0;
        let (model, recipe) = (&self.model, &self.recipe);
        let clip_norm = recipe.clip_norm;
        let realizations = self.parameters.iter_mut().zip(&mut self.moments);
        for (r, (order, (p, moments))) in orders.iter().zip(realizations).enumerate() {
            let epoch = order.chunks(recipe.batch_size);
            let steps_of_epoch = epoch.len() as u64;
            let to_the_end = steps.end >= epoch.len();
            let epoch = epoch.take(steps.end).skip(steps.start);
            let mut batches = Vec::with_capacity(epoch.len());
            // Each batch with the numbers of its step.
            let numbered = (self.steps..)
                .zip(epoch.clone())
                .map(|(number, indices)| (indices, recipe.rates(r, number, steps_of_epoch)));
            let updater = (!recipe.is_plain(r)).then(|| Updater::new(recipe, self.isa));
            let mut conv_moments = Vec::new();
            let mut layer_moments = Vec::new();
            for moment in moments.iter_mut() {
                conv_moments.push(&mut moment.conv);
                layer_moments.push((&mut moment.layers[..], &mut moment.head));
            }
            let mut conv_gradient = Vec::new();
            let mut gradient = self.gradient.as_mut();
            if let Some(gradient) = &mut gradient {
                std::mem::swap(&mut conv_gradient, &mut gradient.conv);
            }
            let state = updater.map(|updater| State {
                updater,
                moments: layer_moments,
                clipped: clip_norm.zip(gradient),
                scratch: &mut self.scratch,
            });
            let (layers, head) = (&mut p.layers, &mut p.head);
            let seed = recipe.run(r).seed;
            let augmenting = self.augmenter.as_ref().map(|augmenter| Augmenting {
                augmenter,
                seed,
                epoch: recipe.epoch(self.steps, steps_of_epoch),
            });
            let mut network = Network::new(model, isa, layers, head, state, &mut self.workspace);
            network.augmenting = augmenting;
            let mut lead =
                |member: Member<'_>, indices: &[u32], rates, features: Option<&[f32]>| {
                    network.forward(member, data, indices, features);
                    batches.push(network.metrics(indices.len()));
                    network.backward(member, indices.len(), rates);
                    finished += 1;
                    progress(finished / orders.len());
                };
            let follow = |member: Member<'_>, indices: &[u32], rates, features: Option<&[f32]>| {
                network.forward(member, data, indices, features);
                network.backward(member, indices.len(), rates);
            };
            if let (Some(cnn), Some(front)) = (&model.cnn, &mut self.front) {
                // The convolutions run on rayon's pool, the team runs the layers only.
                for (number, (indices, rates)) in (self.steps..).zip(numbered) {
                    let rows = indices.len();
                    let batch = Batch {
                        data,
                        pixel_values: &pixel_values,
                        augmenting,
                        indices,
                    };
                    front.forward(cnn, &p.conv, batch, Some((seed, number)));
                    let features = Some(&front.features[..]);
                    self.team.run(
                        |member| follow(member, indices, rates, features),
                        |member| lead(member, indices, rates, features),
                    );
                    let len = rows * model.layers[0].shape.inputs;
                    network.feature_gradient(&mut front.delta[..len]);
                    front.backward(cnn, &p.conv, rows);
                    let Some(updater) = &updater else {
                        front.step(&mut p.conv, rows, rates.learning_rate);
                        continue;
                    };
                    front.gradient(&mut conv_gradient, rows);
                    let mut scale = 1.0;
                    if clip_norm.is_some() {
                        let tensors = conv_gradient.iter().flat_map(|g| [&g.weight, &g.bias]);
                        let squares = tensors.map(|tensor| square_sum(tensor)).sum();
                        self.team.run(
                            |member| _ = network.apply_clipped(member, rates, squares),
                            |member| scale = network.apply_clipped(member, rates, squares),
                        );
                    }
                    let numbers = updater.numbers(rates, scale);
                    for (block, (p, g)) in p.conv.iter_mut().zip(&conv_gradient).enumerate() {
                        let moments = conv_moments.iter_mut().map(|moment| &mut moment[block]);
                        let mut blocks: Vec<_> = moments.collect();
                        let mut weights: Vec<_> =
                            blocks.iter_mut().map(|b| &mut b.weight).collect();
                        updater.apply_to_tensor(&mut p.weight, &mut weights, &g.weight, numbers);
                        let mut biases: Vec<_> = blocks.iter_mut().map(|b| &mut b.bias).collect();
                        updater.apply_to_tensor(&mut p.bias, &mut biases, &g.bias, numbers);
                    }
                }
            } else {
                self.team.run(
                    |member| {
                        for (indices, rates) in numbered.clone() {
                            follow(member, indices, rates, None);
                            network.apply_clipped(member, rates, 0.0);
                        }
                    },
                    |member| {
                        for (indices, rates) in numbered.clone() {
                            lead(member, indices, rates, None);
                            network.apply_clipped(member, rates, 0.0);
                        }
                    },
                );
            }
            drop(network);
            if let Some(gradient) = &mut self.gradient {
                gradient.conv = conv_gradient;
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
        self.steps += all[0].len() as u64;
        Ok(all)
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let mut all = vec![Vec::new(); self.parameters.len()];
        self.forward_all(split, &mut |r, network, samples| {
            all[r].push(network.metrics(samples));
        });
        Ok(all)
    }

    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>> {
        let mut all = vec![Vec::new(); self.parameters.len()];
        self.forward_all(split, &mut |r, network, samples| {
            network.append_outputs(None, samples, &mut all[r]);
        });
        Ok(all)
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(self.parameters.clone())
    }

    async fn moments(&mut self) -> Result<Vec<Vec<Parameters>>> {
        Ok(self.moments.clone())
    }

    fn set_moments(&mut self, moments: &[Vec<Parameters>]) -> Result<()> {
        check_moments(moments, self.parameters.len(), self.recipe.moments())?;
        for moment in moments.iter().flatten() {
            self.model.check_parameters(moment)?;
        }
        if !moments.is_empty() {
            self.moments = moments.to_vec();
        }
        Ok(())
    }
}

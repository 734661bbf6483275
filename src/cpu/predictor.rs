//! The forward pass of a network on whole data sets, and predictions.

use super::cnn::{Batch, Front};
use super::step::Network;
use super::team::{Member, Team};
use super::workspace::Workspace;
use crate::data::Dataset;
use crate::error::Result;
use crate::kernels::Isa;
use crate::nn::{Model, Parameters};

/// FLOPs of a step for each thread; with less work, a further thread costs more than it gains.
const FLOPS_PER_THREAD: u64 = 2_000_000;

/// The number of threads, of those of rayon's current pool, that steps on `batch_size` samples keep busy.
pub(super) fn useful_threads(model: &Model, batch_size: usize) -> usize {
    let useful = model.step_flops(batch_size) / FLOPS_PER_THREAD;
    // Queried only if it matters, because the query starts the pool.
    match useful {
        0 | 1 => 1,
        _ => rayon::current_num_threads().min(useful as usize),
    }
}

/// The memory of a forward pass, beside the parameters.
pub(super) struct Forward<'a> {
    pub(super) model: &'a Model,
    pub(super) workspace: &'a mut Workspace,
    pub(super) front: Option<&'a mut Front>,
    pub(super) team: &'a Team,
    pub(super) isa: Isa,
}

impl Forward<'_> {
    /// The forward pass with parameters `p` on all batches of `data`, in their order. After each batch
    /// `visit` is called with the network and the number of samples of the batch.
    pub(super) fn run(
        &mut self,
        p: &mut Parameters,
        data: &Dataset,
        visit: &mut (dyn FnMut(&Network<'_>, usize) + Send),
    ) {
        let order: Vec<u32> = (0..data.len() as u32).collect();
        let batches = order.chunks(self.workspace.batch);
        let pixel_values = self.workspace.pixel_values;
        let (layers, head) = (&mut p.layers, &mut p.head);
        let network = Network::new(self.model, self.isa, layers, head, None, self.workspace);
        let mut lead = |member: Member<'_>, indices: &[u32], features: Option<&[f32]>| {
            network.forward(member, data, indices, features);
            visit(&network, indices.len());
        };
        if let (Some(cnn), Some(front)) = (&self.model.cnn, &mut self.front) {
            for indices in batches {
                let batch = Batch {
                    data,
                    pixel_values: &pixel_values,
                    augmenting: None,
                    indices,
                };
                front.forward(cnn, &p.conv, batch, None);
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
    }
}

/// A trained network, laid out once for predictions.
pub struct Predictor {
    model: Model,
    parameters: Parameters,
    workspace: Workspace,
    front: Option<Front>,
    team: Team,
    isa: Isa,
}

impl Predictor {
    /// The network, laid out for `batch_size` samples at once, on as many threads of rayon's current pool as
    /// that keeps busy; with `alone` on the calling thread.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) for parameters that do not fit;
    /// [`Error::Threads`](crate::error::Error::Threads) if the system does not provide the threads.
    pub fn new(
        model: &Model,
        parameters: Parameters,
        batch_size: usize,
        alone: bool,
    ) -> Result<Self> {
        model.check_parameters(&parameters)?;
        let threads = match alone {
            true => 1,
            false => useful_threads(model, batch_size),
        };
        Ok(Self {
            model: model.clone(),
            parameters,
            workspace: Workspace::new(model, batch_size),
            front: (model.cnn.as_ref()).map(|cnn| Front::new(cnn, batch_size)),
            team: Team::new(threads)?,
            isa: Isa::widest(),
        })
    }

    /// The outputs of hidden layer `layer`, or of the head, for the samples of `data`: (samples, width).
    ///
    /// # Errors
    /// Those of [`Model::check_dataset`].
    ///
    /// # Panics
    /// For a layer that the network does not have.
    pub fn outputs(&mut self, data: &Dataset, layer: Option<usize>) -> Result<Vec<f32>> {
        self.model.check_dataset(data)?;
        let mut all = Vec::new();
        let mut forward = Forward {
            model: &self.model,
            workspace: &mut self.workspace,
            front: self.front.as_mut(),
            team: &self.team,
            isa: self.isa,
        };
        forward.run(&mut self.parameters, data, &mut |network, samples| {
            network.append_outputs(layer, samples, &mut all);
        });
        Ok(all)
    }
}

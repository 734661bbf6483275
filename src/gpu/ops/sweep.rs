//! Whole trainings of small networks, each in one invocation.

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{File, NUMBERS, PAIR, RNG, STEP, wgsl};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::Model;

params! {
    runs: u32, samples: u32, sets: u32, batch: u32, epochs: u32, record_every: u32, random: u32,
    bound: f32, diagonal: f32, head_weight: f32, clamp_low: f32, clamp_high: f32
}

/// The largest number of layers that one invocation holds.
pub const MAX_LAYERS: usize = LAYERS.len();

const LAYERS: [File; 4] = [
    wgsl!("sweep/layers_1"),
    wgsl!("sweep/layers_2"),
    wgsl!("sweep/layers_3"),
    wgsl!("sweep/layers_4"),
];

use crate::kind::KINDS;

/// The file that defines a kind of layer on two neurons.
pub(super) fn kind_file(kind: LayerKind, form: Form) -> File {
    match (kind, form) {
        (LayerKind::Standard, _) => wgsl!("sweep/standard"),
        (LayerKind::Euclidean, _) => wgsl!("sweep/euclidean"),
        (LayerKind::Bregman, Form::Dual) => wgsl!("sweep/bregman_dual"),
        (LayerKind::Bregman, Form::Primal) => wgsl!("sweep/bregman_primal"),
    }
}

/// The kernel for `layers` layers of a kind.
///
/// # Panics
/// If `layers` is 0 or above [`MAX_LAYERS`].
pub fn shader(
    kind: LayerKind,
    form: Form,
    activation: &Activation,
    loss: Loss,
    layers: usize,
) -> Shader {
    let loss = match loss {
        // Sweeps are of classes, which Huber's loss does not take.
        Loss::MeanSquaredError | Loss::Huber => wgsl!("sweep/mse"),
        Loss::CrossEntropy => wgsl!("sweep/cross_entropy"),
    };
    let kind = kind_file(kind, form);
    let files = [LAYERS[layers - 1], kind, loss, PAIR, RNG, STEP, NUMBERS];
    Shader::new(wgsl!("sweep/sweep"), files).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let each = |(kind, form)| {
        Activation::ALL.iter().flat_map(move |activation| {
            Loss::OF_CLASSES.iter().flat_map(move |&loss| {
                (1..=MAX_LAYERS).map(move |layers| shader(kind, form, activation, loss, layers))
            })
        })
    };
    Params::permutations(KINDS.into_iter().flat_map(each))
}

/// Buffers of a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (samples, sets, 2): one set of samples for all runs, or one for each.
    pub points: BufferId,
    /// (samples, sets).
    pub labels: BufferId,
    /// The two words of each run's seed, the lower one first.
    pub seeds: BufferId,
    /// (runs).
    pub learning_rates: BufferId,
    /// (samples, runs).
    pub order: BufferId,
    /// (parameters, runs).
    pub parameters: BufferId,
    /// (records, runs) pairs: the bits of the mean loss, and the count of correct classes.
    pub metrics: BufferId,
}

/// Trains `params.runs` networks for the epochs of a step: `first` epochs are done, `count` follow, and
/// the next record goes to `slot`.
///
/// # Panics
/// Like [`shader`].
pub fn sweep(model: &Model, params: &Params, operands: Operands) -> Op {
    let shader = shader(
        model.layers[0].kind,
        model.layers[0].form,
        model.layers[0].activation,
        model.loss,
        model.layers.len(),
    );
    Op::new(shader, params, Grid::Elements(params.runs as usize))
        .bind("points", operands.points)
        .bind("labels", operands.labels)
        .bind("seeds", operands.seeds)
        .bind("learning_rates", operands.learning_rates)
        .bind("order", operands.order)
        .bind("parameters", operands.parameters)
        .bind("metrics", operands.metrics)
}

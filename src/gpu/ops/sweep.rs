//! Whole trainings of small networks, each by the lanes of a run.

use std::sync::LazyLock;

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::reflect::reflect;
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{File, NUMBERS, PAIR, RNG, STEP, wgsl};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::Model;

params! {
    runs: u32, samples: u32, sets: u32, batch: u32, epochs: u32, record_every: u32, random: u32,
    bound: f32, diagonal: f32, head_weight: f32, clamp_low: f32, clamp_high: f32
}

/// The largest number of layers that an invocation holds.
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

/// The memory that has the order of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The workgroup's, for at most as many samples as its file says.
    Workgroup,
    /// A buffer, for any number of samples.
    Storage,
}

impl Order {
    /// Each memory.
    pub const ALL: [Self; 2] = [Self::Workgroup, Self::Storage];

    /// The one for a number of samples: the workgroup's where they fit.
    pub fn of(samples: usize) -> Self {
        match samples <= SIZES.samples {
            true => Self::Workgroup,
            false => Self::Storage,
        }
    }

    /// Its file.
    fn file(self) -> File {
        match self {
            Self::Workgroup => wgsl!("sweep/order/workgroup"),
            Self::Storage => wgsl!("sweep/order/storage"),
        }
    }
}

/// Numbers that the kernel's files state.
pub(crate) struct Sizes {
    /// Invocations of a run.
    pub lanes: usize,
    /// Runs of a workgroup.
    pub runs: usize,
    /// The most samples whose order is in workgroup memory.
    samples: usize,
}

pub(crate) static SIZES: LazyLock<Sizes> = LazyLock::new(|| {
    let (kind, form) = KINDS[0];
    let (activation, loss) = (&Activation::IDENTITY, Loss::MeanSquaredError);
    let shader = shader(kind, form, activation, loss, 1, Order::Workgroup);
    let constants = reflect(&shader).expect("checked by a test").constants;
    let size = |name: &str| constants[name] as usize;
    Sizes {
        lanes: size("LANES"),
        runs: size("RUNS"),
        samples: size("ORDER_SAMPLES"),
    }
});

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
    order: Order,
) -> Shader {
    let loss = match loss {
        // Sweeps are of classes, which Huber's loss does not take.
        Loss::MeanSquaredError | Loss::Huber => wgsl!("sweep/mse"),
        Loss::CrossEntropy => wgsl!("sweep/cross_entropy"),
    };
    let kind = kind_file(kind, form);
    let (layers, order) = (LAYERS[layers - 1], order.file());
    let files = [layers, kind, loss, order, PAIR, RNG, STEP, NUMBERS];
    Shader::new(wgsl!("sweep/sweep"), files).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let mut shaders = Vec::new();
    for (kind, form) in KINDS {
        for activation in Activation::ALL {
            for &loss in &Loss::OF_CLASSES {
                for layers in 1..=MAX_LAYERS {
                    shaders.extend(
                        Order::ALL.map(|order| shader(kind, form, activation, loss, layers, order)),
                    );
                }
            }
        }
    }
    Params::permutations(shaders)
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
    /// (samples, runs, 2) numbers, where the order of the samples does not fit into workgroup memory.
    pub order: Option<BufferId>,
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
        match operands.order {
            None => Order::Workgroup,
            Some(_) => Order::Storage,
        },
    );
    let groups = (params.runs as usize).div_ceil(SIZES.runs);
    let op = Op::new(shader, params, Grid::Workgroups(groups))
        .bind("points", operands.points)
        .bind("labels", operands.labels)
        .bind("seeds", operands.seeds)
        .bind("learning_rates", operands.learning_rates)
        .bind("parameters", operands.parameters)
        .bind("metrics", operands.metrics);
    match operands.order {
        None => op,
        Some(order) => op.bind("order", order),
    }
}

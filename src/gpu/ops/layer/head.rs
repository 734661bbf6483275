//! The head of a network and the loss, in one dispatch.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::loss::Objective;
use crate::gpu::reflect::reflect;
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{File, MATH, METRICS, NUMBERS, STEP, wgsl};
use crate::nn::LayerShape;

params! { batch: u32, inputs: u32, outputs: u32, order_stride: u32, realizations: u32 }

/// The constants that the kernel's file states.
static CONSTANTS: LazyLock<HashMap<String, u32>> = LazyLock::new(|| {
    let reflection = reflect(&shader(Objective::Values, None, Samples::One));
    reflection.expect("checked by a test").constants
});

/// Whether the kernel takes this number of outputs.
pub fn takes(outputs: usize) -> bool {
    outputs <= CONSTANTS["HEAD_CLASSES"] as usize
}

/// Whether the kernel goes on to δ of the layer below with this number of outputs.
pub fn goes_below(outputs: usize) -> bool {
    outputs <= CONSTANTS["BELOW_CLASSES"] as usize
}

/// The number of samples of a workgroup. Each sample's bits are the same with either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// One, for the shortest time where there are few.
    One,
    /// Four, for the least work where there are many.
    Four,
}

impl Samples {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::One, Self::Four];

    /// The better one for `samples` samples of all realizations together: with four there still is a workgroup
    /// for each processor of a big card.
    pub fn of(samples: usize) -> Self {
        const MANY: usize = 600;
        if samples < MANY {
            Self::One
        } else {
            Self::Four
        }
    }

    fn file(self) -> File {
        match self {
            Self::One => wgsl!("layer/samples/one"),
            Self::Four => wgsl!("layer/samples/four"),
        }
    }

    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }
}

/// The kernel for one objective; `below` is the activation of the layer below, if the kernel goes on to δ of
/// that layer.
pub fn shader(objective: Objective, below: Option<&Activation>, samples: Samples) -> Shader {
    let files = [objective.file(), METRICS, STEP, STORAGE, NUMBERS];
    let files = files.into_iter().chain([samples.file()]);
    let head = wgsl!("layer/head");
    match below {
        Some(activation) => {
            Shader::new(head, files.chain([wgsl!("layer/below/delta")])).with_activation(activation)
        }
        None => Shader::new(head, files.chain([wgsl!("layer/below/none"), MATH])),
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let below = || Activation::ALL.iter().map(Some).chain([None]);
    Params::permutations(Objective::ALL.into_iter().flat_map(|objective| {
        below().flat_map(move |below| Samples::ALL.map(|samples| shader(objective, below, samples)))
    }))
}

/// δ of the layer below.
#[derive(Clone, Copy, Debug)]
pub struct Below<'a> {
    /// That layer's activation.
    pub activation: &'a Activation,
    /// δ, (R, batch, in).
    pub delta: BufferId,
}

/// Buffers of the head.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, in).
    pub z: BufferId,
    /// W, (R, outputs, in).
    pub weight: BufferId,
    /// b, (R, outputs).
    pub bias: BufferId,
    /// As of [`crate::gpu::ops::loss::Operands`].
    pub targets: BufferId,
    /// Sample indices, as for the gather.
    pub order: BufferId,
    /// dL/dlogits, (R, batch, outputs).
    pub delta: BufferId,
    /// As of [`crate::gpu::ops::loss::Operands`].
    pub metrics: BufferId,
}

/// Logits, loss, gradient and metrics of a batch, and δ of the layer below if it is asked for.
///
/// # Panics
/// For more outputs than the kernel [`takes`].
pub fn head(
    objective: Objective,
    [realizations, batch]: [usize; 2],
    layer: &LayerShape,
    order_stride: usize,
    operands: Operands,
    below: Option<Below<'_>>,
    samples: Samples,
) -> Op {
    assert!(takes(layer.outputs), "{layer:?}");
    let params = Params {
        batch: batch as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        order_stride: order_stride as u32,
        realizations: realizations as u32,
    };
    let workgroups = Grid::Workgroups(realizations * batch.div_ceil(samples.count()));
    let activation = below.map(|below| below.activation);
    let op = Op::new(shader(objective, activation, samples), &params, workgroups)
        .bind("z", operands.z)
        .bind("weight", operands.weight)
        .bind("bias", operands.bias)
        .bind("targets", operands.targets)
        .bind("order", operands.order)
        .bind("delta", operands.delta)
        .bind("metrics", operands.metrics);
    match below {
        Some(Below { delta, .. }) => op.bind("below", delta),
        None => op,
    }
}

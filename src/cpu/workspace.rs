//! The memory of a training step, allocated once.

use crate::kernels::LANES;
use crate::kind::LayerKind;
use crate::nn::{Layer, LayerShape, Model};

/// Rows whose distance is a multiple of this number fall into few sets of a cache.
const ALIASING: usize = 256;

/// The columns of a matrix of `batch` samples, in whole blocks of [`LANES`].
pub(super) fn columns(batch: usize) -> usize {
    batch.next_multiple_of(LANES)
}

/// The distance between the rows of a feature-major matrix of `batch` columns.
pub(super) fn stride(batch: usize) -> usize {
    let columns = columns(batch);
    if columns.is_multiple_of(2 * ALIASING) {
        columns + 2 * LANES
    } else {
        columns
    }
}

/// The matrices of a step, allocated once for the full batch; a short batch uses their first columns.
/// All are feature-major, (width, batch), with [`stride`] from one row to the next.
pub(super) struct Workspace {
    pub(super) batch: usize,
    pub(super) pixel_values: [f32; 256],
    /// Behind a front-end, a₀ in dual form, and dL/df; else empty.
    pub(super) input_a: Vec<f32>,
    pub(super) input_delta: Vec<f32>,
    /// z₀ … z_L.
    pub(super) z: Vec<Vec<f32>>,
    /// The dual variable that layer l hands on to the next; empty where it hands on none, or where
    /// it changes the one of the layer below in place.
    pub(super) a: Vec<Vec<f32>>,
    /// Where the layer below hands its dual variable on to one of another activation: that variable within
    /// the bounds of layer l, and ρ of it, which layer l takes for z; else empty.
    pub(super) passed_a: Vec<Vec<f32>>,
    pub(super) passed_z: Vec<Vec<f32>>,
    /// u = Mz, and for Bregman layers the gradient in u; empty where there is no M.
    pub(super) u: Vec<Vec<f32>>,
    pub(super) q: Vec<Vec<f32>>,
    /// (outputs, batch).
    pub(super) logits: Vec<f32>,
    /// dL/da of each layer's output; the head's is the last.
    pub(super) delta: Vec<Vec<f32>>,
    /// The loss of each sample, and 1 if it was classified correctly, else 0; (2, batch).
    pub(super) outcomes: Vec<f32>,
}

impl Workspace {
    pub(super) fn new(model: &Model, batch: usize) -> Self {
        let stride = stride(batch);
        let matrix = |width: usize| vec![0.0; width * stride];
        let outputs = |shape: &LayerShape| matrix(shape.outputs);
        let if_needed = |needed: bool, shape: &LayerShape| match needed {
            true => outputs(shape),
            false => vec![],
        };
        let layers = &model.layers;
        let own_dual = |(l, layer): (usize, &Layer)| {
            let in_place = model.carries_dual(l) && !layer.limits_dual();
            if_needed(model.hands_on_dual(l) && !in_place, &layer.shape)
        };
        let if_passed = |l: usize| match model.passes_dual(l) {
            true => matrix(layers[l].shape.inputs),
            false => vec![],
        };
        let input = matrix(layers[0].shape.inputs);
        let if_front = |needed: bool| match needed && model.cnn.is_some() {
            true => input.clone(),
            false => vec![],
        };
        Self {
            batch,
            pixel_values: model.pixel_values(),
            input_a: if_front(layers[0].is_dual()),
            input_delta: if_front(true),
            z: std::iter::once(input)
                .chain(layers.iter().map(|layer| outputs(&layer.shape)))
                .collect(),
            a: layers.iter().enumerate().map(own_dual).collect(),
            passed_z: (0..layers.len()).map(if_passed).collect(),
            passed_a: (0..layers.len()).map(if_passed).collect(),
            u: (layers.iter())
                .map(|layer| if_needed(layer.shape.mix, &layer.shape))
                .collect(),
            q: (layers.iter())
                .map(|layer| {
                    let differs = layer.shape.mix && layer.kind == LayerKind::Bregman;
                    if_needed(differs, &layer.shape)
                })
                .collect(),
            logits: outputs(&model.head),
            delta: model.shapes().map(outputs).collect(),
            outcomes: matrix(2),
        }
    }
}

//! Initial parameters.

use super::layer::LayerShape;
use super::model::Model;
use super::parameters::Parameters;
use super::simplex::project_simplex;
use crate::kind::{Init, LayerKind};
use crate::rng::{Purpose, Stream};

impl Init {
    /// Initial parameters of one realization. They depend on the model, the method and the seed only.
    pub fn parameters(self, model: &Model, seed: u64) -> Parameters {
        let mut parameters = Parameters::zeros(model);
        match self {
            Self::Random => random(model, seed, &mut parameters),
            Self::Deterministic => {
                random(model, seed, &mut parameters);
                deterministic(model, &mut parameters);
            }
        }
        parameters
    }
}

fn random(model: &Model, seed: u64, parameters: &mut Parameters) {
    let shapes = model.tensors();
    let convolutions = model.cnn.iter().flat_map(|cnn| &cnn.blocks);
    let convolutions: Vec<LayerShape> = convolutions.map(|block| block.conv.matrix()).collect();
    let fan_ins = convolutions
        .iter()
        .chain(model.shapes())
        .flat_map(|layer| std::iter::repeat_n(layer.inputs, if layer.mix { 3 } else { 2 }));
    for (t, ((tensor, shape), fan_in)) in parameters
        .tensors_mut()
        .zip(&shapes)
        .zip(fan_ins)
        .enumerate()
    {
        let stream = Stream::new(seed, Purpose::Init, t as u32);
        let bound = 1.0 / (fan_in as f32).sqrt();
        for (i, value) in tensor.iter_mut().enumerate() {
            *value = (2.0 * stream.uniform(i as u64) - 1.0) * bound;
        }
        if shape.name.ends_with(".mix") {
            tensor.chunks_exact_mut(fan_in).for_each(project_simplex);
        }
    }
}

fn deterministic(model: &Model, parameters: &mut Parameters) {
    for (layer, p) in model.layers.iter().zip(&mut parameters.layers) {
        p.weight.fill(0.0);
        p.bias.fill(0.0);
        let shape = &layer.shape;
        if layer.kind == LayerKind::Standard {
            for i in 0..shape.inputs.min(shape.outputs) {
                p.weight[i * shape.inputs + i] = 1.0;
            }
        }
        if let Some(mix) = &mut p.mix {
            mix.fill(1.0 / shape.inputs as f32);
        }
    }
    parameters.head.weight.fill(1.0 / model.head.inputs as f32);
    parameters.head.bias.fill(0.0);
}

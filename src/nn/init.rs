//! Initial parameters.

use super::{Layer, LayerKind, Model, Parameters, project_simplex};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// How parameters start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// W and b from U(±1/√in) (PyTorch's); M the projection of the same onto the simplex.
    Random,
    /// W = eye for standard, 0 for Euclidean and Bregman; b = 0; M = 1/in; head W = 1/in, b = 0.
    /// Convolutions start as in `Random`: filters that are all alike would stay so.
    Deterministic,
}

impl Init {
    /// Every value.
    pub const ALL: &'static [Self] = &[Self::Random, Self::Deterministic];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Deterministic => "deterministic",
        }
    }

    /// The value called `name`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the names that exist.
    pub fn by_name(name: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|v| v.name() == name)
            .ok_or_else(|| Error::UnknownName {
                kind: "init",
                name: name.to_owned(),
                known: "random, deterministic".to_owned(),
            })
    }

    /// Initial parameters of one realization: a function of the model, the way and the seed alone.
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
    let convolutions: Vec<Layer> = convolutions.map(|block| block.conv.matrix()).collect();
    let fan_ins = convolutions
        .iter()
        .chain(&model.layers)
        .chain([&model.head])
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
        if model.kind == LayerKind::Standard {
            for i in 0..layer.inputs.min(layer.outputs) {
                p.weight[i * layer.inputs + i] = 1.0;
            }
        }
        if let Some(mix) = &mut p.mix {
            mix.fill(1.0 / layer.inputs as f32);
        }
    }
    parameters.head.weight.fill(1.0 / model.head.inputs as f32);
    parameters.head.bias.fill(0.0);
}

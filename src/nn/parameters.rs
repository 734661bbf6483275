//! Parameters of one realization.

use super::layer::LayerShape;

/// Parameters of one layer, or gradients of the same shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerParameters<T> {
    /// W, (out, in), row-major.
    pub weight: Vec<T>,
    /// b, (out).
    pub bias: Vec<T>,
    /// M, (out, in), each row on the probability simplex, if the skip changes width.
    pub mix: Option<Vec<T>>,
}

/// Parameters of one realization of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters<T = f32> {
    /// The convolutions' parameters: weights (filters, channels, kernel, kernel), no M.
    pub conv: Vec<LayerParameters<T>>,
    /// The hidden layers' parameters.
    pub layers: Vec<LayerParameters<T>>,
    /// The head's parameters.
    pub head: LayerParameters<T>,
}

impl<T: Copy + Default> LayerParameters<T> {
    /// All zeros, in the shapes of `layer`.
    pub(super) fn zeros(layer: &LayerShape) -> Self {
        let matrix = vec![T::default(); layer.outputs * layer.inputs];
        Self {
            mix: layer.mix.then(|| matrix.clone()),
            weight: matrix,
            bias: vec![T::default(); layer.outputs],
        }
    }

    fn map<U>(&self, f: &impl Fn(T) -> U) -> LayerParameters<U> {
        let map = |tensor: &Vec<T>| tensor.iter().map(|&x| f(x)).collect();
        LayerParameters {
            weight: map(&self.weight),
            bias: map(&self.bias),
            mix: self.mix.as_ref().map(map),
        }
    }
}

impl<T: Copy + Default> Parameters<T> {
    /// The same parameters in another number type.
    pub fn map<U>(&self, f: impl Fn(T) -> U) -> Parameters<U> {
        Parameters {
            conv: self.conv.iter().map(|l| l.map(&f)).collect(),
            layers: self.layers.iter().map(|l| l.map(&f)).collect(),
            head: self.head.map(&f),
        }
    }

    fn all(&self) -> impl Iterator<Item = &LayerParameters<T>> {
        self.conv.iter().chain(&self.layers).chain([&self.head])
    }

    /// The tensors in the canonical order of [`Model::tensors`](super::Model::tensors).
    pub fn tensors(&self) -> impl Iterator<Item = &Vec<T>> {
        self.all().flat_map(|l| {
            [Some(&l.weight), Some(&l.bias), l.mix.as_ref()]
                .into_iter()
                .flatten()
        })
    }

    /// The tensors, mutable, in the canonical order of [`Model::tensors`](super::Model::tensors).
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut Vec<T>> {
        self.conv
            .iter_mut()
            .chain(&mut self.layers)
            .chain([&mut self.head])
            .flat_map(|l| {
                [Some(&mut l.weight), Some(&mut l.bias), l.mix.as_mut()]
                    .into_iter()
                    .flatten()
            })
    }
}

//! Shapes of layers and tensors.

/// A dense layer's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Whether the skip goes through M, (outputs, inputs), each row on the probability simplex.
    pub mix: bool,
}

/// A tensor's name (PyTorch's) and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Shape {
    /// `layers.0.weight`, `head.bias`, ….
    pub name: String,
    /// Row-major dimensions.
    pub dims: Vec<usize>,
}

//! Hidden layers, and the shapes of layers and tensors.

use crate::activation::Activation;
use crate::kind::{Form, LayerKind};

/// The shape of a dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Whether the skip goes through M, (outputs, inputs), each row on the probability simplex.
    pub mix: bool,
}

/// The description of a hidden layer without the width of its input, which follows from the layer
/// below.
///
/// # Layers that differ
///
/// A Bregman layer z′ = ρ(ρ⁻¹(z) + Wz + b) has its own ρ on both sides, while z comes from the layer
/// below, with the activation of that one. The variable that passes from one to the next depends on both:
///
/// - The activations are the same, and both layers are Bregman layers in dual form: the dual variable a
///   is carried, and ρ⁻¹ is not computed.
/// - The range of the activation below lies within the range of ρ: u = z (or Mz) is clamped, and the layer
///   starts from ρ⁻¹(u). The dual variable of another activation cannot be carried.
/// - Other ranges need a *dual passage* ([`Self::dual_passage`]): the dual variable of the layer below,
///   a = ρ_below⁻¹(z), is taken for that of this layer, and u = ρ(a) stands for z in the skip path, in Wz and
///   in Mz. With W = 0 and b = 0 such a layer passes a on, not z.
///
/// Standard and Euclidean layers have no inverse, so they take any z.
#[derive(Clone, Copy, Debug)]
pub struct LayerSpec {
    /// Width of the output.
    pub width: usize,
    /// Standard, Euclidean or Bregman.
    pub kind: LayerKind,
    /// The form of a Bregman layer.
    pub form: Form,
    /// ρ.
    pub activation: &'static Activation,
    /// Whether a Bregman layer takes the dual variable of the layer below, a = ρ_below⁻¹(z), for its
    /// own: u = ρ(a) then stands for z. Without it the range of the layer below must lie within the
    /// range of ρ. Between layers of one activation it changes nothing. A layer in primal form clamps u
    /// before it takes ρ⁻¹, as it does with every z.
    pub dual_passage: bool,
}

impl LayerSpec {
    /// A layer that takes z from below unchanged.
    pub const fn new(
        kind: LayerKind,
        form: Form,
        activation: &'static Activation,
        width: usize,
    ) -> Self {
        Self {
            width,
            kind,
            form,
            activation,
            dual_passage: false,
        }
    }
}

/// A hidden layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// Widths, and whether there is an M.
    pub shape: LayerShape,
    /// Standard, Euclidean or Bregman.
    pub kind: LayerKind,
    /// The form of a Bregman layer.
    pub form: Form,
    /// ρ.
    pub activation: &'static Activation,
    /// The interval to which every argument of ρ⁻¹ is clamped.
    pub clamp: [f32; 2],
    /// See [`LayerSpec::dual_passage`].
    pub dual_passage: bool,
}

impl Layer {
    /// The layer of `spec` on inputs of width `inputs`, with the activation's own clamp, above a layer with
    /// the activation `below`.
    pub(super) fn new(spec: &LayerSpec, inputs: usize, below: Option<&Activation>) -> Self {
        Self {
            shape: LayerShape {
                inputs,
                outputs: spec.width,
                mix: spec.kind != LayerKind::Standard && inputs != spec.width,
            },
            kind: spec.kind,
            form: spec.form,
            activation: spec.activation,
            clamp: spec.activation.clamp,
            // Between layers of one activation a passage changes nothing.
            dual_passage: spec.dual_passage
                && below.is_some_and(|below| !same(below, spec.activation)),
        }
    }

    /// Its description. The clamp is not a part of it.
    pub fn spec(&self) -> LayerSpec {
        LayerSpec {
            width: self.shape.outputs,
            kind: self.kind,
            form: self.form,
            activation: self.activation,
            dual_passage: self.dual_passage,
        }
    }

    /// Whether the layer computes its dual variable a beside z.
    pub fn is_dual(&self) -> bool {
        self.kind == LayerKind::Bregman && self.form == Form::Dual
    }

    /// Whether ρ limits the dual variable, as sin does.
    pub fn limits_dual(&self) -> bool {
        self.activation.dual_max < f32::MAX
    }

    /// Whether both layers have the same activation.
    pub fn same_activation(&self, other: &Self) -> bool {
        same(self.activation, other.activation)
    }

    /// Whether both layers differ in their shapes at most.
    pub(super) fn same_settings(&self, other: &Self) -> bool {
        let settings = |layer: &Self| {
            // Only Bregman layers have two forms.
            let form = (layer.kind == LayerKind::Bregman).then_some(layer.form);
            (layer.kind, form, layer.dual_passage, layer.clamp)
        };
        self.same_activation(other) && settings(self) == settings(other)
    }
}

/// Whether two activations are one. A user's own may bear the name of another.
fn same(one: &Activation, other: &Activation) -> bool {
    one.name == other.name && one.wgsl == other.wgsl
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

//! Describing a network layer by layer.

use super::cnn::Cnn;
use super::layer::LayerSpec;
use super::model::Model;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::kind::{Form, LayerKind, Loss};

/// The field of a dual passage in errors.
const PASSAGE: &str = "dual_passage";

/// A network that is being described; [`Model::input`] begins it.
///
/// [`Self::activation`] and [`Self::form`] hold for the layers after them. Before them layers have tanh,
/// and Bregman layers are dual.
#[derive(Clone, Debug)]
#[must_use = "`build` makes the network"]
pub struct ModelBuilder {
    inputs: usize,
    cnn: Option<Cnn>,
    range: Option<[f32; 2]>,
    activation: &'static Activation,
    form: Form,
    layers: Vec<LayerSpec>,
    /// A method that was called before it had a layer to act on, and its requirement.
    idle: Option<(&'static str, &'static str)>,
    /// The number of outputs, and the loss that belongs to their kind.
    outputs: Option<(usize, Loss)>,
    loss: Option<Loss>,
}

impl Model {
    /// Begins the description of a network for samples of `inputs` features.
    ///
    /// ```
    /// use bregman::prelude::*;
    ///
    /// // A standard layer, then two Bregman layers; the second has a trained M.
    /// let model = Model::input(784).standard(128).bregman(128).bregman(64).classes(10).build()?;
    /// assert_eq!(model.layers.len(), 3);
    /// assert!(!model.layers[1].shape.mix && model.layers[2].shape.mix);
    ///
    /// // Softplus does not take values from tanh's range, but it takes the dual variable.
    /// let layers = Model::input(8).bregman(8).activation(&Activation::SOFTPLUS).bregman(8);
    /// assert!(layers.clone().outputs(1).build().is_err());
    /// assert!(layers.dual_passage().outputs(1).build().is_ok());
    /// # Ok::<(), bregman::error::Error>(())
    /// ```
    pub fn input(inputs: usize) -> ModelBuilder {
        ModelBuilder {
            inputs,
            cnn: None,
            range: None,
            activation: &Activation::TANH,
            form: Form::Dual,
            layers: Vec::new(),
            idle: None,
            outputs: None,
            loss: None,
        }
    }
}

impl ModelBuilder {
    /// Maps bytes 0…255 of the samples to [low, high], which must lie within the range of the first
    /// layer's ρ. Numbers are taken unchanged. By default it is [`Activation::input_range`].
    pub fn range(mut self, low: f32, high: f32) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// Convolutions before the layers.
    pub fn convolutions(mut self, cnn: Cnn) -> Self {
        self.cnn = Some(cnn);
        self
    }

    /// Records that `field` has no layer yet. A misplaced passage remains the fault.
    fn waiting(mut self, field: &'static str) -> Self {
        let reason = "it holds for the layers after it, and there is none";
        self.idle = match self.idle {
            Some((PASSAGE, reason)) => Some((PASSAGE, reason)),
            _ => Some((field, reason)),
        };
        self
    }

    /// ρ of the layers that follow.
    pub fn activation(mut self, activation: &'static Activation) -> Self {
        self.activation = activation;
        self.waiting("activation")
    }

    /// The form of the Bregman layers that follow.
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self.waiting("form")
    }

    /// A standard layer of `width` neurons: ρ(Wz + b).
    pub fn standard(self, width: usize) -> Self {
        self.layer(LayerKind::Standard, width)
    }

    /// A Euclidean layer of `width` neurons: ρ(z + Wz + b).
    pub fn euclidean(self, width: usize) -> Self {
        self.layer(LayerKind::Euclidean, width)
    }

    /// A Bregman layer of `width` neurons: ρ(ρ⁻¹(z) + Wz + b).
    pub fn bregman(self, width: usize) -> Self {
        self.layer(LayerKind::Bregman, width)
    }

    /// A layer of `width` neurons of this kind.
    pub fn layer(mut self, kind: LayerKind, width: usize) -> Self {
        let spec = LayerSpec::new(kind, self.form, self.activation, width);
        self.layers.push(spec);
        if self.idle.is_some_and(|(field, _)| field != PASSAGE) {
            self.idle = None;
        }
        self
    }

    /// The layer just added takes the dual variable of the layer below for its own; see
    /// [`LayerSpec::dual_passage`].
    pub fn dual_passage(mut self) -> Self {
        match self.layers.last_mut() {
            Some(layer) => layer.dual_passage = true,
            None => {
                let reason = "it belongs to the layer before it, and there is none";
                self.idle = Some((PASSAGE, reason));
            }
        }
        self
    }

    /// One output for each of `classes` classes, trained by cross-entropy unless [`Self::loss`] says
    /// otherwise.
    pub fn classes(mut self, classes: usize) -> Self {
        self.outputs = Some((classes, Loss::CrossEntropy));
        self
    }

    /// `outputs` numbers, trained by mean squared error unless [`Self::loss`] says otherwise.
    pub fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = Some((outputs, Loss::MeanSquaredError));
        self
    }

    /// The loss that training minimises.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = Some(loss);
        self
    }

    /// The network.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] without classes or outputs, for a dual passage before any layer, for an
    /// activation or a form that no layer follows, and for an input range outside the range of ρ; [`Error::Shape`] for convolutions that take another number of
    /// features; and those of [`Model::from_layers`].
    pub fn build(self) -> Result<Model> {
        let missing = |field, reason: &str| Error::InvalidValue {
            field,
            value: "none".to_owned(),
            reason: reason.to_owned(),
        };
        let Some((outputs, usual)) = self.outputs else {
            let reason = "a network ends with `classes` or `outputs`";
            return Err(missing("outputs", reason));
        };
        let loss = self.loss.unwrap_or(usual);
        // Without layers, that is the fault.
        if let Some((field, reason)) = self.idle.filter(|_| !self.layers.is_empty()) {
            return Err(missing(field, reason));
        }
        let features = match &self.cnn {
            None => self.inputs,
            Some(cnn) if cnn.inputs() == self.inputs => cnn.features(),
            Some(cnn) => {
                return Err(Error::Shape {
                    operation: "inputs of the convolutions".to_owned(),
                    expected: vec![self.inputs],
                    found: vec![cnn.inputs()],
                });
            }
        };
        let mut model = Model::from_layers(features, &self.layers, loss, outputs)?;
        if let Some(cnn) = self.cnn {
            model = model.with_cnn(cnn)?;
        }
        match self.range {
            Some([low, high]) => model.with_input_range(low, high),
            None => Ok(model),
        }
    }
}

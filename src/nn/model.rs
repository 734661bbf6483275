//! The description of a network.

use super::cnn::Cnn;
use super::layer::{Layer, Shape};
use super::parameters::{LayerParameters, Parameters};
use crate::activation::Activation;
use crate::data::{Dataset, Inputs, Splits, Targets};
use crate::error::{Error, Result};
use crate::kind::{Form, LayerKind, Loss};

/// A network: hidden layers of one kind, then a linear head.
#[derive(Clone, Debug)]
pub struct Model {
    /// The kind of the hidden layers.
    pub kind: LayerKind,
    /// The form of Bregman layers.
    pub form: Form,
    /// ρ.
    pub activation: &'static Activation,
    /// The loss that training minimises.
    pub loss: Loss,
    /// The interval to which every argument of ρ⁻¹ is clamped.
    pub clamp: [f32; 2],
    /// [low, high]: a pixel p of 0…255 becomes the input low + p/255 · (high − low).
    pub input_range: [f32; 2],
    /// The convolutional front-end, if there is one.
    pub cnn: Option<Cnn>,
    /// The hidden layers, first to last; at least one.
    pub layers: Vec<Layer>,
    /// The linear layer after them, without skip.
    pub head: Layer,
}

impl Model {
    /// A network with input width `widths[0]`, hidden widths `widths[1..]` and `outputs` outputs. Clamp
    /// and input range are the activation's defaults.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a width of zero, no hidden layer, or cross-entropy over fewer than
    /// two outputs.
    pub fn new(
        kind: LayerKind,
        form: Form,
        activation: &'static Activation,
        loss: Loss,
        widths: &[usize],
        outputs: usize,
    ) -> Result<Self> {
        let invalid = |field, value: usize, reason: &str| Error::InvalidValue {
            field,
            value: value.to_string(),
            reason: reason.to_owned(),
        };
        if widths.len() < 2 {
            return Err(invalid(
                "hidden_layers",
                0,
                "a network has at least one hidden layer",
            ));
        }
        if widths.contains(&0) {
            return Err(invalid("width", 0, "a layer has at least one neuron"));
        }
        let fewest = if loss == Loss::CrossEntropy { 2 } else { 1 };
        if outputs < fewest {
            return Err(invalid("outputs", outputs, "too few for this loss"));
        }
        let layers: Vec<Layer> = widths
            .windows(2)
            .map(|w| Layer {
                inputs: w[0],
                outputs: w[1],
                mix: kind != LayerKind::Standard && w[0] != w[1],
            })
            .collect();
        let head = Layer {
            inputs: widths[widths.len() - 1],
            outputs,
            mix: false,
        };
        Ok(Self {
            kind,
            form,
            activation,
            loss,
            clamp: activation.clamp,
            input_range: activation.input_range,
            cnn: None,
            layers,
            head,
        })
    }

    /// The same network with inputs mapped to [low, high].
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless low < high are finite and within the closed range of ρ.
    pub fn with_input_range(mut self, low: f32, high: f32) -> Result<Self> {
        let [min, max] = self.activation.range;
        let inside = f64::from(low) >= min && f64::from(high) <= max;
        if !(low.is_finite() && high.is_finite() && low < high && inside) {
            return Err(Error::InvalidValue {
                field: "input_range",
                value: format!("{low},{high}"),
                reason: format!(
                    "low < high must be finite and within the range of {}, [{min}, {max}]",
                    self.activation.name
                ),
            });
        }
        self.input_range = [low, high];
        Ok(self)
    }

    /// The same network with a convolutional front-end.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the first hidden layer takes as many inputs as there are features.
    pub fn with_cnn(mut self, cnn: Cnn) -> Result<Self> {
        let (features, inputs) = (cnn.features(), self.layers[0].inputs);
        if features != inputs {
            return Err(Error::Shape {
                operation: "features of the front-end".to_owned(),
                expected: vec![inputs],
                found: vec![features],
            });
        }
        self.cnn = Some(cnn);
        Ok(self)
    }

    /// Whether layer `l` receives the dual variable from below: from a layer of the same width, or from
    /// the front-end, whose features are the dual variable.
    pub fn carries_dual(&self, l: usize) -> bool {
        self.is_dual() && !self.layers[l].mix && (l > 0 || self.cnn.is_some())
    }

    /// Whether the network carries the dual variable a beside z.
    pub fn is_dual(&self) -> bool {
        self.kind == LayerKind::Bregman && self.form == Form::Dual
    }

    /// Number of features of one sample.
    pub fn inputs(&self) -> usize {
        self.cnn.as_ref().map_or(self.layers[0].inputs, Cnn::inputs)
    }

    /// The input value of each pixel 0…255. Every executor reads this table, so that inputs are equal bit
    /// for bit.
    pub fn pixel_values(&self) -> [f32; 256] {
        let [low, high] = self.input_range;
        let range = f64::from(high) - f64::from(low);
        std::array::from_fn(|p| (f64::from(low) + p as f64 / 255.0 * range) as f32)
            .map(|value: f32| value.clamp(low, high))
    }

    /// The tensors of the parameters, in canonical order: per convolution weight (filters, channels,
    /// kernel, kernel) and bias (filters); per layer weight (out, in), bias (out)
    /// and, where there is one, mix (out, in); then the head's weight and bias.
    pub fn tensors(&self) -> Vec<Shape> {
        let mut tensors = Vec::new();
        for (number, block) in self.cnn.iter().flat_map(|cnn| &cnn.blocks).enumerate() {
            let conv = &block.conv;
            let [height, width] = conv.kernel;
            tensors.push(Shape {
                name: format!("conv.{number}.weight"),
                dims: vec![conv.filters, conv.channels, height, width],
            });
            tensors.push(Shape {
                name: format!("conv.{number}.bias"),
                dims: vec![conv.filters],
            });
        }
        let mut push = |prefix: String, layer: &Layer| {
            let matrix = vec![layer.outputs, layer.inputs];
            tensors.push(Shape {
                name: format!("{prefix}.weight"),
                dims: matrix.clone(),
            });
            tensors.push(Shape {
                name: format!("{prefix}.bias"),
                dims: vec![layer.outputs],
            });
            if layer.mix {
                tensors.push(Shape {
                    name: format!("{prefix}.mix"),
                    dims: matrix,
                });
            }
        };
        for (l, layer) in self.layers.iter().enumerate() {
            push(format!("layers.{l}"), layer);
        }
        push("head".to_owned(), &self.head);
        tensors
    }

    /// Number of trained parameters of one realization.
    pub fn parameter_count(&self) -> usize {
        self.tensors()
            .iter()
            .map(|t| t.dims.iter().product::<usize>())
            .sum()
    }

    /// FLOPs of the matrix products of one training step on `batch` samples: 2mnk each for the forward
    /// pass, the weight gradient and the input gradient, which a first layer on pixels does not need.
    pub fn step_flops(&self, batch: usize) -> u64 {
        let product = |layer: &Layer| 2 * (batch * layer.inputs * layer.outputs) as u64;
        let layer_flops = |(l, layer): (usize, &Layer)| {
            let products = if l == 0 && self.cnn.is_none() { 2 } else { 3 };
            product(layer) * products * if layer.mix { 2 } else { 1 }
        };
        let convolutions = self.cnn.as_ref().map_or(0, Cnn::step_flops) * batch as u64;
        let layers: u64 = self.layers.iter().enumerate().map(layer_flops).sum();
        convolutions + layers + 3 * product(&self.head)
    }

    /// Fails unless `data` fits this network.
    ///
    /// # Errors
    /// [`Error::Shape`] for a different number of features or of values, or no samples, [`Error::Label`]
    /// for a label that is not a class, [`Error::InvalidValue`] for values under cross-entropy and for
    /// numbers outside the range of ρ, where a first Bregman layer takes their inverse.
    pub fn check_dataset(&self, data: &Dataset) -> Result<()> {
        if data.features() != self.inputs() || data.is_empty() {
            return Err(Error::Shape {
                operation: format!("samples of {}", data.name),
                expected: vec![data.len().max(1), self.inputs()],
                found: vec![data.len(), data.features()],
            });
        }
        self.check_inputs(data)?;
        let labels = match &data.targets {
            Targets::Classes(labels) => labels,
            Targets::Values(_) if self.loss == Loss::CrossEntropy => {
                return Err(Error::InvalidValue {
                    field: "loss",
                    value: self.loss.name().to_owned(),
                    reason: format!("the targets of {} are numbers; mse takes them", data.name),
                });
            }
            Targets::Values(_) if data.classes == self.head.outputs => return Ok(()),
            Targets::Values(_) => {
                return Err(Error::Shape {
                    operation: format!("values of a sample of {}", data.name),
                    expected: vec![self.head.outputs],
                    found: vec![data.classes],
                });
            }
        };
        // One output distinguishes two classes.
        let classes = self.head.outputs.max(2);
        let misfit = labels.iter().position(|&label| label as usize >= classes);
        misfit.map_or(Ok(()), |sample| {
            Err(Error::Label {
                dataset: data.name.clone(),
                sample,
                label: labels[sample],
                classes,
            })
        })
    }

    /// Fails if `data` has numbers that the first layer cannot take.
    fn check_inputs(&self, data: &Dataset) -> Result<()> {
        let Inputs::Numbers(numbers) = &data.inputs else {
            return Ok(());
        };
        let bounded = self.kind == LayerKind::Bregman && self.cnn.is_none();
        let [min, max] = match bounded {
            true => self.activation.range,
            false => [f64::NEG_INFINITY, f64::INFINITY],
        };
        let fits = |&number: &f32| number.is_finite() && (min..=max).contains(&f64::from(number));
        match numbers.iter().position(|number| !fits(number)) {
            None => Ok(()),
            Some(at) => Err(Error::InvalidValue {
                field: "features",
                value: numbers[at].to_string(),
                reason: format!(
                    "sample {} of {} has it as feature {}; the first layer takes finite numbers within \
                     [{min}, {max}], so scale the features into that range",
                    at / data.features(),
                    data.name,
                    at % data.features(),
                ),
            }),
        }
    }

    /// Fails unless every split fits this network; see [`Self::check_dataset`].
    ///
    /// # Errors
    /// Those of [`Self::check_dataset`].
    pub fn check_splits(&self, splits: &Splits) -> Result<()> {
        let all = [
            Some(&splits.train),
            splits.validation.as_ref(),
            Some(&splits.test),
        ];
        all.into_iter()
            .flatten()
            .try_for_each(|data| self.check_dataset(data))
    }

    /// Fails unless `parameters` have this network's shapes.
    ///
    /// # Errors
    /// [`Error::Shape`] with the name of the first tensor that does not fit.
    pub fn check_parameters(&self, parameters: &Parameters) -> Result<()> {
        let shapes = self.tensors();
        let lens: Vec<usize> = parameters.tensors().map(Vec::len).collect();
        if lens.len() != shapes.len() {
            return Err(Error::Shape {
                operation: "number of tensors".to_owned(),
                expected: vec![shapes.len()],
                found: vec![lens.len()],
            });
        }
        let misfit = shapes
            .into_iter()
            .zip(lens)
            .find(|(s, len)| s.dims.iter().product::<usize>() != *len);
        misfit.map_or(Ok(()), |(shape, len)| {
            Err(Error::Shape {
                operation: shape.name,
                expected: shape.dims,
                found: vec![len],
            })
        })
    }
}

impl<T: Copy + Default> Parameters<T> {
    /// All zeros, in the shapes of `model`.
    pub fn zeros(model: &Model) -> Self {
        let blocks = model.cnn.iter().flat_map(|cnn| &cnn.blocks);
        Self {
            conv: blocks
                .map(|block| LayerParameters::zeros(&block.conv.matrix()))
                .collect(),
            layers: model.layers.iter().map(LayerParameters::zeros).collect(),
            head: LayerParameters::zeros(&model.head),
        }
    }
}

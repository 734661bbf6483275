//! The description of a network.

use super::cnn::Cnn;
use super::layer::{Layer, LayerShape, LayerSpec, Shape};
use super::parameters::{LayerParameters, Parameters};
use crate::activation::Activation;
use crate::data::prepare::{Preparation, TargetRule};
use crate::data::{Dataset, Inputs, Splits, Targets};
use crate::error::{Error, Result};
use crate::kind::{Form, LayerKind, Loss};

/// A network: hidden layers, then a linear head.
#[derive(Clone, Debug)]
pub struct Model {
    /// The loss that training minimises.
    pub loss: Loss,
    /// [low, high]: a pixel p of 0…255 becomes the input low + p/255 · (high − low).
    pub input_range: [f32; 2],
    /// The preprocessing of raw samples before training, if there was any. Data sets are already preprocessed;
    /// programs that take raw samples do it.
    pub preparation: Option<Preparation>,
    /// The convolutional front-end, if there is one.
    pub cnn: Option<Cnn>,
    /// The hidden layers, first to last; at least one.
    pub layers: Vec<Layer>,
    /// The linear layer after them, without skip.
    pub head: LayerShape,
}

impl Model {
    /// A network of layers of one kind, with input width `widths[0]`, hidden widths `widths[1..]` and
    /// `outputs` outputs. Clamp and input range are the activation's defaults.
    ///
    /// # Errors
    /// Those of [`Self::from_layers`].
    pub fn new(
        kind: LayerKind,
        form: Form,
        activation: &'static Activation,
        loss: Loss,
        widths: &[usize],
        outputs: usize,
    ) -> Result<Self> {
        let spec = |&width: &usize| LayerSpec::new(kind, form, activation, width);
        let specs: Vec<LayerSpec> = widths.iter().skip(1).map(spec).collect();
        Self::from_layers(widths.first().copied().unwrap_or(0), &specs, loss, outputs)
    }

    /// A network with inputs of width `inputs`, these hidden layers, and `outputs` outputs. The layers may
    /// differ ([`LayerSpec`] says how). Clamps are those of their activations, and the input range is the
    /// first activation's default.
    ///
    /// ```
    /// use bregman::activation::Activation;
    /// use bregman::kind::{Form, LayerKind, Loss};
    /// use bregman::nn::{LayerSpec, Model};
    ///
    /// let standard = LayerSpec::new(LayerKind::Standard, Form::Dual, &Activation::TANH, 784);
    /// let bregman = LayerSpec::new(LayerKind::Bregman, Form::Dual, &Activation::TANH, 256);
    /// let softplus = LayerSpec {
    ///     activation: &Activation::SOFTPLUS,
    ///     dual_passage: true,
    ///     ..bregman
    /// };
    /// let layers = [standard, bregman, softplus];
    /// let model = Model::from_layers(784, &layers, Loss::CrossEntropy, 10)?;
    /// # Ok::<(), bregman::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a width of zero, no hidden layer, cross-entropy over fewer than two
    /// outputs, relu as the activation of a layer, or a dual passage of a layer that is not Bregman or the
    /// first;
    /// [`Error::LayerRanges`] for a Bregman layer without a dual passage whose activation's range does not
    /// contain the range of the activation below.
    pub fn from_layers(
        inputs: usize,
        specs: &[LayerSpec],
        loss: Loss,
        outputs: usize,
    ) -> Result<Self> {
        let invalid = |field, value: usize, reason: &str| Error::InvalidValue {
            field,
            value: value.to_string(),
            reason: reason.to_owned(),
        };
        let (Some(first), Some(last)) = (specs.first(), specs.last()) else {
            return Err(invalid(
                "hidden_layers",
                0,
                "a network has at least one hidden layer",
            ));
        };
        if inputs == 0 || specs.iter().any(|spec| spec.width == 0) {
            return Err(invalid("width", 0, "a layer has at least one neuron"));
        }
        let fewest = if loss == Loss::CrossEntropy { 2 } else { 1 };
        if outputs < fewest {
            return Err(invalid("outputs", outputs, "too few for this loss"));
        }
        check_passages(specs)?;
        let widths = [inputs]
            .into_iter()
            .chain(specs.iter().map(|spec| spec.width));
        let below = specs.iter().map(|spec| Some(spec.activation));
        let below = [None].into_iter().chain(below);
        let layers = specs.iter().zip(widths).zip(below);
        Ok(Self {
            loss,
            input_range: first.activation.input_range,
            preparation: None,
            cnn: None,
            layers: layers
                .map(|((spec, inputs), below)| Layer::new(spec, inputs, below))
                .collect(),
            head: LayerShape {
                inputs: last.width,
                outputs,
                mix: false,
            },
        })
    }

    /// The same network with inputs mapped to [low, high].
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless low < high are finite and within the closed range of the first
    /// layer's ρ.
    pub fn with_input_range(mut self, low: f32, high: f32) -> Result<Self> {
        let activation = self.layers[0].activation;
        let [min, max] = activation.range;
        let inside = f64::from(low) >= min && f64::from(high) <= max;
        if !(low.is_finite() && high.is_finite() && low < high && inside) {
            return Err(Error::InvalidValue {
                field: "input_range",
                value: format!("{low},{high}"),
                reason: format!(
                    "low < high must be finite and within the range of {}, [{min}, {max}]",
                    activation.name
                ),
            });
        }
        self.input_range = [low, high];
        Ok(self)
    }

    /// The same network for samples that are prepared like this.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another size, or another number of outputs.
    pub fn with_preparation(mut self, preparation: Preparation) -> Result<Self> {
        let [channels, height, width] = preparation.inputs.shape();
        let shape = |operation: &str, expected: usize, found: usize| Error::Shape {
            operation: operation.to_owned(),
            expected: vec![expected],
            found: vec![found],
        };
        let features = channels * height * width;
        if features != self.inputs() {
            return Err(shape("prepared inputs", self.inputs(), features));
        }
        let (outputs, width) = (self.head.outputs, preparation.target.width());
        // One output distinguishes two classes.
        let single = outputs == 1 && width == 2 && !preparation.target.is_regression();
        if outputs != width && !single {
            return Err(shape("prepared targets", outputs, width));
        }
        self.preparation = Some(preparation);
        Ok(self)
    }

    /// The target of the network, if it is known: it is if raw samples were prepared for the network.
    pub fn target(&self) -> Option<&TargetRule> {
        self.preparation
            .as_ref()
            .map(|preparation| &preparation.target)
    }

    /// The same network with a convolutional front-end.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the first hidden layer takes as many inputs as there are features.
    pub fn with_cnn(mut self, cnn: Cnn) -> Result<Self> {
        let (features, inputs) = (cnn.features(), self.layers[0].shape.inputs);
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

    /// A hidden layer with the settings of all of them, unless they differ. The shapes may differ.
    pub fn uniform(&self) -> Option<&Layer> {
        let first = &self.layers[0];
        let same = |layer: &Layer| layer.same_settings(first);
        self.layers.iter().all(same).then_some(first)
    }

    /// The same, for a feature that works only with layers of one kind; `field` names it in the error.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the layers differ.
    pub fn require_uniform(&self, field: &'static str) -> Result<&Layer> {
        self.uniform().ok_or_else(|| Error::InvalidValue {
            field,
            value: self.kind_names(),
            reason: "takes networks only whose hidden layers have one kind, form, activation and clamp, and \
                     no dual passage"
                .to_owned(),
        })
    }

    /// The kind of the hidden layers: its name, or `mixed` if they differ.
    pub fn kind_name(&self) -> &'static str {
        self.common(|layer| layer.kind.name())
    }

    /// The form of the Bregman layers: its name, or `mixed` if they differ; of a network without them, that
    /// of the first layer.
    pub fn form_name(&self) -> &'static str {
        let bregman = self.layers.iter().filter(|l| l.kind == LayerKind::Bregman);
        let mut forms = bregman.map(|layer| layer.form.name());
        let first = forms.next().unwrap_or(self.layers[0].form.name());
        match forms.all(|form| form == first) {
            true => first,
            false => "mixed",
        }
    }

    /// The activation of the hidden layers: its name, or `mixed` if they differ.
    pub fn activation_name(&self) -> &'static str {
        self.common(|layer| layer.activation.name)
    }

    fn common(&self, name: impl Fn(&Layer) -> &'static str) -> &'static str {
        let first = name(&self.layers[0]);
        match self.layers.iter().all(|layer| name(layer) == first) {
            true => first,
            false => "mixed",
        }
    }

    /// The kinds of the hidden layers, first to last.
    fn kind_names(&self) -> String {
        let names: Vec<_> = self.layers.iter().map(|layer| layer.kind.name()).collect();
        names.join(", ")
    }

    /// The shapes of the hidden layers, then that of the head.
    pub fn shapes(&self) -> impl DoubleEndedIterator<Item = &LayerShape> {
        let hidden = self.layers.iter().map(|layer| &layer.shape);
        hidden.chain([&self.head])
    }

    /// Whether layer `l` takes the dual variable of the layer below for its own, although its activation
    /// is another: u = ρ(a) then stands for z.
    pub fn passes_dual(&self, l: usize) -> bool {
        let differs = |below: usize| !self.layers[below].same_activation(&self.layers[l]);
        self.layers[l].dual_passage && l.checked_sub(1).is_some_and(differs)
    }

    /// Whether z, as layer `l` takes it, is the output of another activation than its own.
    pub fn foreign_input(&self, l: usize) -> bool {
        let differs = |below: usize| !self.layers[below].same_activation(&self.layers[l]);
        !self.passes_dual(l) && l.checked_sub(1).is_some_and(differs)
    }

    /// Whether the skip path of layer `l` starts from a dual variable that comes from below: from a layer
    /// in dual form with the same activation, through a dual passage, or from the front-end, whose
    /// features are the dual variable.
    pub fn carries_dual(&self, l: usize) -> bool {
        let layer = &self.layers[l];
        let comes = match l.checked_sub(1) {
            None => self.cnn.is_some(),
            Some(below) => {
                let below = &self.layers[below];
                self.passes_dual(l) || below.is_dual() && below.same_activation(layer)
            }
        };
        layer.is_dual() && !layer.shape.mix && comes
    }

    /// Whether layer `l` computes a dual variable that the next one takes.
    pub fn hands_on_dual(&self, l: usize) -> bool {
        let above = l + 1;
        self.layers[l].is_dual()
            && above < self.layers.len()
            && (self.passes_dual(above) || self.carries_dual(above))
    }

    /// Number of features of one sample.
    pub fn inputs(&self) -> usize {
        let inputs = self.layers[0].shape.inputs;
        self.cnn.as_ref().map_or(inputs, Cnn::inputs)
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
        let mut push = |prefix: String, layer: &LayerShape| {
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
            push(format!("layers.{l}"), &layer.shape);
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
        let product = |layer: &LayerShape| 2 * (batch * layer.inputs * layer.outputs) as u64;
        let layer_flops = |(l, layer): (usize, &Layer)| {
            let products = if l == 0 && self.cnn.is_none() { 2 } else { 3 };
            product(&layer.shape) * products * if layer.shape.mix { 2 } else { 1 }
        };
        let convolutions = self.cnn.as_ref().map_or(0, Cnn::step_flops) * batch as u64;
        let layers: u64 = self.layers.iter().enumerate().map(layer_flops).sum();
        convolutions + layers + 3 * product(&self.head)
    }

    /// Fails unless `data` fits this network.
    ///
    /// # Errors
    /// [`Error::Shape`] for a different number of features or of values, or no samples, [`Error::Label`]
    /// for a label that is not a class, [`Error::InvalidValue`] for values under cross-entropy, for classes
    /// under Huber's loss, and for
    /// numbers outside the range of ρ, where a first Bregman layer takes their inverse.
    pub fn check_dataset(&self, data: &Dataset) -> Result<()> {
        data.check()?;
        if data.features() != self.inputs() || data.is_empty() {
            return Err(Error::Shape {
                operation: format!("samples of {}", data.name),
                expected: vec![data.len().max(1), self.inputs()],
                found: vec![data.len(), data.features()],
            });
        }
        if let Some(cnn) = &self.cnn {
            let conv = &cnn.blocks[0].conv;
            let [height, width] = data.image;
            let expected = vec![conv.channels, conv.height, conv.width];
            let found = vec![data.channels, height, width];
            if found != expected {
                return Err(Error::Shape {
                    operation: format!("channels, height and width of the images of {}", data.name),
                    expected,
                    found,
                });
            }
        }
        self.check_inputs(data)?;
        let labels = match &data.targets {
            Targets::Classes(_) if self.loss == Loss::Huber => {
                return Err(Error::InvalidValue {
                    field: "loss",
                    value: self.loss.name().to_owned(),
                    reason: format!(
                        "the targets of {} are classes; cross-entropy and mse take them",
                        data.name
                    ),
                });
            }
            Targets::Classes(labels) => labels,
            Targets::Values(_) if self.loss == Loss::CrossEntropy => {
                return Err(Error::InvalidValue {
                    field: "loss",
                    value: self.loss.name().to_owned(),
                    reason: format!(
                        "the targets of {} are numbers; mse and huber take them",
                        data.name
                    ),
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
        let first = &self.layers[0];
        let bounded = first.kind == LayerKind::Bregman && self.cnn.is_none();
        let [min, max] = match bounded {
            true => first.activation.range,
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
    /// Those of [`Self::check_dataset`]; [`Error::InvalidValue`] for classes in one split and values in
    /// another.
    pub fn check_splits(&self, splits: &Splits) -> Result<()> {
        let all = [
            Some(&splits.train),
            splits.validation.as_ref(),
            Some(&splits.test),
        ];
        for data in all.into_iter().flatten() {
            self.check_dataset(data)?;
            if data.is_regression() != splits.train.is_regression() {
                return Err(Error::InvalidValue {
                    field: "targets",
                    value: data.name.clone(),
                    reason: "all data sets of a run have classes, or all have values".to_owned(),
                });
            }
        }
        Ok(())
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

/// Fails unless each Bregman layer can take the output of the layer below.
fn check_passages(specs: &[LayerSpec]) -> Result<()> {
    let passage = |l: usize, reason: &str| Error::InvalidValue {
        field: "dual_passage",
        value: format!("of layer {l}"),
        reason: reason.to_owned(),
    };
    for (l, spec) in specs.iter().enumerate() {
        let bregman = spec.kind == LayerKind::Bregman;
        if spec.activation.name == Activation::RELU.name {
            return Err(Error::InvalidValue {
                field: "activation",
                value: Activation::RELU.name.to_owned(),
                reason: "it has no inverse, so it is for convolutions only".to_owned(),
            });
        }
        if spec.dual_passage && !bregman {
            return Err(passage(
                l,
                "only a Bregman layer has a dual variable to take",
            ));
        }
        let Some(below) = l.checked_sub(1).map(|below| &specs[below]) else {
            if spec.dual_passage {
                return Err(passage(l, "there is no layer below the first"));
            }
            continue;
        };
        let [low, high] = spec.activation.range;
        let [below_low, below_high] = below.activation.range;
        let nested = low <= below_low && below_high <= high;
        if bregman && !spec.dual_passage && !nested {
            return Err(Error::LayerRanges {
                layers: [l - 1, l],
                activations: [below.activation.name, spec.activation.name],
                ranges: [below.activation.range, spec.activation.range],
            });
        }
    }
    Ok(())
}

impl<T: Copy + Default> Parameters<T> {
    /// All zeros, in the shapes of `model`.
    pub fn zeros(model: &Model) -> Self {
        let blocks = model.cnn.iter().flat_map(|cnn| &cnn.blocks);
        Self {
            conv: blocks
                .map(|block| LayerParameters::zeros(&block.conv.matrix()))
                .collect(),
            layers: (model.layers.iter())
                .map(|layer| LayerParameters::zeros(&layer.shape))
                .collect(),
            head: LayerParameters::zeros(&model.head),
        }
    }
}

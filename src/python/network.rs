//! Descriptions of networks.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

use super::arrays::whole;
use crate::activation::Activation;
use crate::checkpoint;
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::nn::cnn::{BlockSpec, Cnn, Dropout, activation_by_name};
use crate::nn::{Model, ModelBuilder};

/// A small convolutional network before the hidden layers, for images of `image` = (channels, height,
/// width).
///
/// `blocks` is a list of dicts with the keys `filters`, and, where they differ from the defaults, `kernel`
/// (3, or (height, width)), `stride` (1), `padding` (0) and `pool` (None, or (kernel, stride)).
#[pyclass(frozen, name = "Cnn", module = "bregman")]
pub(super) struct PyCnn(Cnn);

/// A number, or one for height and one for width.
#[derive(FromPyObject)]
enum Extent {
    Square(usize),
    Sides([usize; 2]),
}

/// The description of a block in a dict.
fn block(entries: &Bound<'_, PyDict>) -> PyResult<BlockSpec> {
    const KEYS: [&str; 5] = ["filters", "kernel", "stride", "padding", "pool"];
    only_keys(entries, "a block", &KEYS)?;
    let count = |key: &str, default: usize| match entries.get_item(key)? {
        Some(value) => value.extract(),
        None => Ok(default),
    };
    Ok(BlockSpec {
        filters: count("filters", 0)?,
        kernel: match entries.get_item("kernel")? {
            None => [3, 3],
            Some(value) => match value.extract()? {
                Extent::Square(side) => [side, side],
                Extent::Sides(sides) => sides,
            },
        },
        stride: count("stride", 1)?,
        padding: count("padding", 0)?,
        pool: match entries.get_item("pool")? {
            None => None,
            Some(value) => value.extract()?,
        },
    })
}

/// Fails if a dict has other keys than `known`.
pub(super) fn only_keys(entries: &Bound<'_, PyDict>, what: &str, known: &[&str]) -> PyResult<()> {
    for key in entries.keys() {
        let key: String = key.extract()?;
        if !known.contains(&key.as_str()) {
            return Err(PyTypeError::new_err(format!(
                "{what} has no setting {key:?}; its settings are {}",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

#[pymethods]
impl PyCnn {
    #[new]
    #[pyo3(signature = (image, blocks, *, activation="relu", dropout=None))]
    fn new(
        image: [usize; 3],
        blocks: Vec<Bound<'_, PyDict>>,
        activation: &str,
        dropout: Option<f32>,
    ) -> PyResult<Self> {
        let specs: Vec<BlockSpec> = blocks.iter().map(block).collect::<PyResult<_>>()?;
        let mut cnn = Cnn::new(activation_by_name(activation)?, image, &specs)?;
        if let Some(probability) = dropout {
            cnn = cnn.with_dropout(Dropout { probability })?;
        }
        Ok(Self(cnn))
    }

    /// The front-end of `bregman train --cnn`, whose activation is `activation`.
    #[staticmethod]
    #[pyo3(signature = (image, *, activation="relu"))]
    fn small(image: [usize; 3], activation: &str) -> PyResult<Self> {
        Ok(Self(Cnn::small(activation_by_name(activation)?, image)?))
    }

    /// The number of features that the hidden layers take.
    #[getter]
    fn features(&self) -> usize {
        self.0.features()
    }

    fn __repr__(&self) -> String {
        format!("Cnn({})", self.0.to_json())
    }
}

/// A network that is being described; `Model.input` begins it and `build` makes it.
///
/// Each method returns a new description. `activation` and `form` hold for the layers after them; before
/// them layers have tanh, and Bregman layers are dual.
#[pyclass(frozen, name = "ModelBuilder", module = "bregman")]
pub(super) struct PyModelBuilder(ModelBuilder);

impl PyModelBuilder {
    fn then(&self, change: impl FnOnce(ModelBuilder) -> ModelBuilder) -> Self {
        Self(change(self.0.clone()))
    }
}

#[pymethods]
impl PyModelBuilder {
    /// Maps bytes 0…255 of the samples to [low, high], within the range of the first layer's activation.
    fn range(&self, low: f32, high: f32) -> Self {
        self.then(|builder| builder.range(low, high))
    }

    /// Convolutions before the layers.
    fn convolutions(&self, cnn: &Bound<'_, PyCnn>) -> Self {
        self.then(|builder| builder.convolutions(cnn.get().0.clone()))
    }

    /// The activation of the layers that follow, by its name.
    fn activation(&self, name: &str) -> PyResult<Self> {
        let activation = Activation::by_name(name)?;
        Ok(self.then(|builder| builder.activation(activation)))
    }

    /// The form of the Bregman layers that follow: "dual" or "primal".
    fn form(&self, name: &str) -> PyResult<Self> {
        let form = Form::by_name(name)?;
        Ok(self.then(|builder| builder.form(form)))
    }

    /// A standard layer of `width` neurons: ρ(Wz + b).
    fn standard(&self, width: i128) -> PyResult<Self> {
        let width = whole("width", width)?;
        Ok(self.then(|builder| builder.standard(width)))
    }

    /// A Euclidean layer of `width` neurons: ρ(z + Wz + b).
    fn euclidean(&self, width: i128) -> PyResult<Self> {
        let width = whole("width", width)?;
        Ok(self.then(|builder| builder.euclidean(width)))
    }

    /// A Bregman layer of `width` neurons: ρ(ρ⁻¹(z) + Wz + b).
    fn bregman(&self, width: i128) -> PyResult<Self> {
        let width = whole("width", width)?;
        Ok(self.then(|builder| builder.bregman(width)))
    }

    /// A layer of `width` neurons of the kind "standard", "euclidean" or "bregman".
    fn layer(&self, kind: &str, width: i128) -> PyResult<Self> {
        let kind = LayerKind::by_name(kind)?;
        let width = whole("width", width)?;
        Ok(self.then(|builder| builder.layer(kind, width)))
    }

    /// The layer just added takes the dual variable of the layer below for its own, although its
    /// activation is another.
    fn dual_passage(&self) -> Self {
        self.then(ModelBuilder::dual_passage)
    }

    /// One output for each of `classes` classes, trained by cross-entropy unless `loss` says otherwise.
    fn classes(&self, classes: i128) -> PyResult<Self> {
        let classes = whole("classes", classes)?;
        Ok(self.then(|builder| builder.classes(classes)))
    }

    /// `outputs` numbers, trained by mean squared error unless `loss` says otherwise.
    fn outputs(&self, outputs: i128) -> PyResult<Self> {
        let outputs = whole("outputs", outputs)?;
        Ok(self.then(|builder| builder.outputs(outputs)))
    }

    /// The loss that training minimises: "cross-entropy" or "mse".
    fn loss(&self, name: &str) -> PyResult<Self> {
        let loss = Loss::by_name(name)?;
        Ok(self.then(|builder| builder.loss(loss)))
    }

    /// The network. A `ValueError` names the missing parts of its description.
    fn build(&self) -> PyResult<PyModel> {
        Ok(PyModel(self.0.clone().build()?))
    }

    fn __repr__(&self) -> String {
        match self.0.clone().build() {
            Ok(model) => format!("ModelBuilder({})", layers_of(&model)),
            Err(error) => format!("ModelBuilder(unfinished: {error})"),
        }
    }
}

/// A network: hidden layers, then a linear head. It has no parameters; a `Trainer` gives it some.
///
/// >>> Model.input(2).bregman(16).bregman(16).classes(2).build()
/// Model(2 → bregman 16 tanh → bregman 16 tanh → 2, cross-entropy, 354 parameters)
#[pyclass(frozen, name = "Model", module = "bregman")]
pub(super) struct PyModel(pub(super) Model);

/// The layers of a network, from its inputs to its outputs.
fn layers_of(model: &Model) -> String {
    let mut parts = vec![model.inputs().to_string()];
    if let Some(cnn) = &model.cnn {
        parts.push(format!("{} convolutions", cnn.blocks.len()));
    }
    parts.extend(model.layers.iter().map(|layer| {
        let form = match (layer.kind, layer.form) {
            (LayerKind::Bregman, Form::Primal) => " primal",
            _ => "",
        };
        let (kind, name) = (layer.kind.name(), layer.activation.name);
        format!("{kind} {} {name}{form}", layer.shape.outputs)
    }));
    parts.push(model.head.outputs.to_string());
    parts.join(" → ")
}

impl PyModel {
    /// The network in a line.
    pub(super) fn describe(&self) -> String {
        format!(
            "Model({}, {}, {} parameters)",
            layers_of(&self.0),
            self.0.loss.name(),
            self.0.parameter_count()
        )
    }
}

#[pymethods]
impl PyModel {
    /// Begins the description of a network for samples of `inputs` features.
    #[staticmethod]
    fn input(inputs: i128) -> PyResult<PyModelBuilder> {
        Ok(PyModelBuilder(Model::input(whole("width", inputs)?)))
    }

    /// The number of features of a sample.
    #[getter]
    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    /// The number of outputs.
    #[getter]
    fn outputs(&self) -> usize {
        self.0.head.outputs
    }

    /// The loss that training minimises.
    #[getter]
    fn loss(&self) -> &'static str {
        self.0.loss.name()
    }

    /// The number of trained parameters.
    #[getter]
    fn parameter_count(&self) -> usize {
        self.0.parameter_count()
    }

    /// The settings of each hidden layer, as dicts.
    #[getter]
    fn layers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let layer = |layer: &crate::nn::Layer| {
            let entries = PyDict::new(py);
            entries.set_item("kind", layer.kind.name())?;
            entries.set_item("width", layer.shape.outputs)?;
            entries.set_item("activation", layer.activation.name)?;
            entries.set_item("form", layer.form.name())?;
            entries.set_item("dual_passage", layer.dual_passage)?;
            Ok(entries)
        };
        self.0.layers.iter().map(layer).collect()
    }

    fn __repr__(&self) -> String {
        self.describe()
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let display = slf.py().import("bregman._display")?;
        display.call_method1("model", (slf,))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let model = &slf.get().0;
        let parameters = Init::Deterministic.parameters(model, 0);
        let bytes = checkpoint::to_bytes(model, "", &parameters)?;
        let class: Bound<'_, PyType> = slf.get_type();
        Ok((
            class.getattr("_of_bytes")?,
            (PyBytes::new(slf.py(), &bytes),),
        ))
    }

    /// The network that pickle kept.
    #[staticmethod]
    fn _of_bytes(bytes: &[u8]) -> PyResult<Self> {
        match checkpoint::parse(bytes) {
            Ok((model, ..)) => Ok(Self(model)),
            Err(fault) => Err(PyValueError::new_err(fault.to_string())),
        }
    }
}

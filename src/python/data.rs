//! Data sets.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::arrays;
use crate::data::{Dataset, Inputs, Targets};

/// Samples with their targets. The arrays are copied once, to float32 (or bytes, for uint8).
#[pyclass(frozen, name = "Dataset", module = "bregman")]
pub(super) struct PyDataset(pub(super) Dataset);

/// Channels, height and width of samples of an array of `shape`: n numbers are an image of 1 × n.
pub(super) fn image_of(shape: &[usize]) -> PyResult<[usize; 3]> {
    match shape[1..] {
        [features] => Ok([1, 1, features]),
        [height, width] => Ok([1, height, width]),
        [channels, height, width] => Ok([channels, height, width]),
        _ => Err(PyValueError::new_err(format!(
            "features: an array is (samples, features), (samples, height, width) or (samples, channels, \
             height, width); this one has {} dimensions",
            shape.len()
        ))),
    }
}

/// Fails unless there are as many targets as samples.
fn check_count(samples: usize, targets: usize, what: &str) -> PyResult<()> {
    match samples == targets {
        true => Ok(()),
        false => Err(PyValueError::new_err(format!(
            "{what}: there are {targets} of them for {samples} samples"
        ))),
    }
}

/// Classes as the library takes them.
fn classes(labels: &[i64]) -> PyResult<Targets> {
    let class = |(sample, &label): (usize, &i64)| {
        u32::try_from(label).map_err(|_| {
            PyValueError::new_err(format!(
                "labels: {label}, that of sample {sample}, is no number from 0 to 2³² − 1"
            ))
        })
    };
    let classes: PyResult<Vec<u32>> = labels.iter().enumerate().map(class).collect();
    Ok(Targets::Classes(classes?))
}

#[pymethods]
impl PyDataset {
    /// Samples and the class of each, from 0.
    ///
    /// `features` is (samples, features), or (samples, [channels,] height, width) for images; an array of
    /// uint8 is taken for bytes, which a network maps to its input range, and numbers are taken unchanged.
    /// `labels` is (samples). There are `classes` classes, or as many as the largest label requires.
    #[staticmethod]
    #[pyo3(signature = (features, labels, *, classes=None, name="rows"))]
    fn classification(
        features: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
        classes: Option<usize>,
        name: &str,
    ) -> PyResult<Self> {
        let (shape, inputs) = arrays::features(features)?;
        let labels = arrays::labels(labels)?;
        check_count(shape[0], labels.len(), "labels")?;
        let targets = self::classes(&labels)?;
        let mut data = Dataset::new(name, image_of(&shape)?, inputs, targets)?;
        if let Some(classes) = classes {
            data = data.with_classes(classes)?;
        }
        Ok(Self(data))
    }

    /// Samples and the numbers to predict from each: `values` is (samples) or (samples, outputs).
    #[staticmethod]
    #[pyo3(signature = (features, values, *, name="rows"))]
    fn regression(
        features: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
        name: &str,
    ) -> PyResult<Self> {
        let (shape, inputs) = arrays::features(features)?;
        let values = arrays::numbers(values, "values")?;
        if !(1..=2).contains(&values.shape.len()) {
            return Err(PyValueError::new_err(format!(
                "values: an array is (samples) or (samples, outputs); this one has {} dimensions",
                values.shape.len()
            )));
        }
        check_count(shape[0], values.shape[0], "values")?;
        let targets = Targets::Values(values.numbers);
        Ok(Self(Dataset::new(
            name,
            image_of(&shape)?,
            inputs,
            targets,
        )?))
    }

    /// Two parts: `share` of the samples, for training, and the rest; drawn by `seed`.
    #[pyo3(signature = (share, seed=0))]
    fn split(&self, share: f64, seed: u64) -> PyResult<(Self, Self)> {
        let (first, second) = self.0.split(share, seed)?;
        Ok((Self(first), Self(second)))
    }

    /// A copy of the features, (samples, features).
    #[getter]
    fn features<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let width = self.0.features();
        Ok(match &self.0.inputs {
            Inputs::Bytes(bytes) => arrays::rows(py, width, bytes.clone())?.into_any(),
            Inputs::Numbers(numbers) => arrays::rows(py, width, numbers.clone())?.into_any(),
        })
    }

    /// A copy of the targets: classes, (samples), or values, (samples, outputs).
    #[getter]
    fn targets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match &self.0.targets {
            Targets::Classes(labels) => {
                arrays::array(py, &[labels.len()], labels.clone())?.into_any()
            }
            Targets::Values(values) => arrays::rows(py, self.0.classes, values.clone())?.into_any(),
        })
    }

    /// The number of classes, or of values of a sample.
    #[getter]
    fn classes(&self) -> usize {
        self.0.classes
    }

    /// Whether the targets are values.
    #[getter]
    fn is_regression(&self) -> bool {
        self.0.is_regression()
    }

    /// The name in reports.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        let targets = match self.0.is_regression() {
            true => "values",
            false => "classes",
        };
        let [height, width] = self.0.image;
        let sample = match (self.0.channels, height) {
            (1, 1) => format!("{width} features"),
            (channels, _) => format!("{channels} × {height} × {width} features"),
        };
        format!(
            "Dataset({:?}: {} samples of {sample}, {} {targets})",
            self.0.name,
            self.0.len(),
            self.0.classes
        )
    }
}

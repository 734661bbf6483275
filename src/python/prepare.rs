//! The preprocessing of the estimators: a table becomes the input of a network.

use numpy::{PyArrayDescrMethods, PyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::arrays::{self, Array};
use crate::activation::Activation;
use crate::kernels::Isa;

/// ρ((x − mean) / scale) of each feature, float32, for `x` (samples, features) of float32 or float64 and
/// `mean` and `scale` (features): the standardised features are the dual variable that the first layer
/// starts from.
#[pyfunction]
pub(super) fn prepared<'py>(
    x: &Bound<'py, PyAny>,
    mean: &Bound<'py, PyAny>,
    scale: &Bound<'py, PyAny>,
    activation: &str,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let activation = Activation::by_name(activation)?;
    let py = x.py();
    let [mean, scale] =
        [(mean, "mean"), (scale, "scale")].map(|(of, what)| arrays::doubles(of, what));
    let (mean, scale) = (mean?.numbers, scale?.numbers);
    let is_single = x
        .cast::<PyUntypedArray>()
        .is_ok_and(|array| array.dtype().is_equiv_to(&numpy::dtype::<f32>(py)));
    let (shape, a) = match is_single {
        true => {
            let Array { shape, numbers } = arrays::numbers(x, "X")?;
            (shape, standardised(&numbers, &mean, &scale))
        }
        false => {
            let Array { shape, numbers } = arrays::doubles(x, "X")?;
            (shape, standardised(&numbers, &mean, &scale))
        }
    };
    if shape.len() != 2 || shape[1] != mean.len() || scale.len() != mean.len() {
        return Err(PyValueError::new_err(format!(
            "X: its shape is {shape:?}, not (samples, {})",
            mean.len()
        )));
    }
    let bound = activation.dual_max;
    let a: Vec<f32> = a.into_iter().map(|a| a.clamp(-bound, bound)).collect();
    let mut z = vec![0.0; a.len()];
    (activation.loops.dense(Isa::widest()).rho)(&mut z, &a);
    arrays::array(py, &shape, z)
}

/// (x − mean) / scale of rows of as many numbers as there are means.
fn standardised<T: Copy + Into<f64>>(x: &[T], mean: &[f64], scale: &[f64]) -> Vec<f32> {
    let columns = mean.iter().zip(scale).cycle();
    let standard = |(&x, (mean, scale)): (&T, (&f64, &f64))| ((x.into() - mean) / scale) as f32;
    x.iter().zip(columns).map(standard).collect()
}

//! Arrays in and out, through NumPy.
//!
//! An array of float32, or of bytes, in C order is read in place; every other one is converted by NumPy first.
//! Results are handed over, not copied.

use numpy::{
    Element, PyArray1, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;

use crate::data::Inputs;

/// Numbers, and the shape of their array.
pub(super) struct Array<T> {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Vec<T>,
}

/// The numbers of `array` if they are of type `T` and in C order.
fn as_it_is<T: Element + Copy>(array: &Bound<'_, PyAny>) -> Option<Array<T>> {
    let array = array.cast::<PyArrayDyn<T>>().ok()?;
    let array = array.try_readonly().ok()?;
    // A slice of it would be in the order of memory.
    if !array.is_c_contiguous() {
        return None;
    }
    Some(Array {
        shape: array.shape().to_vec(),
        numbers: array.as_slice().ok()?.to_vec(),
    })
}

/// `object` as an array of numbers.
fn numeric<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if object.hasattr(intern!(py, "toarray"))? {
        return Err(PyTypeError::new_err(format!(
            "{what}: sparse matrices are not taken; pass x.toarray()"
        )));
    }
    let numpy = py.import(intern!(py, "numpy"))?;
    let array = numpy.call_method1(intern!(py, "asarray"), (object,))?;
    let dtype = array.getattr(intern!(py, "dtype"))?;
    let kind: String = dtype.getattr(intern!(py, "kind"))?.extract()?;
    match kind.as_str() {
        "f" | "i" | "u" | "b" => Ok(array),
        _ => Err(PyTypeError::new_err(format!(
            "{what}: an array of {dtype} is not taken; convert it to numbers, as with astype(\"float32\")"
        ))),
    }
}

/// The numbers of `object` as `T`, which NumPy calls `dtype`.
fn converted<T: Element + Copy>(
    object: &Bound<'_, PyAny>,
    what: &str,
    dtype: &str,
) -> PyResult<Array<T>> {
    let py = object.py();
    let array = numeric(object, what)?;
    let numpy = py.import(intern!(py, "numpy"))?;
    let array = numpy.call_method1(intern!(py, "require"), (array, dtype, "CA"))?;
    as_it_is(&array).ok_or_else(|| {
        PyValueError::new_err(format!("{what}: the array is being written to elsewhere"))
    })
}

/// Numbers of any shape, as float32.
pub(super) fn numbers(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Array<f32>> {
    match as_it_is(object) {
        Some(array) => Ok(array),
        None => converted(object, what, "float32"),
    }
}

/// Numbers of any shape, as float64.
pub(super) fn doubles(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Array<f64>> {
    match as_it_is(object) {
        Some(array) => Ok(array),
        None => converted(object, what, "float64"),
    }
}

/// The features of samples: bytes if the array's type is uint8, else numbers. The first dimension is that
/// of the samples.
pub(super) fn features(object: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, Inputs)> {
    let what = "features";
    let (shape, inputs) = match as_it_is::<u8>(object) {
        Some(array) => (array.shape, array.numbers.into()),
        None if is_bytes(object) => {
            let array = converted::<u8>(object, what, "uint8")?;
            (array.shape, array.numbers.into())
        }
        None => {
            let array = numbers(object, what)?;
            (array.shape, array.numbers.into())
        }
    };
    if shape.len() < 2 {
        return Err(PyValueError::new_err(format!(
            "{what}: an array (samples, features) has two dimensions, this one has {}; reshape one sample \
             with x.reshape(1, -1)",
            shape.len()
        )));
    }
    Ok((shape, inputs))
}

/// Whether `object` is an array of bytes, in whatever order.
fn is_bytes(object: &Bound<'_, PyAny>) -> bool {
    object
        .cast::<PyUntypedArray>()
        .is_ok_and(|array| array.dtype().is_equiv_to(&numpy::dtype::<u8>(object.py())))
}

/// The classes of samples, from 0.
pub(super) fn labels(object: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let what = "labels";
    let array = numeric(object, what)?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if kind == "f" {
        return Err(PyTypeError::new_err(
            "labels: classes are whole numbers from 0; Dataset.regression takes values",
        ));
    }
    let array: Array<i64> = converted(&array, what, "int64")?;
    match array.shape.len() {
        1 => Ok(array.numbers),
        dimensions => Err(PyValueError::new_err(format!(
            "{what}: an array (samples) has one dimension, this one has {dimensions}"
        ))),
    }
}

/// A whole number that a user gave for `field`, as a `T`. Python's own conversion has an `OverflowError` for a
/// negative one, which would be surprising for a setting.
pub(super) fn whole<T: TryFrom<i128>>(field: &str, value: i128) -> PyResult<T> {
    T::try_from(value).map_err(|_| {
        PyValueError::new_err(format!(
            "`{field}` {value}: a whole number of at least 0 is needed"
        ))
    })
}

/// An array of `shape` that takes over `numbers`.
pub(super) fn array<'py, T: Element>(
    py: Python<'py>,
    shape: &[usize],
    numbers: Vec<T>,
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    PyArray1::from_vec(py, numbers).reshape(shape)
}

/// The rows of `numbers`, (rows, width).
pub(super) fn rows<'py, T: Element>(
    py: Python<'py>,
    width: usize,
    numbers: Vec<T>,
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let samples = numbers.len() / width.max(1);
    array(py, &[samples, width], numbers)
}

//! Adapters, their self-test, sweeps of small networks, and the command line.

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::arrays;
use super::compute::run_quietly;
use crate::activation::Activation;
use crate::data::spirals::Spirals;
use crate::device::DeviceKind;
use crate::error::Error;
use crate::gpu;
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::sweep::{Metrics, Record, Run, Sweep, WIDTH, cpu, network};

/// The adapters of this machine, as dicts of `name`, `backend`, `driver` and `software`.
#[pyfunction]
pub(super) fn adapters(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let found = run_quietly(py, None, |_| Ok(pollster::block_on(gpu::adapters())))?;
    let entries = found.iter().map(|adapter| {
        let entries = PyDict::new(py);
        entries.set_item("name", &adapter.name)?;
        entries.set_item("backend", &adapter.backend)?;
        entries.set_item("driver", &adapter.driver)?;
        entries.set_item("software", adapter.software)?;
        Ok(entries)
    });
    PyList::new(py, entries.collect::<PyResult<Vec<_>>>()?)
}

/// Compares what an adapter computes with float64, within bounds derived for each kernel: the report as a
/// dict, whose `passed` is true if every check passed. `adapter` is a part of the adapter's name; without it,
/// hardware is taken if there is any, else a software adapter. `full` tests every activation with every
/// tile.
#[pyfunction]
#[pyo3(signature = (adapter=None, *, full=false))]
pub(super) fn selftest(
    py: Python<'_>,
    adapter: Option<String>,
    full: bool,
) -> PyResult<Bound<'_, PyAny>> {
    let report = run_quietly(py, None, |_| {
        let device = super::trainer::device(DeviceKind::Gpu, adapter.as_deref())?;
        let mut gpu = device.gpu.ok_or(Error::NoAdapter {
            software: true,
            known: "none".to_owned(),
        })?;
        crate::selftest::run(&mut gpu, full, &mut |_| {})
    })?;
    let json =
        serde_json::to_string(&report).map_err(|error| PyValueError::new_err(error.to_string()))?;
    py.import(intern!(py, "json"))?
        .call_method1(intern!(py, "loads"), (json,))
}

/// The two spirals of the paper, `per_class` points of each class: points, (samples, 2), within [−1, 1],
/// and labels, (samples).
#[pyfunction]
#[pyo3(signature = (per_class=500, seed=0))]
pub(super) fn spirals<'py>(
    py: Python<'py>,
    per_class: usize,
    seed: u64,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let [train, _] = Spirals::draw(per_class, seed);
    let points = train.points.as_flattened().to_vec();
    let labels = arrays::array(py, &[train.labels.len()], train.labels)?;
    Ok((
        arrays::rows(py, WIDTH, points)?.into_any(),
        labels.into_any(),
    ))
}

/// Trains small networks by the thousand: `layers` layers of two neurons on points of the plane in two
/// classes. Run r has the seed `seeds[r]` and the rate `learning_rates[r]`; everything else is shared.
///
/// The result is a dict of arrays. `epochs` are the recorded ones, every `record_every`-th and the last;
/// `loss` and `accuracy` are (runs, recorded epochs), NaN where a run diverged; `parameters` is
/// (runs, parameters), W and b of each layer, then of the head.
#[pyfunction]
#[pyo3(signature = (
    points, labels, *, seeds, learning_rates, kind="bregman", layers=3, activation="tanh", form="dual",
    loss="mse", init="random", epochs=100, batch_size=10, record_every=None, threads=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(super) fn sweep<'py>(
    py: Python<'py>,
    points: &Bound<'py, PyAny>,
    labels: &Bound<'py, PyAny>,
    seeds: Vec<u64>,
    learning_rates: Vec<f32>,
    kind: &str,
    layers: usize,
    activation: &str,
    form: &str,
    loss: &str,
    init: &str,
    epochs: u32,
    batch_size: usize,
    record_every: Option<u32>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let points = arrays::numbers(points, "points")?;
    let labels = arrays::labels(labels)?;
    if points.shape != [labels.len(), WIDTH] {
        return Err(PyValueError::new_err(format!(
            "points: their shape is {:?}, not (samples, {WIDTH}) for {} labels",
            points.shape,
            labels.len()
        )));
    }
    if seeds.len() != learning_rates.len() {
        return Err(PyValueError::new_err(format!(
            "learning_rates: there are {} of them for {} seeds",
            learning_rates.len(),
            seeds.len()
        )));
    }
    let activation = Activation::by_name(activation)?;
    let model = network(
        LayerKind::by_name(kind)?,
        Form::by_name(form)?,
        activation,
        Loss::by_name(loss)?,
        layers,
    )?;
    let [low, high] = activation.range;
    let inside = |&x: &f32| x.is_finite() && (low..=high).contains(&f64::from(x));
    if let Some(at) = points.numbers.iter().position(|x| !inside(x)) {
        return Err(PyValueError::new_err(format!(
            "points: {} of sample {} is not within [{low}, {high}], the range of {}",
            points.numbers[at],
            at / WIDTH,
            activation.name
        )));
    }
    let label = |&label: &i64| {
        u8::try_from(label)
            .map_err(|_| PyValueError::new_err(format!("labels: {label} is not 0 or 1")))
    };
    let data = Spirals {
        labels: labels.iter().map(label).collect::<PyResult<_>>()?,
        points: points.numbers.as_chunks().0.to_vec(),
    };
    let runs = seeds.iter().zip(&learning_rates);
    let sweep = Sweep {
        model,
        init: Init::by_name(init)?,
        runs: runs
            .map(|(&seed, &learning_rate)| Run {
                seed,
                learning_rate,
            })
            .collect(),
        epochs,
        batch_size,
        record_every: record_every.unwrap_or(epochs.max(1)),
    };
    let sweeps = [sweep];
    let records = run_quietly(py, threads, |stop| {
        sweeps[0].check(&data)?;
        let mut records = [Record::new(&sweeps[0])];
        let is_stopped = || stop.load(std::sync::atomic::Ordering::Relaxed);
        cpu::resume(&sweeps, &data, &mut records, &is_stopped, &|_| {})?;
        Ok(records)
    })?;
    let [record] = records;
    let samples = data.len() as f32;
    let columns = record.epochs.len();
    let metrics = || record.metrics.iter().flatten();
    let result = PyDict::new(py);
    let losses = metrics().map(|metrics| metrics.loss).collect();
    let accuracy = |metrics: &Metrics| match metrics.loss.is_finite() {
        true => metrics.correct as f32 / samples,
        false => f32::NAN,
    };
    let accuracies = metrics().map(accuracy).collect();
    let count = sweeps[0].model.parameter_count();
    let parameters = record.parameters.iter().flat_map(|p| p.tensors().flatten());
    let parameters: Vec<f32> = parameters.copied().collect();
    result.set_item(
        "epochs",
        arrays::array(py, &[columns], record.epochs.clone())?,
    )?;
    result.set_item("loss", arrays::rows::<f32>(py, columns, losses)?)?;
    result.set_item("accuracy", arrays::rows::<f32>(py, columns, accuracies)?)?;
    result.set_item("parameters", arrays::rows(py, count, parameters)?)?;
    Ok(result)
}

/// The command `bregman` with the words `words`, the first of which is the program's name. Returns the exit
/// code.
#[pyfunction]
pub(super) fn run_command(py: Python<'_>, words: Vec<OsString>) -> u8 {
    let code = py.detach(|| crate::cli::run(words));
    let number = (0..=u8::MAX).find(|&number| ExitCode::from(number) == code);
    number.unwrap_or(1)
}

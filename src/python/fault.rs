//! Errors as Python's exceptions.

use pyo3::PyErr;
use pyo3::exceptions::{
    PyKeyboardInterrupt, PyMemoryError, PyOSError, PyRuntimeError, PyValueError,
};

use crate::error::Error;

pyo3::create_exception!(
    bregman,
    Interrupted,
    PyKeyboardInterrupt,
    "Ctrl-C stopped training. `trained` is the network trained until then; a checkpoint, if one was asked for, is saved."
);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            // Python makes FileNotFoundError, PermissionError and others of these three.
            Error::Io { path, source, .. } if source.raw_os_error().is_some() => {
                let name = path.display().to_string();
                PyOSError::new_err((source.raw_os_error(), message, name))
            }
            Error::Io { .. }
            | Error::Locked { .. }
            | Error::Data { .. }
            | Error::NoDataFolder { .. }
            | Error::NoCacheFolder { .. }
            | Error::Download { .. } => PyOSError::new_err(message),
            Error::OutOfMemory { .. } => PyMemoryError::new_err(message),
            Error::Diverged { .. }
            | Error::NonFiniteLoss { .. }
            | Error::NoAdapter { .. }
            | Error::TooLarge { .. }
            | Error::Shader { .. }
            | Error::Gpu { .. }
            | Error::DeviceLost { .. }
            | Error::Threads { .. } => PyRuntimeError::new_err(message),
            _ => PyValueError::new_err(message),
        }
    }
}

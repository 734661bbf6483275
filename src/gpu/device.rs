//! A device with its queue, whose failures all become an [`Error`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
#[cfg(not(target_arch = "wasm32"))]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(not(target_arch = "wasm32"))]
use std::thread;
use std::time::Duration;

use super::adapter::{self, AdapterSummary, MatrixUnits, Selection};
use super::kernel::Kernel;
use super::shader::Shader;
use crate::error::{Error, Result};

/// A submission that takes longer counts as hung. Software adapters need seconds for a large step;
/// hardware drivers give up long before this.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The longest wait for a callback that another thread has taken.
#[cfg(not(target_arch = "wasm32"))]
const CALLBACK_MILLISECONDS: usize = 60_000;

/// The largest number of submissions in flight.
const IN_FLIGHT: usize = 3;

/// Turns of loops that a dispatch on a software adapter may take: llvmpipe leaves every loop of an
/// invocation after 65,535 turns in all, without reporting an error.
pub(crate) const SOFTWARE_TURNS: usize = 60_000;

/// The error that a scope caught, if any. It is known only once it is awaited.
#[cfg(not(target_arch = "wasm32"))]
type Reported = Pin<Box<dyn Future<Output = Option<wgpu::Error>> + Send>>;

/// The same without `Send`: in a browser, WebGPU objects cannot leave their thread.
#[cfg(target_arch = "wasm32")]
type Reported = Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>;

/// A device, ready to run programs. A clone shares the device and counts its own submissions.
#[derive(Clone)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    summary: AdapterSummary,
    /// The first error that no scope caught, or the loss of the device. Every later call reports it.
    fault: Arc<Mutex<Option<Error>>>,
    kernels: Arc<Mutex<HashMap<String, Arc<Kernel>>>>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

impl Gpu {
    /// Opens the adapter that `selection` selects, with all of its limits.
    ///
    /// # Errors
    /// [`Error::UnknownName`] or [`Error::NoAdapter`] if there is no such adapter, [`Error::Gpu`] if it
    /// refuses a device.
    pub async fn request(selection: &Selection) -> Result<Self> {
        let (adapter, summary) = adapter::select(selection).await?;
        Self::open(adapter, summary, wgpu::Features::empty()).await
    }

    /// The matrix units of the adapter that `selection` selects. Some drivers end the process when they are
    /// asked, so only measurements ask, in a process of their own.
    ///
    /// # Errors
    /// [`Error::UnknownName`] or [`Error::NoAdapter`] if there is no such adapter.
    pub async fn matrix_units(selection: &Selection) -> Result<MatrixUnits> {
        adapter::matrix_units(selection).await
    }

    /// Opens the adapter that `selection` selects with its matrix units, which wgpu counts as experimental.
    ///
    /// # Errors
    /// Those of [`Self::request`]; [`Error::Gpu`] also for an adapter without matrix units.
    pub async fn request_with_matrix_units(selection: &Selection) -> Result<Self> {
        let (adapter, summary) = adapter::select(selection).await?;
        let features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        Self::open(adapter, summary, features).await
    }

    /// Opens every adapter, hardware before software.
    pub async fn request_all() -> Vec<Result<Self>> {
        let mut opened = Vec::new();
        for (adapter, summary) in adapter::ranked().await {
            opened.push(Self::open(adapter, summary, wgpu::Features::empty()).await);
        }
        opened
    }

    /// Opens `adapter` with the experimental features `experimental` too.
    async fn open(
        adapter: wgpu::Adapter,
        summary: AdapterSummary,
        experimental: wgpu::Features,
    ) -> Result<Self> {
        let experimental_features = match experimental.is_empty() {
            true => wgpu::ExperimentalFeatures::disabled(),
            // SAFETY: these features may have errors in wgpu and in drivers. Only a measurement asks for them, in
            // a process that does nothing else, and its kernels use only products that the adapter lists.
            false => unsafe { wgpu::ExperimentalFeatures::enabled() },
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("bregman"),
                required_limits: adapter.limits(),
                // For measurements, and for storage in half precision.
                required_features: experimental
                    | (adapter.features()
                        & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16)),
                experimental_features,
                ..Default::default()
            })
            .await
            .map_err(|e| Error::Gpu {
                operation: format!("opening {summary}"),
                message: e.to_string(),
            })?;
        let fault = Arc::new(Mutex::new(None));
        device.on_uncaptured_error(Arc::new({
            let fault = Arc::clone(&fault);
            move |e: wgpu::Error| {
                lock(&fault).get_or_insert(gpu_error("running a program", e));
            }
        }));
        device.set_device_lost_callback({
            let fault = Arc::clone(&fault);
            let adapter = summary.name.clone();
            move |reason, message| {
                let message = format!("{reason:?}: {message}");
                // The loss is the cause of any error recorded before.
                *lock(&fault) = Some(Error::DeviceLost {
                    adapter: adapter.clone(),
                    message,
                });
            }
        });
        Ok(Self {
            device,
            queue,
            summary,
            fault,
            kernels: Arc::default(),
            in_flight: VecDeque::new(),
        })
    }

    /// The adapter.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Whether kernels may store numbers in half precision.
    pub fn has_f16(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_F16)
    }

    /// The device's limits.
    pub fn limits(&self) -> wgpu::Limits {
        self.device.limits()
    }

    /// Destroys the device, as a driver reset would; later calls fail with [`Error::DeviceLost`].
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Fails if the device has been lost or has met an error that no scope caught.
    pub(super) fn check(&self) -> Result<()> {
        let error = match &*lock(&self.fault) {
            None => return Ok(()),
            Some(Error::Gpu { operation, message }) => Error::Gpu {
                operation: operation.clone(),
                message: message.clone(),
            },
            Some(other) => Error::Gpu {
                operation: "running a program".to_owned(),
                message: other.to_string(),
            },
        };
        Err(self.blame(error))
    }

    /// The loss of the device if it caused `error`, else `error`.
    fn blame(&self, error: Error) -> Error {
        // A loss is reported only when the device is polled, which may fail for the same reason.
        let _ = self.device.poll(wgpu::PollType::Poll);
        match &*lock(&self.fault) {
            Some(Error::DeviceLost { adapter, message }) => Error::DeviceLost {
                adapter: adapter.clone(),
                message: message.clone(),
            },
            _ => error,
        }
    }

    /// Runs `f`. If the device reports an error meanwhile, that is returned, and names `operation`.
    pub(super) async fn scoped<T>(&self, operation: &str, f: impl FnOnce() -> T) -> Result<T> {
        self.check()?;
        let (value, reported) = self.watch(f);
        self.judge(operation, value, reported).await
    }

    /// Runs `f` within error scopes, which belong to the calling thread. What they caught may be awaited
    /// on any thread.
    fn watch<T>(&self, f: impl FnOnce() -> T) -> (T, Vec<Reported>) {
        let filters = [
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::Validation,
        ];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let value = f();
        let pop = |scope: wgpu::ErrorScopeGuard| -> Reported { Box::pin(scope.pop()) };
        (value, scopes.into_iter().rev().map(pop).collect())
    }

    /// `value`, unless the device reported an error while it was made.
    async fn judge<T>(&self, operation: &str, value: T, reported: Vec<Reported>) -> Result<T> {
        let mut first = None;
        for error in reported {
            let error = error.await;
            first = first.or(error);
        }
        match first {
            None => self.check().map(|()| value),
            Some(e) => Err(self.blame(gpu_error(operation, e))),
        }
    }

    /// Compiles the kernels of `shaders`, each once.
    ///
    /// # Errors
    /// [`Error::Shader`] or [`Error::Gpu`] for the first kernel, in the order of `shaders`, that does
    /// not compile.
    pub(super) async fn compile(&self, shaders: &[&Shader]) -> Result<()> {
        self.check()?;
        let mut seen: HashSet<String> = lock(&self.kernels).keys().cloned().collect();
        let missing: Vec<&Shader> = shaders
            .iter()
            .copied()
            .filter(|shader| seen.insert(shader.label()))
            .collect();
        for (shader, (kernel, reported)) in missing.iter().zip(self.build_all(&missing)) {
            let label = shader.label();
            let operation = format!("compiling {label}");
            let kernel = self.judge(&operation, kernel?, reported).await?;
            lock(&self.kernels).insert(label, Arc::new(kernel));
        }
        Ok(())
    }

    fn build(&self, shader: &Shader) -> (Result<Kernel>, Vec<Reported>) {
        self.watch(|| Kernel::build(&self.device, shader))
    }

    /// Compiles `shaders` on all processors: a driver needs a tenth to half a second for each.
    #[cfg(not(target_arch = "wasm32"))]
    fn build_all(&self, shaders: &[&Shader]) -> Vec<(Result<Kernel>, Vec<Reported>)> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut built = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                match shaders.get(index) {
                    Some(shader) => built.push((index, self.build(shader))),
                    None => return built,
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut built = thread::scope(|scope| {
            // Where the system refuses threads, this one compiles them all.
            let helpers: Vec<_> = (1..threads.min(shaders.len()))
                .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut built = work();
            for helper in helpers {
                built.extend(helper.join().expect("a thread that compiles kernels"));
            }
            built
        });
        built.sort_by_key(|(index, _)| *index);
        built.into_iter().map(|(_, kernel)| kernel).collect()
    }

    /// Compiles `shaders` in turn: a web page has no threads of its own, and the browser compiles beside
    /// it.
    #[cfg(target_arch = "wasm32")]
    fn build_all(&self, shaders: &[&Shader]) -> Vec<(Result<Kernel>, Vec<Reported>)> {
        shaders.iter().map(|shader| self.build(shader)).collect()
    }

    /// The compiled kernel of `shader`; each is built once.
    pub(super) async fn kernel(&self, shader: &Shader) -> Result<Arc<Kernel>> {
        self.compile(&[shader]).await?;
        let kernel = lock(&self.kernels).get(&shader.label()).cloned();
        Ok(kernel.expect("it has just been compiled"))
    }

    /// Waits until everything submitted has run.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or [`Error::Gpu`] with the driver's message.
    pub fn finish(&mut self) -> Result<()> {
        self.in_flight.clear();
        self.wait(None)
    }

    /// Submits, then waits until at most [`IN_FLIGHT`] submissions are in flight. Returns the number of
    /// submissions that finished meanwhile.
    pub(super) fn submit(&mut self, encoder: wgpu::CommandEncoder) -> Result<usize> {
        self.in_flight
            .push_back(self.queue.submit([encoder.finish()]));
        let mut finished = 0;
        while self.in_flight.len() > IN_FLIGHT {
            finished += self.wait_oldest()?;
        }
        self.check()?;
        Ok(finished)
    }

    /// Waits for the oldest submission in flight; returns 1, or 0 if there is none.
    pub(super) fn wait_oldest(&mut self) -> Result<usize> {
        match self.in_flight.pop_front() {
            None => Ok(0),
            Some(index) => self.wait(Some(index)).map(|()| 1),
        }
    }

    fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait {
            submission_index,
            timeout: Some(TIMEOUT),
        };
        let polled = self.device.poll(poll);
        self.check()?;
        polled.map(drop).map_err(|e| {
            let operation = format!("waiting for {}", self.summary.name);
            self.blame(Error::Gpu {
                operation,
                message: e.to_string(),
            })
        })
    }

    /// The contents of `buffers` after everything submitted has run.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or [`Error::Gpu`] with the driver's message.
    pub(super) async fn read(&mut self, buffers: &[&wgpu::Buffer]) -> Result<Vec<Vec<u8>>> {
        let total = buffers.iter().map(|b| b.size()).sum();
        let staging = self
            .scoped("allocating a read-back buffer", || {
                let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("readback"),
                    size: total,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                let mut encoder = self.device.create_command_encoder(&Default::default());
                let mut offset = 0;
                for buffer in buffers {
                    encoder.copy_buffer_to_buffer(buffer, 0, &staging, offset, buffer.size());
                    offset += buffer.size();
                }
                self.queue.submit([encoder.finish()]);
                staging
            })
            .await?;
        let mapped = Arc::new(Mutex::new(None));
        staging.map_async(wgpu::MapMode::Read, .., {
            let mapped = Arc::clone(&mapped);
            move |result| *lock(&mapped) = Some(result)
        });
        self.in_flight.clear();
        self.wait(None)?;
        // Another thread's wait may have taken the callback, which it then calls a moment later.
        #[cfg(not(target_arch = "wasm32"))]
        for _ in 0..CALLBACK_MILLISECONDS {
            if lock(&mapped).is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let failed = |message: String| {
            self.blame(Error::Gpu {
                operation: "reading back".to_owned(),
                message,
            })
        };
        // Taken before the match, because its arms may run the callback.
        let mapped = lock(&mapped).take();
        match mapped {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(failed(e.to_string())),
            None => return Err(failed("the buffer was not mapped in time".to_owned())),
        }
        let view = staging
            .get_mapped_range(..)
            .map_err(|e| failed(e.to_string()))?;
        let mut rest = &view[..];
        let parts = buffers.iter().map(|buffer| {
            let (part, tail) = rest.split_at(buffer.size() as usize);
            rest = tail;
            part.to_vec()
        });
        Ok(parts.collect())
    }
}

/// Locks a mutex. If a holder panicked, the value is still whole here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gpu_error(operation: &str, error: wgpu::Error) -> Error {
    Error::Gpu {
        operation: operation.to_owned(),
        message: match &error {
            wgpu::Error::OutOfMemory { .. } => "the device is out of memory".to_owned(),
            _ => error.to_string(),
        },
    }
}

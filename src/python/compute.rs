//! Long computations: on threads of their own, without Python's lock, and stopped by Ctrl-C.
//!
//! The calling thread waits, looks for signals every twentieth of a second, and is the one that calls
//! back into Python. A panic becomes a `RuntimeError`.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::error::{Error, Result};
use crate::threads::MOST_PER_PROCESSOR;

/// How long the calling thread waits before it looks for signals again.
const PATIENCE: Duration = Duration::from_millis(50);

/// Idle pools, by the process and the number of their threads.
type Pools = HashMap<(u32, usize), Vec<ThreadPool>>;

/// The idle pools of this process and of those that it was forked from. A process that was forked has none of
/// its parent's threads, so it needs pools of its own; those of the parent are kept, since they cannot be
/// ended from there.
static POOLS: Mutex<Option<Pools>> = Mutex::new(None);

fn with_pools<T>(change: impl FnOnce(&mut Pools) -> T) -> T {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    change(pools.get_or_insert_default())
}

/// A pool that one computation owns. If pools were shared, a computation that waits for a callback, which also
/// computes, would keep the pool's threads from that callback.
struct Lent {
    key: (u32, usize),
    pool: Option<ThreadPool>,
}

impl Lent {
    /// A pool of `threads` threads; of all cores where no number is given.
    fn new(threads: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or(cores);
        if threads == 0 {
            return Err(Error::InvalidValue {
                field: "threads",
                value: "0".to_owned(),
                reason: "must be at least 1".to_owned(),
            });
        }
        let threads = threads.min(cores.saturating_mul(MOST_PER_PROCESSOR));
        let key = (std::process::id(), threads);
        let idle = with_pools(|pools| pools.get_mut(&key).and_then(Vec::pop));
        let pool = match idle {
            Some(pool) => pool,
            None => rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("bregman-pool-{index}"))
                .build()
                .map_err(|error| Error::Threads {
                    threads,
                    message: error.to_string(),
                })?,
        };
        Ok(Self {
            key,
            pool: Some(pool),
        })
    }

    fn pool(&self) -> &ThreadPool {
        self.pool.as_ref().expect("it is given back at the end")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let pool = self.pool.take();
        with_pools(|pools| pools.entry(self.key).or_default().extend(pool));
    }
}

/// A message of a computation to the thread that waits for it.
enum Event<M, T> {
    Message(M),
    Done(std::thread::Result<Result<T>>),
}

/// The connection of a computation with the thread that waits for it.
pub(super) struct Link<'a, M> {
    /// Whether the computation is to end.
    pub(super) stop: &'a AtomicBool,
    tell: &'a dyn Fn(M) -> bool,
}

impl<M> Link<'_, M> {
    /// Hands a message to the waiting thread, and waits until that thread has handled it. Returns whether the
    /// computation is to continue.
    pub(super) fn tell(&self, message: M) -> bool {
        (self.tell)(message)
    }
}

/// The result of a computation.
pub(super) struct Ended<T> {
    pub(super) result: Result<T>,
    /// The exception of a callback or of a signal, which asked for a stop.
    pub(super) exception: Option<PyErr>,
}

/// Runs `work` on a pool of `threads` threads. `on_message` is called with each message, on the calling
/// thread and with Python's lock, and returns whether to continue.
pub(super) fn run<T: Send, M: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    on_message: &(dyn Fn(Python<'_>, M) -> PyResult<bool> + Sync),
    work: impl FnOnce(&Link<'_, M>) -> Result<T> + Send,
) -> PyResult<Ended<T>> {
    let lent = Lent::new(threads)?;
    let stop = AtomicBool::new(false);
    let (result, exception) = py.detach(|| {
        let (sender, events) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let stop = &stop;
        lent.pool().in_place_scope(|scope| {
            scope.spawn(move |_| {
                let tell = |message| {
                    let sent = sender.send(Event::Message(message)).is_ok();
                    sent && answers.recv().unwrap_or(false)
                };
                let link = Link { stop, tell: &tell };
                let ended = catch_unwind(AssertUnwindSafe(|| work(&link)));
                // The waiting thread is there until it has received this.
                let _ = sender.send(Event::Done(ended));
            });
            wait(stop, &events, &answer, on_message)
        })
    });
    match result {
        Ok(result) => Ok(Ended { result, exception }),
        Err(panic) => Err(fault(&*panic)),
    }
}

/// [`run`] for work that sends no messages: its result, unless a signal came.
pub(super) fn run_quietly<T: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send,
) -> PyResult<T> {
    let silent = |_: Python<'_>, ()| Ok(true);
    let Ended { result, exception } = run(py, threads, &silent, |link| work(link.stop))?;
    match exception {
        Some(exception) => Err(exception),
        None => Ok(result?),
    }
}

/// Handles events until the work is done. Returns its result, and the exception that requested a stop.
fn wait<M, T>(
    stop: &AtomicBool,
    events: &mpsc::Receiver<Event<M, T>>,
    answer: &mpsc::Sender<bool>,
    on_message: &(dyn Fn(Python<'_>, M) -> PyResult<bool> + Sync),
) -> (std::thread::Result<Result<T>>, Option<PyErr>) {
    let mut exception = None;
    loop {
        let dealt_with = match events.recv_timeout(PATIENCE) {
            Ok(Event::Done(result)) => return (result, exception),
            Ok(Event::Message(message)) => {
                // Signals during a callback that is not Python code are handled here.
                let dealt_with = Python::attach(|py| {
                    let goes_on = on_message(py, message)?;
                    py.check_signals().map(|()| goes_on)
                });
                let goes_on = matches!(dealt_with, Ok(true));
                // The computation waits for the answer.
                let _ = answer.send(goes_on);
                dealt_with.map(drop)
            }
            Err(RecvTimeoutError::Timeout) => Python::attach(|py| py.check_signals()),
            Err(RecvTimeoutError::Disconnected) => {
                return (
                    Err(Box::new("the computation ended without a result")),
                    exception,
                );
            }
        };
        if let Err(error) = dealt_with {
            stop.store(true, Ordering::Relaxed);
            exception.get_or_insert(error);
        }
    }
}

/// A panic as an exception: a fault of this package, not of its inputs.
fn fault(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    PyRuntimeError::new_err(format!(
        "a fault within bregman, please report it: {}",
        text.unwrap_or_else(|| "no message".to_owned())
    ))
}

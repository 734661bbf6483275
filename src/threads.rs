//! The threads of the process: rayon's pool, which is made once, with what the system allows.

use std::thread;

use crate::error::{Error, Result};

/// Threads for each processor, beyond which more would only wait for one another.
pub const MOST_PER_PROCESSOR: usize = 4;

/// Number of processors that this process may use: its affinity and the quota of its control group count.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Number of threads of rayon's own choice.
fn default_threads() -> usize {
    let named = std::env::var("RAYON_NUM_THREADS").ok();
    let named = named.and_then(|text| text.parse().ok());
    named
        .filter(|&threads| threads > 0)
        .unwrap_or_else(processors)
}

fn pool(threads: usize) -> rayon::ThreadPoolBuilder {
    rayon::ThreadPoolBuilder::new().num_threads(threads)
}

/// Fails if the system refuses the threads of a pool of `threads`, 0 for rayon's own number. A pool that
/// failed once as the process's own cannot be made again, so one is made for trial.
fn try_pool(threads: usize) -> Result<()> {
    match pool(threads).build() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Threads {
            threads: match threads {
                0 => default_threads(),
                threads => threads,
            },
            message: error.to_string(),
        }),
    }
}

/// Makes the pool of the process, unless the caller runs in a pool of its own or there is one.
///
/// # Errors
/// [`Error::Threads`] if the system does not provide them.
pub fn ready() -> Result<()> {
    static MADE: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    if MADE.get().is_some()
        || rayon::current_thread_index().is_some()
        || cfg!(target_arch = "wasm32")
    {
        return Ok(());
    }
    try_pool(0)?;
    // Where someone else made one before, that is the pool.
    let _ = pool(0).build_global();
    MADE.get_or_init(|| ());
    Ok(())
}

/// Makes the pool of a program, which has no other. It has the number of threads `asked` for, else one for
/// each processor that the process may use. Returns a note if the program runs on fewer.
///
/// # Errors
/// [`Error::Threads`] if the system does not provide as many threads as were asked for.
pub fn start(asked: Option<usize>) -> Result<Option<String>> {
    let processors = processors();
    let most = processors.saturating_mul(MOST_PER_PROCESSOR);
    let threads = asked.unwrap_or(0).min(most);
    let mut note = asked.filter(|&asked| asked > most).map(|asked| {
        let plural = if processors == 1 { "" } else { "s" };
        format!(
            "{asked} threads would wait for one another on the {processors} processor{plural} that this \
             process may use: {most} are started"
        )
    });
    let made = match (try_pool(threads), asked) {
        (Ok(()), _) => pool(threads).build_global(),
        (Err(error), Some(_)) => return Err(error),
        // The calling thread alone needs nothing of the system.
        (Err(error), None) => {
            note = Some(format!("{error}; this thread goes on alone"));
            pool(1).use_current_thread().build_global()
        }
    };
    made.map_err(|error| Error::Threads {
        threads,
        message: error.to_string(),
    })?;
    Ok(note)
}

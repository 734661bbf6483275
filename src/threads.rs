//! The threads of the process: rayon's pool, which is made once, with what the system allows.

use std::thread;

use crate::error::{Error, Result};

/// Threads for each processor, beyond which more would only wait for one another.
pub const MOST_PER_PROCESSOR: usize = 4;

/// Number of processors that this process may use: its affinity and the quota of its control group count.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The number of threads that the user names in rayon's variable, if any.
fn named() -> Option<usize> {
    let text = std::env::var(VARIABLE).ok()?;
    text.trim().parse().ok().filter(|&threads| threads > 0)
}

/// The variable that rayon reads for its number of threads.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// The number of threads of a pool, and a note if it is smaller than the number that was named.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    threads: usize,
    note: Option<String>,
}

/// As many threads as were `asked` for, else as the variable has `named`, else one for each of the
/// `processors`; but no more than are of use.
fn wanted(asked: Option<usize>, named: Option<usize>, processors: usize) -> Wanted {
    let most = processors.saturating_mul(MOST_PER_PROCESSOR);
    let threads = asked.or(named).unwrap_or(processors);
    let source = match asked {
        Some(_) => String::new(),
        None => format!(" ({VARIABLE})"),
    };
    let plural = if processors == 1 { "" } else { "s" };
    Wanted {
        threads: threads.min(most),
        note: (threads > most).then(|| {
            format!(
                "{threads} threads{source} would wait for one another on the {processors} \
                 processor{plural} that this process may use: {most} are started"
            )
        }),
    }
}

fn pool(threads: usize) -> rayon::ThreadPoolBuilder {
    rayon::ThreadPoolBuilder::new().num_threads(threads)
}

/// Fails if the system refuses the threads of a pool. A pool that failed once as the process's own cannot
/// be made again, so one is made for trial.
fn try_pool(threads: usize) -> Result<()> {
    match pool(threads).build() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Threads {
            threads,
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
    let threads = wanted(None, named(), processors()).threads;
    try_pool(threads)?;
    // Where someone else made one before, that is the pool.
    let _ = pool(threads).build_global();
    MADE.get_or_init(|| ());
    Ok(())
}

/// Makes the pool of a program, which has no other. It has the number of threads `asked` for, else that of
/// `RAYON_NUM_THREADS`, else one for each processor that the process may use. Returns a note if the program
/// runs on fewer.
///
/// # Errors
/// [`Error::Threads`] if the system does not provide as many threads as were asked for.
pub fn start(asked: Option<usize>) -> Result<Option<String>> {
    let Wanted { threads, mut note } = wanted(asked, named(), processors());
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn no_source_of_the_number_is_without_a_bound() {
        let threads = |asked, named| wanted(asked, named, 2).threads;
        assert_eq!(threads(None, None), 2);
        assert_eq!((threads(Some(3), None), threads(None, Some(3))), (3, 3));
        assert_eq!(threads(Some(1), Some(3000)), 1);
        assert_eq!((threads(Some(9), None), threads(None, Some(9))), (8, 8));
        assert_eq!(wanted(None, Some(8), 2).note, None);
        for (asked, named, text) in [
            (Some(9), None, "9 threads would wait"),
            (
                None,
                Some(3000),
                "3000 threads (RAYON_NUM_THREADS) would wait",
            ),
        ] {
            let note = wanted(asked, named, 2).note.expect("a note");
            assert!(
                note.starts_with(text) && note.ends_with("8 are started"),
                "{note}"
            );
        }
    }

    /// The pool that the library makes for itself, in a process of its own.
    #[test]
    fn the_pool_of_the_library_has_a_bound() {
        if named() == Some(3000) {
            ready().expect("threads");
            let most = processors() * MOST_PER_PROCESSOR;
            assert_eq!(rayon::current_num_threads(), most);
            return;
        }
        let program = std::env::current_exe().expect("this program");
        let test = "threads::tests::the_pool_of_the_library_has_a_bound";
        let mut again = Command::new(program);
        again.args(["--exact", test]).env(VARIABLE, "3000");
        let output = again.output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
    }
}

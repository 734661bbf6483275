//! What a person reads: lines, and the progress of a sweep.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bregman::error::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a line tells of progress where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(15);

/// Writes a line to standard error. If that is closed there is nobody left to tell.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to standard output. A reader that has gone away is no error: it has what it wanted.
///
/// # Errors
/// [`Error::Io`] for anything else, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output")(e))
        }
        _ => Ok(()),
    }
}

/// Progress of a sweep on standard error: a bar on a terminal, else a line now and then.
pub struct Progress {
    name: String,
    total: u64,
    start: Instant,
    bar: Option<ProgressBar>,
    /// Steps done, and when a line was last written.
    state: Mutex<(u64, Instant)>,
}

impl Progress {
    /// Of `total` steps.
    pub fn new(name: &str, total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let template = "{prefix} {bar:30} {percent} %, {eta} left, {per_sec}";
            let style = ProgressStyle::with_template(template);
            let bar = ProgressBar::new(total).with_prefix(name.to_owned());
            bar.set_style(style.expect("the template is well-formed"));
            bar
        });
        Self {
            name: name.to_owned(),
            total,
            start: Instant::now(),
            bar,
            state: Mutex::new((0, Instant::now())),
        }
    }

    /// So many steps more are done.
    pub fn add(&self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
            return;
        }
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        state.0 += steps;
        if state.1.elapsed() >= INTERVAL {
            state.1 = Instant::now();
            let share = state.0 as f64 / self.total as f64;
            let seconds = self.start.elapsed().as_secs_f64();
            let left = seconds * (1.0 - share) / share;
            say(format_args!(
                "{}: {:.0} %, {left:.0} s left, {:.2e} steps/s",
                self.name,
                100.0 * share,
                state.0 as f64 / seconds
            ));
        }
    }

    /// All are done.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

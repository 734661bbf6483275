//! Signals that request a stop, for which training polls: Ctrl-C, SIGTERM, and those of a closed terminal and of
//! the schedulers of clusters.

use std::ffi::OsStr;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::say::say;

/// The exit code of a program that was stopped, the same as shells use for Ctrl-C.
pub const STOPPED: u8 = 130;

/// A terminal that is closed, a scheduler's warning, and the limit of processor time. One of them may
/// be sent several times.
#[cfg(unix)]
const OTHERS: &[i32] = {
    use signal_hook::consts::{SIGHUP, SIGUSR1, SIGXCPU};
    &[SIGHUP, SIGUSR1, SIGXCPU]
};
#[cfg(not(unix))]
const OTHERS: &[i32] = &[];

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first signal is a request to stop, and the second Ctrl-C or SIGTERM ends the
/// program at once. Only the first call has an effect.
pub fn listen() {
    if ASKED.get().is_some() {
        return;
    }
    let asked = ASKED.get_or_init(Arc::default);
    let impatient = Arc::new(AtomicBool::new(false));
    let mut registered = Ok(());
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that only the second signal finds the request of the first.
        registered = registered
            .and(flag::register_conditional_shutdown(
                signal,
                STOPPED.into(),
                impatient.clone(),
            ))
            .and(flag::register(signal, impatient.clone()))
            .and(flag::register(signal, asked.clone()))
            .map(drop);
    }
    for &signal in OTHERS.iter().filter(|&&signal| !is_ignored(signal)) {
        registered = registered.and(flag::register(signal, asked.clone()).map(drop));
    }
    if let Err(error) = registered {
        say(format_args!(
            "warning: Ctrl-C will end the run without saving ({error})"
        ));
    }
}

/// Whether the parent of this process made it ignore `signal`, as `nohup` does with SIGHUP. Only Linux reports
/// this.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// From now on a write beyond the limit of file sizes (`ulimit -f`) is an error like any other, not the
/// end of the process.
pub fn let_writes_fail() {
    // Without a handler, the limit ends the process as it always did.
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Whether the program was asked to stop.
pub fn requested() -> bool {
    ASKED
        .get()
        .is_some_and(|asked| asked.load(Ordering::SeqCst))
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &OsStr) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    match word.to_str() {
        Some(text) if text.chars().all(plain) && !text.is_empty() => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "'\\''")),
        None => {
            let bytes = word.as_encoded_bytes().iter();
            let escaped = bytes.map(|&byte| match byte {
                b' '..=b'~' if byte != b'\'' && byte != b'\\' => char::from(byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

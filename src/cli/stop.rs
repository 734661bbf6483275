//! Ctrl-C and SIGTERM: a request to stop, which training asks for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::say::say;

/// The exit code of a program that was stopped, as shells have it for Ctrl-C.
pub const STOPPED: u8 = 130;

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first signal is a request to stop, and the second one ends the program at once.
pub fn listen() {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that only the second signal finds the request of the first.
        let second = flag::register_conditional_shutdown(signal, STOPPED.into(), asked.clone());
        let both = second.and_then(|_| flag::register(signal, asked.clone()));
        if let Err(error) = both {
            say(format_args!(
                "warning: Ctrl-C will end the run without saving ({error})"
            ));
        }
    }
}

/// Whether the program was asked to stop.
pub fn requested() -> bool {
    ASKED
        .get()
        .is_some_and(|asked| asked.load(Ordering::SeqCst))
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    match word.chars().all(plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

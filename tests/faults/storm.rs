//! Signals at random moments, to two processes at once that want one folder.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bregman::rng::{Purpose, Stream};

use super::limits::goes_on;
use super::{command, refused, succeeds};
use crate::program::{folder, signal};

const RUN: &str = "--dataset digits --limit-train 400 --limit-test 50 --device cpu --width 48 --lr 0.05 \
                   --momentum 0.9 --validation 0.25 --keep best --epochs 30 --checkpoint-every 1";

/// What a terminal, a scheduler, an impatient user and the system's own killer send, in turn.
const SIGNALS: [&str; 9] = [
    "KILL", "INT", "KILL", "TERM", "STOP", "HUP", "KILL", "USR1", "XCPU",
];

/// Two processes begin in one folder; one of them trains, the other is refused. Either may get any signal at
/// any moment. At the end, the run has the bits of an undisturbed one.
#[test]
fn two_processes_and_every_signal_lose_nothing() {
    let folder = folder();
    let whole = folder.path().join("whole");
    let started = Instant::now();
    succeeds(RUN, &[("--out-dir", &whole)]);
    let longest = started.elapsed();
    let draws = Stream::new(11, Purpose::Digits, 0);
    let mut draw = 0;
    let mut uniform = || {
        draw += 1;
        draws.uniform(draw)
    };
    let (mut pairs, mut stopped, mut killed, mut locked) = (0, 0, 0, 0);
    for round in 0..6 {
        let out = folder.path().join(round.to_string());
        let begin = || {
            let mut run = command(&format!("{RUN} --resume last"), &[("--out-dir", &out)]);
            run.stdout(Stdio::null()).stderr(Stdio::piped());
            run.spawn().expect("it starts")
        };
        let mut is_done = false;
        while !is_done {
            let children = [begin(), begin()];
            std::thread::sleep(longest.mul_f32(0.5 * uniform()));
            let name = SIGNALS[pairs % SIGNALS.len()];
            pairs += 1;
            for child in &children {
                signal(child.id(), name);
                if name == "STOP" {
                    std::thread::sleep(Duration::from_millis(50));
                    signal(child.id(), "CONT");
                }
            }
            for child in children {
                match ended(child) {
                    Ended::Well => is_done = true,
                    Ended::Stopped => stopped += 1,
                    Ended::Killed => killed += 1,
                    Ended::Locked => locked += 1,
                }
            }
        }
        goes_on(RUN, &out, &whole);
    }
    super::count(&format!(
        "{} signals to {pairs} pairs of processes in 6 folders: {stopped} stopped, {killed} killed, \
         {locked} locked out; every run ended as the one that nobody disturbed",
        2 * pairs
    ));
    assert!(
        stopped > 0 && killed > 0 && locked > 0,
        "{stopped} stopped, {killed} killed, {locked} locked out"
    );
}

enum Ended {
    Well,
    Stopped,
    Killed,
    Locked,
}

fn ended(child: Child) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    let output = child.wait_with_output().expect("a child");
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) => Ended::Well,
        (Some(130), _) => Ended::Stopped,
        // Before a program listens, each of these signals ends it.
        (None, Some(_)) => Ended::Killed,
        _ => {
            refused(&output, 1, &["another process is writing there"]);
            Ended::Locked
        }
    }
}

//! Signals that closed terminals and schedulers send.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{SMALL, command, refused};
use crate::program::{self, folder, signal};

const LONG: &str = "--dataset digits --limit-train 2000 --limit-test 50 --device cpu --width 64 \
                    --lr 0.01 --epochs 100000";

fn training(command: &mut Command, out: &Path) -> Child {
    let child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let started = Instant::now();
    while !out.join("metrics.partial.jsonl").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never trained"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Each saves as SIGTERM does, and may be sent several times.
#[test]
fn every_request_to_stop_saves() {
    for name in ["TERM", "HUP", "USR1", "XCPU"] {
        let folder = folder();
        let out = folder.path();
        let child = training(&mut command(LONG, &[("--out-dir", out)]), out);
        signal(child.id(), name);
        if name != "TERM" {
            signal(child.id(), name);
        }
        let output = child.wait_with_output().expect("it ends");
        refused(&output, 130, &["stopped in epoch", "--resume"]);
        assert!(out.join("checkpoint.safetensors").exists(), "{name}");
    }
}

/// A run under `nohup` does not end with its terminal.
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let folder = folder();
    let out = folder.path();
    let run = command(LONG, &[("--out-dir", out)]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    shell.arg(run.get_program()).args(run.get_args());
    let mut child = training(&mut shell, out);
    signal(child.id(), "HUP");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().expect("a child").is_none(), "it goes on");
    signal(child.id(), "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

/// A limit of file sizes is an error that names the file.
#[test]
fn a_file_beyond_the_limit_is_named() {
    let folder = folder();
    let save = folder.path().join("big.safetensors");
    let run = command(&format!("{SMALL} --width 200"), &[("--save", &save)]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 20; exec \"$@\"", "sh"]);
    shell.arg(run.get_program()).args(run.get_args());
    let output = shell.output().expect("sh");
    refused(&output, 1, &["error: cannot write", "big.safetensors"]);
    assert!(!save.exists());
}

/// The layer of infinite depth has no checkpoint: its network is saved at that point.
#[test]
fn a_layer_of_infinite_depth_is_saved_where_it_stops() {
    let folder = folder();
    let save = folder.path().join("net");
    let long = format!("{LONG} --equilibrium --epochs 100000");
    let mut command = command(&long, &[("--save", &save)]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.starts_with("epoch") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut lines, &mut line).expect("a line");
        assert!(read > 0, "it ended before it trained");
    }
    signal(child.id(), "INT");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut lines, &mut rest).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest}");
    assert!(
        rest.contains("stopped in epoch") && rest.contains("the network is saved"),
        "{rest}"
    );
    let load = format!(
        "--load {} --equilibrium --device cpu --limit-test 20",
        save.display()
    );
    program::succeeds("bregman evaluate", &load);
}

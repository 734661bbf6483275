//! Signals that closed terminals and schedulers send.

use std::fs;
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
        if name == "HUP" && ignores_hup() {
            // Under `nohup` a run inherits that it ignores the signal.
            continue;
        }
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

/// Whether this process ignores SIGHUP, the first of the signals.
fn ignores_hup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 == 1)
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

/// The layer of infinite depth has no checkpoint: its network is saved at that point, in the file that was named
/// for it or in the folder of the results.
#[test]
fn a_layer_of_infinite_depth_is_saved_where_it_stops() {
    for (option, saved) in [("--save", "net"), ("--out-dir", "out/network.safetensors")] {
        let folder = folder();
        let named = folder.path().join(saved.split('/').next().expect("a name"));
        let long = format!("{LONG} --equilibrium");
        let mut command = command(&long, &[(option, &named)]);
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
        let network = folder.path().join(saved);
        let load = format!("--load {} --device cpu --limit-test 20", network.display());
        program::succeeds("bregman evaluate", &format!("{load} --equilibrium"));
        if option == "--out-dir" {
            let metrics = fs::read_to_string(named.join("metrics.partial.jsonl"));
            let metrics = metrics.expect("the metrics so far");
            assert!(metrics.starts_with("{\"epoch\":1,"), "{metrics}");
            // The run may begin again, from its network too.
            let short = LONG.replace("--epochs 100000", "--equilibrium --epochs 1");
            super::succeeds(&short, &[("--load", &network), (option, &named)]);
            assert!(named.join("summary.json").exists());
            assert!(!named.join("metrics.partial.jsonl").exists());
        }
    }
}

/// The networks of the theory's experiment on depth that have been trained are kept, and the same command
/// goes on from there.
#[test]
fn an_experiment_on_depth_is_kept_where_it_stops() {
    let folder = folder();
    let out = folder.path().join("out");
    for (name, bytes) in super::data::strangers() {
        fs::write(folder.path().join(name), bytes).expect("write");
    }
    let depth = |seed: u64| {
        let mut command = program::command("bregman theory", "--depth");
        command.arg("--data-dir").arg(folder.path());
        command.arg("--out-dir").arg(&out);
        command.arg("--seed").arg(seed.to_string());
        command
    };
    let partial = out.join("depth.partial.json");
    let mut trained = 0;
    for _ in 0..2 {
        let mut command = depth(0);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.starts_with("spirals, L = ") {
            line.clear();
            let read = std::io::BufRead::read_line(&mut lines, &mut line).expect("a line");
            assert!(read > 0, "it ended before it trained");
        }
        signal(child.id(), "INT");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut lines, &mut rest).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest}");
        assert!(rest.contains("depth.partial.json; go on with"), "{rest}");
        let text = fs::read_to_string(&partial).expect("what was trained");
        let now = text.matches("\"seed\": 0").count();
        assert!(now > trained, "{now} after {trained}: {text}");
        trained = now;
    }
    let other = depth(4).output().expect("it starts");
    refused(
        &other,
        1,
        &[
            "depth.partial.json",
            "seeds 0 to 2",
            "seeds 4 to 6",
            "--overwrite",
        ],
    );
}

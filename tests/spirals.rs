//! `bregman spirals` as a user meets it.

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bregman::files::safetensors::{Numbers, State};
use program::{folder, signal, stderr, stdout};
use serde_json::Value;

const SPIRALS: &str = "bregman spirals";

fn command(args: &str) -> Command {
    program::command(SPIRALS, args)
}

fn run(args: &str) -> Output {
    program::run(SPIRALS, args)
}

fn succeeds(args: &str) -> String {
    program::succeeds(SPIRALS, args)
}

/// All figures from one command, small: files, rows and tables.
#[test]
fn draws_every_figure() {
    let folder = folder();
    let out_dir = folder.path().join("out");
    let output = run(&format!(
        "--device cpu --runs 2 --epochs 2 --out-dir {}",
        out_dir.display()
    ));
    assert!(output.status.success(), "{}", stderr(&output));
    for stem in [
        "figure-4",
        "figure-5-left",
        "figure-5-right",
        "figure-6-left",
        "figure-6-right",
        "depth100",
    ] {
        for extension in ["png", "svg", "csv"] {
            let path = out_dir.join(format!("{stem}.{extension}"));
            let size = fs::metadata(&path).map_or(0, |m| m.len());
            assert!(size > 100, "{}: {size} bytes", path.display());
        }
    }
    let text = fs::read_to_string(out_dir.join("results.json")).expect("results");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("an array");
    let count = |figure: &str| rows.iter().filter(|row| row["figure"] == figure).count();
    let counts = ["4", "5-left", "5-right", "6-left", "6-right", "depth100"].map(count);
    assert_eq!(counts, [1, 3, 3, 18, 6, 6]);
    for row in &rows {
        assert_eq!(row["runs"], 2);
        assert_eq!(row["device"], "cpu");
        let accuracy = row["accuracy_mean"].as_f64().expect("a number");
        assert!((0.3..=1.0).contains(&accuracy), "{row}");
        for key in ["layer", "init", "lr", "loss_mean", "loss_sd", "accuracy_sd"] {
            assert!(!row[key].is_null(), "{key}: {row}");
        }
        for key in ["stuck", "diverged", "steps_per_second"] {
            assert!(row[key].is_number(), "{key}: {row}");
        }
    }
    let tables = stdout(&output);
    for text in ["Figure 5-left", "paper", "0.072", "reproduced", "96.36"] {
        assert!(tables.contains(text), "no `{text}` in: {tables}");
    }
}

/// Runs that end in NaN are counted, and left out of the means.
#[test]
fn counts_what_diverges() {
    let folder = folder();
    succeeds(&format!(
        "--device cpu --figure 6-left --lr 0.1,1e30 --runs 3 --epochs 3 --activation identity \
         --out-dir {}",
        folder.path().display()
    ));
    let text = fs::read_to_string(folder.path().join("results.json")).expect("results");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("an array");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let calm = row["lr"].as_f64().is_some_and(|lr| lr < 1.0);
        assert_eq!(row["diverged"], if calm { 0 } else { 3 }, "{row}");
        assert_eq!(row["loss_mean"].is_null(), !calm, "{row}");
    }
}

#[test]
fn mistakes_are_explained() {
    for (args, code, says) in [
        ("--runs 0", 2, "--runs 0: must be at least 1"),
        ("--epochs 0", 2, "--epochs 0"),
        ("--lr 0.1,-1", 2, "finite and positive"),
        ("--device cpu --adapter x", 2, "leave out one of the two"),
        ("--figure 7", 2, "6-left"),
        ("--device cpu --out-dir /proc/none", 1, "/proc/none"),
        ("--resume last", 2, "unexpected argument"),
    ] {
        let output = run(args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args}: {message}");
        assert!(message.contains(says), "{args}: {message}");
        assert!(!message.contains("panicked"), "{args}: {message}");
    }
}

/// The numbers of Figure 5 as written, without the speed.
fn numbers(folder: &Path) -> (Vec<Value>, [String; 2]) {
    let text = fs::read_to_string(folder.join("results.json")).expect("results");
    let mut rows: Vec<Value> = serde_json::from_str(&text).expect("an array");
    for row in &mut rows {
        let row = row.as_object_mut().expect("an object");
        assert!(row.remove("steps_per_second").is_some());
    }
    let csv = ["figure-5-left.csv", "figure-5-right.csv"];
    (
        rows,
        csv.map(|name| fs::read_to_string(folder.join(name)).expect("a table")),
    )
}

/// A run that is killed, resumed, stopped and resumed again ends with the bits of one that was not
/// interrupted, and a finished run is not trained again.
#[cfg(unix)]
#[test]
fn a_run_goes_on_to_the_same_bits() {
    goes_on("cpu", 8000);
    if std::env::var_os("BREGMAN_REQUIRE_GPU").is_some() {
        goes_on("gpu", 300);
    }
}

/// On `device`, with a number of epochs that takes it some seconds.
#[cfg(unix)]
fn goes_on(device: &str, epochs: u64) {
    let folders = [(); 2].map(|()| folder());
    let [whole, parts] = folders.each_ref().map(|folder| folder.path());
    let args = |folder: &Path| {
        let folder = folder.display();
        format!("--device {device} --figure 5 --runs 4 --epochs {epochs} --out-dir {folder}")
    };
    succeeds(&args(whole));

    let checkpoint = parts.join("checkpoint-5.safetensors");
    // The epochs that all runs have done together.
    let done = || -> u64 {
        let state = State::load(&checkpoint).expect("a checkpoint");
        let counts = state
            .arrays
            .iter()
            .filter(|(name, _)| name.ends_with(".done"));
        let sum = counts.map(|(_, array)| match &array.numbers {
            Numbers::U64(done) => done.iter().sum::<u64>(),
            _ => panic!("counts are integers"),
        });
        sum.sum()
    };
    let started = Instant::now();
    let mut child = command(&args(parts))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    while !checkpoint.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing saved");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("it is dead");
    let first = done();
    assert!(0 < first && first < 6 * 4 * epochs, "{first}");

    // On a busy machine nothing may be done in so short a time: then it is given longer.
    let mut wait = Duration::from_millis(400);
    let said = loop {
        let child = command(&format!("{} --resume", args(parts)))
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        std::thread::sleep(wait);
        signal(child.id(), "TERM");
        let output = child.wait_with_output().expect("it ends");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("% done before"), "{said}");
        assert!(said.contains("stopped in figure 5; saved"), "{said}");
        if done() > first {
            break said;
        }
        wait *= 2;
        assert!(
            wait < Duration::from_secs(30),
            "nothing is done after {first}"
        );
    };

    // The command that the message names continues from there.
    let named = said.lines().last().expect("the command").trim();
    assert!(named.ends_with(" --resume"), "{named}");
    let output = Command::new("sh").args(["-c", named]).output().expect("sh");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(numbers(whole) == numbers(parts));

    let saved = fs::read(&checkpoint).expect("a checkpoint");
    let said = succeeds(&format!("{} --resume", args(parts)));
    assert!(said.contains("figure 5: 100 % done before"));
    assert!(saved == fs::read(&checkpoint).expect("a checkpoint"));
    assert!(numbers(whole) == numbers(parts));
}

/// Options that would make it a different run are refused before anything is trained; the message
/// names the option and both values.
#[test]
fn other_options_are_not_resumed() {
    let folder = folder();
    let args = format!(
        "--device cpu --figure 5 --runs 2 --epochs 3 --out-dir {}",
        folder.path().display()
    );
    let said = succeeds(&format!("{args} --resume"));
    assert!(said.contains("from the beginning"));
    let checkpoint = folder.path().join("checkpoint-5.safetensors");
    let saved = fs::read(&checkpoint).expect("a checkpoint");
    for (option, found, given) in [
        ("--runs 3", "2", "3"),
        ("--epochs 4", "3", "4"),
        ("--lr 0.2", "0.1", "0.2"),
        ("--batch-size 9", "10", "9"),
        ("--activation tanh", "arctan", "tanh"),
        ("--layers 2", "3", "2"),
        ("--init random", "random,deterministic", "random"),
        ("--form primal", "dual", "primal"),
        ("--loss cross-entropy", "mse", "cross-entropy"),
        ("--seed 1", "0", "1"),
    ] {
        let output = run(&format!("{args} {option} --resume"));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let name = option.split(' ').next().expect("a name");
        let says = format!("the run has {name} {found}, but {name} {given} was given");
        assert!(said.contains(&says), "{says}: {said}");
        assert!(!said.contains("steps in"), "{said}");
    }
    assert!(saved == fs::read(&checkpoint).expect("a checkpoint"));
    // Options may repeat the values that the run has.
    succeeds(&format!("{args} --lr 0.10 --seed 0 --layers 3 --resume"));

    // A damaged file is named, not used.
    fs::write(&checkpoint, &saved[..saved.len() - 4]).expect("write");
    let output = run(&format!("{args} --resume"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("checkpoint-5.safetensors"));
}

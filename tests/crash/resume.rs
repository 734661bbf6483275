//! Resuming: bit by bit the run that was not interrupted, and only that run.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bregman::checkpoint::Run;
use serde_json::Value;

use crate::program;
pub use crate::program::{folder, metrics, signal, stderr};

/// A run of a few small steps an epoch, the last on a short batch.
pub const SMALL: &str = "--dataset digits --limit-train 300 --limit-test 101 --device cpu --width 13 \
                         --batch-size 64 --lr 0.1";

pub fn command(args: &str) -> Command {
    program::command("train_mnist", args)
}

pub fn run(args: &str) -> Output {
    program::run("train_mnist", args)
}

/// A run that must end well; returns what it said.
pub fn succeeds(args: &str) -> String {
    program::succeeds("train_mnist", args)
}

fn fails(args: &str, says: &[&str]) {
    let output = run(args);
    let message = stderr(&output);
    assert!(!output.status.success(), "{args}");
    for text in says {
        assert!(message.contains(text), "{args}: no `{text}` in: {message}");
    }
}

/// k epochs, then n − k: the same file of parameters, the same lines of metrics.
#[test]
fn a_resumed_run_is_the_whole_run_to_the_bit() {
    let devices: &[&str] = match std::env::var_os("BREGMAN_REQUIRE_GPU") {
        Some(_) => &["cpu", "gpu"],
        None => &["cpu"],
    };
    for device in devices {
        for network in [
            "--hidden-layers 2 --realizations 3",
            "--layer euclidean --activation sigmoid --validation 50",
            "--layer standard --loss mse --seed 18446744073709551615 --realizations 2",
            "--form primal --activation sin",
            "--augment crop:3,scale:0.2,cutout:5 --realizations 2",
            "--optimizer adamw --lr 0.01 --clip-norm 1 --schedule step:2:0.5 --warm-up 0.5",
            "--validation 0.2 --keep best --lr 2.5 --activation sigmoid --realizations 4",
        ] {
            let network = format!("{SMALL} {network} --device {device}");
            let (whole, parts) = (folder(), folder());
            let [whole, parts] = [whole.path(), parts.path()];
            let at =
                |folder: &Path| format!("--out-dir {0} --save {0}/x.safetensors", folder.display());
            succeeds(&format!("{network} --epochs 5 {}", at(whole)));
            succeeds(&format!(
                "{network} --epochs 2 --checkpoint-every 1 {}",
                at(parts)
            ));
            // The options are the run's own except the number of epochs.
            let checkpoint = parts.join("checkpoint.safetensors");
            let resume = format!("--resume {} --epochs 5", checkpoint.display());
            let said = succeeds(&resume);
            assert!(
                said.contains("after 2 epochs") && said.contains("epoch 3/5"),
                "{said}"
            );
            assert!(!said.contains("epoch 2/5"), "{said}");
            assert_eq!(metrics(whole), metrics(parts), "{network}");
            assert_eq!(metrics(parts).len(), 5);
            let saved = |folder: &Path| {
                let files = fs::read_dir(folder).expect("read folder").flatten();
                let mut files: Vec<_> = files
                    .filter(|f| f.file_name().to_string_lossy().starts_with('x'))
                    .map(|f| (f.file_name(), fs::read(f.path()).expect("read")))
                    .collect();
                files.sort();
                files
            };
            assert!(!saved(whole).is_empty());
            assert!(saved(whole) == saved(parts), "{network}: parameters");
        }
    }
}

/// Ctrl-C and `kill` at some step of an epoch of many.
#[test]
fn a_signal_finishes_the_step_and_saves() {
    ["INT", "TERM"].into_iter().for_each(stops_and_goes_on);
}

fn stops_and_goes_on(name: &str) {
    let (whole, parts) = (folder(), folder());
    let [whole, parts] = [whole.path(), parts.path()];
    let run = "--dataset digits --limit-train 4000 --limit-test 50 --device cpu --width 64 \
               --batch-size 1 --lr 0.01 --realizations 2 --epochs 2";
    let at = |folder: &Path| format!("--out-dir {0} --save {0}/x.safetensors", folder.display());
    succeeds(&format!("{run} {}", at(whole)));

    let child = command(&format!("{run} {}", at(parts)))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let started = Instant::now();
    // Following begins with training.
    while !parts.join("metrics.partial.jsonl").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never trained"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    signal(child.id(), name);
    let output = child.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    let checkpoint = parts.join("checkpoint.safetensors");
    let command = format!("train_mnist --resume {}", checkpoint.display());
    assert!(
        said.contains("stopped in epoch") && said.contains(&command),
        "{said}"
    );
    let saved = Run::load(&checkpoint).expect("a checkpoint");
    assert!(
        saved.position.steps > 0 && saved.position.steps < 4000,
        "within an epoch: {said}"
    );

    // The command that was named continues from there.
    let command = said.lines().last().expect("the command").trim();
    let resumed = Command::new("sh")
        .args(["-c", command])
        .output()
        .expect("sh");
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(metrics(whole), metrics(parts));
    for r in 0..2 {
        let name = format!("x-{r}.safetensors");
        let [a, b] = [whole, parts].map(|folder| fs::read(folder.join(&name)).expect("saved"));
        assert!(a == b, "realization {r}");
    }
}

/// The number of threads changes no bit, and may be another when a run is resumed.
#[test]
fn a_run_of_one_thread_goes_on_with_two() {
    let (whole, parts) = (folder(), folder());
    let [whole, parts] = [whole.path(), parts.path()];
    let run = format!("{SMALL} --hidden-layers 2 --width 40 --threads 1");
    let at = |folder: &Path| format!("--out-dir {0} --save {0}/x.safetensors", folder.display());
    succeeds(&format!("{run} --epochs 4 {}", at(whole)));
    succeeds(&format!(
        "{run} --epochs 2 --checkpoint-every 1 {}",
        at(parts)
    ));
    let checkpoint = parts.join("checkpoint.safetensors");
    let said = succeeds(&format!(
        "--resume {} --epochs 4 --threads 2",
        checkpoint.display()
    ));
    assert!(said.contains("cpu, 2 threads"), "{said}");
    assert_eq!(metrics(whole), metrics(parts));
    let saved = |folder: &Path| fs::read(folder.join("x.safetensors")).expect("saved");
    assert!(saved(whole) == saved(parts), "parameters");
}

#[test]
fn last_starts_from_the_beginning_if_there_is_nothing_yet() {
    let folder = folder();
    let out = folder.path().display();
    let args = format!("{SMALL} --epochs 2 --checkpoint-every 1 --out-dir {out} --resume last");
    let said = succeeds(&args);
    assert!(
        said.contains("there is no ") && said.contains("from the beginning"),
        "{said}"
    );
    let first = metrics(folder.path());
    // The run is done: there is nothing to train, and the results are written once more.
    let said = succeeds(&args);
    assert!(
        said.contains("after 2 epochs") && !said.contains("epoch 1/2"),
        "{said}"
    );
    assert_eq!(metrics(folder.path()), first);
    fails("--resume last", &["--out-dir"]);
    fails("--resume /no/such/file", &["/no/such/file"]);
    fails(
        &format!("{SMALL} --epochs 1 --out-dir {out} --resume"),
        &["--epochs 1", "has done 2"],
    );
}

#[test]
fn options_that_change_the_mathematics_are_refused_by_name() {
    let folder = folder();
    let out = folder.path().display();
    succeeds(&format!(
        "{SMALL} --epochs 1 --checkpoint-every 1 --out-dir {out}"
    ));
    let before = fs::read(folder.path().join("checkpoint.safetensors")).expect("read");
    for (option, found, given) in [
        ("--lr 0.2", "--lr 0.1", "--lr 0.2"),
        ("--layer standard", "--layer bregman", "--layer standard"),
        ("--augment flip", "--augment not set", "--augment flip"),
        ("--form primal", "--form dual", "--form primal"),
        ("--activation sin", "--activation tanh", "--activation sin"),
        (
            "--hidden-layers 2",
            "--hidden-layers 1",
            "--hidden-layers 2",
        ),
        ("--width 12", "--width 13", "--width 12"),
        ("--loss mse", "--loss cross-entropy", "--loss mse"),
        (
            "--input-range 0,0.5",
            "--input-range 0,0.999999",
            "--input-range 0,0.5",
        ),
        ("--validation 10", "--validation not set", "--validation 10"),
        ("--batch-size 32", "--batch-size 64", "--batch-size 32"),
        ("--seed 1", "--seed 0", "--seed 1"),
        (
            "--init deterministic",
            "--init random",
            "--init deterministic",
        ),
        ("--realizations 2", "--realizations 1", "--realizations 2"),
        (
            "--limit-train 299",
            "--limit-train 300",
            "--limit-train 299",
        ),
        ("--limit-test 100", "--limit-test 101", "--limit-test 100"),
        ("--load /x", "--load not set", "--load /x"),
        ("--optimizer adam", "--optimizer sgd", "--optimizer adam"),
        ("--momentum 0.9", "--momentum 0", "--momentum 0.9"),
        (
            "--weight-decay 0.1",
            "--weight-decay not set",
            "--weight-decay 0.1",
        ),
        ("--clip-norm 1", "--clip-norm not set", "--clip-norm 1"),
        (
            "--schedule cosine",
            "--schedule constant",
            "--schedule cosine",
        ),
        ("--warm-up 0.5", "--warm-up 0", "--warm-up 0.5"),
        (
            "--validation 10 --keep best",
            "--validation not set",
            "--validation 10",
        ),
        ("--lr 0.1,0.2", "--lr 0.1", "--lr 0.1,0.2"),
    ] {
        fails(
            &format!("--resume last --out-dir {out} --epochs 2 {option}"),
            &[found, given],
        );
    }
    assert_eq!(
        fs::read(folder.path().join("checkpoint.safetensors")).expect("read"),
        before
    );
    // A file of a program that did not know some options yet means their defaults.
    let checkpoint = folder.path().join("checkpoint.safetensors");
    let mut run = Run::load(&checkpoint).expect("a run");
    for option in ["optimizer", "momentum", "schedule", "warm-up"] {
        assert!(run.options.remove(option).is_some(), "{option}");
    }
    run.save(&checkpoint).expect("save");
    // The same values, written otherwise, are the same.
    succeeds(&format!(
        "{SMALL} --lr 0.10 --epochs 2 --resume last --out-dir {out}"
    ));
    // The number of epochs is free, except where the rate of each step depends on it.
    let out = folder.path().join("cosine");
    let out = out.display();
    succeeds(&format!(
        "{SMALL} --schedule cosine --epochs 2 --checkpoint-every 1 --out-dir {out}"
    ));
    fails(
        &format!("--resume last --out-dir {out} --epochs 3"),
        &["--epochs 2", "--epochs 3"],
    );
}

#[test]
fn files_of_another_kind_are_told_apart() {
    let folder = folder();
    let out = folder.path().display();
    succeeds(&format!(
        "{SMALL} --epochs 1 --checkpoint-every 1 --out-dir {out} --save {out}/x"
    ));
    fails(&format!("--resume {out}/x"), &["--load"]);
    fails(
        &format!("--load {out}/checkpoint.safetensors --eval-only"),
        &["--resume"],
    );
}

/// Settings: file < environment < command line, and what is written can be passed back.
#[test]
fn settings_come_from_a_file_the_environment_and_the_command_line() {
    let folder = folder();
    let file = folder.path().join("run.toml");
    fs::write(
        &file,
        "dataset = \"digits\"\nlimit-train = 300\nlimit_test = 101\ndevice = \"cpu\"\nwidth = 13\n\
         batch-size = 64\nlr = 0.5\nseed = 5\nepochs = 3\n",
    )
    .expect("write");
    let out = folder.path().join("out");
    let args = format!(
        "--config {} --epochs 1 --out-dir {}",
        file.display(),
        out.display()
    );
    let output = command(&args)
        .env("BREGMAN_LR", "0.25")
        .env("BREGMAN_EPOCHS", "2")
        .output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let summary = |folder: &Path| -> Value {
        let text = fs::read_to_string(folder.join("summary.json")).expect("read");
        serde_json::from_str(&text).expect("JSON")
    };
    let first = summary(&out);
    for (option, value) in [
        ("seed", 5.0),
        ("lr", 0.25),
        ("epochs", 1.0),
        ("width", 13.0),
    ] {
        assert_eq!(first["options"][option].as_f64(), Some(value), "{option}");
    }

    let again = folder.path().join("again");
    let settings = out.join("settings.toml");
    succeeds(&format!(
        "--config {} --out-dir {}",
        settings.display(),
        again.display()
    ));
    assert_eq!(metrics(&out), metrics(&again));

    // The settings of another optimizer, for a run and for its evaluation.
    let [adam, again] = ["adam", "adam again"].map(|name| folder.path().join(name));
    let save = adam.join("x.safetensors");
    succeeds(&format!(
        "{SMALL} --epochs 1 --optimizer adamw --lr 0.01 --warm-up 0.5 --out-dir {} --save {}",
        adam.display(),
        save.display()
    ));
    let settings = adam.join("settings.toml");
    let settings = settings.display();
    program::succeeds(
        "bregman",
        &format!("evaluate --config {settings} --load {}", save.display()),
    );
    let mut command = command(&format!("--config {settings} --out-dir"));
    let output = command.arg(&again).output().expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(metrics(&adam), metrics(&again));

    for (text, says) in [
        ("lr = \"fast\"", "'fast'"),
        ("learning-rate = 1", "unknown setting `learning-rate`"),
        ("[lr]", "table"),
        ("lr = ", "settings file"),
        ("resume = \"last\"", "unknown setting `resume`"),
    ] {
        fs::write(&file, text).expect("write");
        fails(
            &format!("{SMALL} --config {}", file.display()),
            &[says, "run.toml"],
        );
    }
    fails("--config /no/such/file", &["/no/such/file"]);
}

//! A folder of results belongs to one run, and its files stay unless `--overwrite` deletes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{SMALL, command, fails, run, said, succeeds};
use crate::program::{self, folder, metrics, signal};

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("read")).expect("JSON")
}

/// A second run in the folder of one that is under way is refused and changes nothing.
#[test]
fn one_run_at_a_time() {
    let folder = folder();
    let out = folder.path();
    let long = "--dataset digits --limit-train 2000 --limit-test 50 --device cpu --width 64 \
                --epochs 100000";
    let mut first = command(long, &[("--out-dir", out)])
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let started = Instant::now();
    while !out.join("metrics.partial.jsonl").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never trained"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let shown = out.display().to_string();
    fails(
        SMALL,
        &[("--out-dir", out)],
        1,
        &["another process", &shown],
    );
    let others = [
        ("bregman theory", ""),
        ("bregman spirals", "--figure 4 --runs 1 --epochs 1"),
    ];
    for (program, args) in others {
        let output = program::command(program, args)
            .arg("--out-dir")
            .arg(out)
            .output();
        super::refused(&output.expect("it starts"), 1, &["another process", &shown]);
    }
    first.kill().expect("SIGKILL");
    first.wait().expect("it is dead");
    // The lock has ended with its process.
    succeeds(SMALL, &[("--out-dir", out)]);
}

/// Cells that three processes train at the same time are all kept.
#[test]
fn cells_of_several_processes_are_kept() {
    let folder = folder();
    super::data::write_cifar(folder.path());
    for round in 0..4 {
        let out = folder.path().join(format!("table2-{round}"));
        let cells = ["standard", "euclidean", "bregman"].map(|layer| {
            let args = format!("--quick --row cifar10-cnn --device cpu --layer {layer}");
            let mut command = program::command("bregman table2", &args);
            command.arg("--data-dir").arg(folder.path());
            command.arg("--out-dir").arg(&out);
            let output = command.stdout(Stdio::null()).stderr(Stdio::null());
            output.spawn().expect("it starts")
        });
        for mut cell in cells {
            assert!(cell.wait().expect("it ends").success());
        }
        let cells = json(&out.join("table2.json"));
        let cells = cells.as_array().expect("an array").iter();
        let layers: Vec<&Value> = cells.map(|cell| &cell["layer"]).collect();
        assert_eq!(layers, ["standard", "euclidean", "bregman"]);
    }
}

/// A figure adds its rows to those of other figures, digit for digit.
#[test]
fn figures_add_to_the_results() {
    let folder = folder();
    let out = folder.path();
    let figure = |name: &str| {
        let args = format!("--figure {name} --runs 2 --epochs 3 --device cpu");
        let mut command = program::command("bregman spirals", &args);
        let output = command
            .arg("--out-dir")
            .arg(out)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{}", said(&output));
        let results = json(&out.join("results.json"));
        results.as_array().expect("an array").clone()
    };
    let five = figure("5");
    let both = figure("4");
    assert_eq!(both[0]["figure"], "4");
    assert_eq!(both[1..], five);
    assert_eq!(figure("5").len(), both.len());
    fs::write(out.join("results.json"), "{}").expect("write");
    let mut command = program::command("bregman spirals", "--figure 4 --runs 1 --epochs 1");
    let output = command
        .arg("--out-dir")
        .arg(out)
        .output()
        .expect("it starts");
    super::refused(&output, 1, &["results.json", "move it away"]);
}

/// The checkpoint of a run with other settings is not mistaken for the new run's.
#[test]
fn a_checkpoint_of_another_run_is_not_passed_over() {
    let folder = folder();
    let out = folder.path();
    let checkpoint = out.join("checkpoint.safetensors");
    let at = [("--out-dir", out)];
    succeeds(&format!("{SMALL} --checkpoint-every 1"), &at);
    let before = (metrics(out), fs::read(&checkpoint).expect("saved"));
    let other = format!("{SMALL} --lr 0.01");
    fails(
        &other,
        &at,
        1,
        &["--lr is 0.1 there and 0.01 here", "--overwrite", "--resume"],
    );
    fails(
        &format!("{SMALL} --equilibrium"),
        &at,
        1,
        &["--equilibrium is not set there and true here"],
    );
    assert!(before == (metrics(out), fs::read(&checkpoint).expect("saved")));
    // The same run is told what there is.
    assert!(succeeds(SMALL, &at).contains("which is done; --resume last"));
    let said = succeeds(&format!("{SMALL} --epochs 3"), &at);
    assert!(
        said.contains("after 1 epoch: --resume last continues"),
        "{said}"
    );
    // A run that is resumed into the folder of another one.
    let elsewhere = folder.path().join("b");
    succeeds(
        &format!("{other} --checkpoint-every 1"),
        &[("--out-dir", &elsewhere)],
    );
    let resumed = [
        ("--resume", elsewhere.join("checkpoint.safetensors")),
        ("--out-dir", out.to_owned()),
    ];
    let resumed = resumed
        .each_ref()
        .map(|(option, path)| (*option, path.as_path()));
    fails("--epochs 2", &resumed, 1, &["--overwrite"]);
    // Given up, it is gone.
    succeeds(&format!("{other} --overwrite"), &at);
    assert!(!checkpoint.exists());
    fs::write(&checkpoint, "mine").expect("write");
    fails(SMALL, &at, 1, &["safetensors file", "--overwrite"]);
    assert_eq!(fs::read(&checkpoint).expect("there"), b"mine");
}

/// Results of other settings are not replaced unless they are given up, and the same settings are told that
/// they are done; of networks of layers, of the layer of infinite depth, and of grids.
#[test]
fn results_of_another_run_are_not_replaced() {
    let folder = folder();
    for (name, first, second, difference) in [
        ("lr", "", "--lr 0.4", "--lr is 0.1 there and 0.4 here"),
        (
            "equilibrium",
            "",
            "--equilibrium",
            "--equilibrium is not set there and true here",
        ),
        (
            "width",
            "--equilibrium",
            "--equilibrium --width 12",
            "--width is 13 there and 12 here",
        ),
        (
            "grid",
            "",
            "--lr 0.1,0.2",
            "--lr is 0.1 there and 0.1,0.2 here",
        ),
    ] {
        let out = folder.path().join(name);
        let at = [("--out-dir", out.as_path())];
        let files = [
            "metrics.jsonl",
            "summary.json",
            "settings.toml",
            "curves.png",
        ];
        let contents = || files.map(|file| fs::read(out.join(file)).ok());
        let first = format!("{SMALL} {first}");
        let second = format!("{SMALL} {second}");
        assert!(!succeeds(&first, &at).contains("which is done"));
        let before = contents();
        fails(
            &second,
            &at,
            1,
            &["summary.json has the results", difference, "--overwrite"],
        );
        assert!(contents() == before, "{name}");
        // The same run, with options that change nothing.
        for same in [first.clone(), format!("{first} --threads 1 --lr 0.10")] {
            let said = succeeds(&same, &at);
            assert!(
                said.contains("summary.json is of this run, which is done"),
                "{said}"
            );
        }
        succeeds(&format!("{second} --overwrite"), &at);
        if name != "grid" {
            fails(&first, &at, 1, &["has the results of a different run"]);
        }
        let said = succeeds(&second, &at);
        assert!(said.contains("of this run"), "{said}");
    }
}

/// So it is with other data under the same name, and with results that do not say of what they are.
#[test]
fn results_of_other_data_are_not_replaced() {
    let folder = folder();
    let (table, out) = (folder.path().join("t.csv"), folder.path().join("out"));
    let write = |last: &str| {
        let rows = (0..30).map(|i| format!("{},{}\n", i % 7, ["a", "b"][i % 2]));
        let text: String = rows.collect();
        fs::write(&table, format!("x,y\n{text}{last}\n")).expect("write");
    };
    let run = "--target y --epochs 1 --device cpu --width 5";
    let paths = [("--data", table.as_path()), ("--out-dir", out.as_path())];
    write("3,a");
    succeeds(run, &paths);
    write("3,b");
    fails(
        run,
        &paths,
        1,
        &["summary.json", "its data are different", "--overwrite"],
    );
    write("3,a");
    succeeds(run, &paths);
    // A summary of an earlier program does not have the data's sha256.
    let summary = out.join("summary.json");
    let text = fs::read_to_string(&summary).expect("read");
    let earlier: String = text
        .lines()
        .filter(|line| !line.contains("data_sha256"))
        .collect();
    fs::write(&summary, earlier).expect("write");
    succeeds(run, &paths);
    // A run that did not come to its end has no summary, and begins again with any settings.
    fs::remove_file(&summary).expect("remove");
    succeeds(&format!("{run} --seed 1"), &paths);
    fs::remove_file(out.join("settings.toml")).expect("remove");
    fails(
        run,
        &paths,
        1,
        &["there is no settings.toml", "--overwrite"],
    );
    // An evaluation is no run.
    let network = out.join("x.safetensors");
    succeeds(
        &format!("{run} --overwrite"),
        &[paths[0], paths[1], ("--save", &network)],
    );
    succeeds(
        "--eval-only --device cpu",
        &[paths[0], paths[1], ("--load", &network)],
    );
}

/// The verdicts on the theory have a folder of their own for each of their settings.
#[test]
fn verdicts_of_other_settings_are_not_replaced() {
    let folder = folder();
    let theory = |args: &str| {
        let mut command = program::command("bregman theory", args);
        command.current_dir(folder.path());
        command.output().expect("it starts")
    };
    let seed_of = |name: &str| json(&folder.path().join(name).join("bilevel.json"))["seed"].clone();
    for (args, other, difference) in [
        (
            "--problems 2 --out-dir q",
            "--problems 2 --out-dir q --seed 4",
            "--seed is 0 there and 4 here",
        ),
        (
            "--problems 2 --out-dir q",
            "--problems 3 --out-dir q",
            "--problems is 2 there and 3 here",
        ),
    ] {
        assert!(theory(args).status.success());
        super::refused(
            &theory(other),
            1,
            &["bilevel.json has the results", difference, "--overwrite"],
        );
        assert_eq!(seed_of("q"), 0);
    }
    assert!(
        theory("--problems 2 --out-dir q --seed 4 --overwrite")
            .status
            .success()
    );
    assert_eq!(seed_of("q"), 4);
    // Folders that nobody names are numbered.
    for seed in [0, 4, 0] {
        assert!(
            theory(&format!("--problems 2 --seed {seed}"))
                .status
                .success()
        );
    }
    assert_eq!([seed_of("runs/bilevel"), seed_of("runs/bilevel-2")], [0, 4]);
    assert!(!folder.path().join("runs/bilevel-3").exists());
    // A file of an earlier program does not say its settings.
    fs::write(folder.path().join("q/bilevel.json"), "[]").expect("write");
    super::refused(
        &theory("--problems 2 --out-dir q"),
        1,
        &["does not say", "--overwrite"],
    );
}

/// An evaluation leaves the files of the training as they are.
#[test]
fn an_evaluation_replaces_no_result_of_training() {
    let folder = folder();
    let out = folder.path();
    let network = out.join("n.safetensors");
    succeeds(SMALL, &[("--out-dir", out), ("--save", &network)]);
    let contents = || {
        let files = [
            "metrics.jsonl",
            "summary.json",
            "settings.toml",
            "mistakes.png",
            "curves.png",
        ];
        files.map(|file| fs::read(out.join(file)).expect("there"))
    };
    let before = contents();
    for (program, eval) in [("train_mnist", " --eval-only"), ("bregman evaluate", "")] {
        let args = format!("--device cpu --limit-test 20{eval}");
        let mut command = program::command(program, &args);
        command
            .arg("--load")
            .arg(&network)
            .arg("--out-dir")
            .arg(out);
        assert!(command.output().expect("it starts").status.success());
        assert!(contents() == before);
        let evaluation = json(&out.join("evaluation.json"));
        assert_eq!(evaluation["options"]["limit_test"], 20);
        assert!(out.join("evaluation-mistakes.png").exists());
        fs::remove_file(out.join("evaluation.json")).expect("remove");
    }
}

/// A network may not replace what the run itself writes.
#[test]
fn a_network_does_not_replace_a_file_of_the_run() {
    let folder = folder();
    let out = folder.path().join("x");
    for name in [
        "checkpoint.safetensors",
        "../x/summary.json",
        "metrics.jsonl",
    ] {
        let paths = [("--out-dir", out.as_path()), ("--save", &out.join(name))];
        fails(SMALL, &paths, 2, &["--save", "the run itself"]);
    }
    succeeds(
        &format!("{SMALL} --checkpoint-every 1"),
        &[("--out-dir", &out), ("--save", &out.join("net"))],
    );
}

/// The exporter does not write over the network, nor over the export of another version.
#[test]
fn exports_have_files_of_their_own() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    succeeds(SMALL, &[("--save", &file("v1.2"))]);
    for name in ["v1.3", "n.onnx", "x.safetensors"] {
        fs::copy(file("v1.2"), file(name)).expect("copy");
    }
    let export = |name: &str, out: Option<&str>| {
        let mut command = program::command("bregman export", "");
        command.arg("--load").arg(file(name));
        command.args(
            out.map(file)
                .iter()
                .flat_map(|out| ["--out".as_ref(), out.as_os_str()]),
        );
        command.output().expect("it starts")
    };
    for name in ["v1.2", "v1.3", "x.safetensors"] {
        assert!(export(name, None).status.success());
    }
    for name in ["v1.2.onnx", "v1.3.onnx", "x.onnx"] {
        assert!(file(name).exists(), "{name}");
    }
    let network = fs::read(file("n.onnx")).expect("read");
    super::refused(&export("n.onnx", Some("./n.onnx")), 2, &["--out", "n.onnx"]);
    assert!(fs::read(file("n.onnx")).expect("read") == network);
}

/// Permissions of a file that is replaced hold for the new one; a read-only file is not replaced.
#[test]
fn permissions_are_kept() {
    let folder = folder();
    let network = folder.path().join("x.safetensors");
    let set = |mode| fs::set_permissions(&network, fs::Permissions::from_mode(mode)).expect("set");
    let mode = || fs::metadata(&network).expect("there").permissions().mode() & 0o7777;
    succeeds(SMALL, &[("--save", &network)]);
    for private in [0o600, 0o660, 0o666] {
        set(private);
        succeeds(SMALL, &[("--save", &network)]);
        assert_eq!(mode(), private);
    }
    set(0o444);
    let before = fs::read(&network).expect("read");
    fails(
        &format!("{SMALL} --seed 1"),
        &[("--save", &network)],
        1,
        &["read-only", "x.safetensors"],
    );
    assert!(mode() == 0o444 && fs::read(&network).expect("read") == before);
    // So is any file that the end of a run would write, before the run begins.
    let out = folder.path().join("out");
    succeeds(SMALL, &[("--out-dir", &out)]);
    for name in ["settings.toml", "mistakes.png"] {
        let file = out.join(name);
        let old = fs::metadata(&file).expect("there").permissions();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).expect("set");
        let output = run(SMALL, &[("--out-dir", &out)]);
        super::refused(&output, 1, &["read-only", name]);
        assert!(!said(&output).contains("epoch 1"), "it trained");
        fs::set_permissions(&file, old).expect("set");
    }
}

/// Two processes that want the same cell: the second is refused by name.
#[test]
fn a_cell_has_one_owner() {
    let folder = folder();
    super::data::write_cifar(folder.path());
    let out = folder.path().join("out");
    let command = || {
        let args = "--row cifar10-cnn --layer bregman --runs 3 --epochs 2000 --device cpu";
        let mut command = program::command("bregman table2", args);
        command.arg("--data-dir").arg(folder.path());
        command.arg("--out-dir").arg(&out);
        command
    };
    let mut first = command()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let started = Instant::now();
    while !out.join("cifar10-cnn-bregman.safetensors").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never trained"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = command().output().expect("it starts");
    super::refused(
        &output,
        1,
        &["another process", "cifar10-cnn-bregman.safetensors"],
    );
    assert!(
        !run(SMALL, &[("--out-dir", &out)]).status.success(),
        "the folder is shared"
    );
    signal(first.id(), "TERM");
    assert_eq!(first.wait().expect("it ends").code(), Some(130));
}

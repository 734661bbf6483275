//! Lists of settings: the runs of their product, what is written of them, and early stopping, as a user
//! meets them.

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use program::{folder, metrics, stderr, stdout};
use serde_json::Value;

/// A small run on the processor: 3 epochs of 4 steps, the last on a short batch.
const SMALL: &str = "--dataset digits --limit-train 300 --limit-test 101 --device cpu --width 13 \
                     --epochs 3 --batch-size 64 --validation 50";

const HEADER: &str = "run,layer,lr,momentum,weight_decay,seed,best_epoch,train_loss,\
                      best_validation_loss,validation_loss,best_validation_accuracy,\
                      validation_accuracy,test_accuracy,diverged_at_step";

fn json(args: &str) -> Value {
    let output = program::run("train_mnist", &format!("{args} --json"));
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// The cells of `runs.csv`, without its header.
fn csv(folder: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join("runs.csv")).expect("read");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    lines.map(cells).collect()
}

/// Each run of a grid is the run of its settings alone: networks, losses and accuracies to the bit.
#[test]
fn a_run_alone_and_beside_others_has_the_same_bits() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (out, all) = (at("out"), at("all.safetensors"));
    const EPOCHS: u64 = 12;
    let small = format!("{SMALL} --epochs {EPOCHS}");
    let grid = format!(
        "{small} --layer standard,bregman --lr 0.05,0.2 --momentum 0,0.9 --weight-decay 0,0.01 \
         --seed 7,3 --patience 2 --out-dir {} --save {}",
        out.display(),
        all.display()
    );
    let report = json(&grid);
    let runs = report["runs"].as_array().expect("runs");
    let rows = csv(&out);
    assert_eq!((runs.len(), rows.len()), (32, 32));
    let alone = at("alone.safetensors");
    let mut run = 0;
    for layer in ["standard", "bregman"] {
        for lr in ["0.05", "0.2"] {
            for momentum in ["0", "0.9"] {
                for decay in ["0", "0.01"] {
                    for seed in ["7", "3"] {
                        let number = run.to_string();
                        assert_eq!(rows[run][..6], [&number, layer, lr, momentum, decay, seed]);
                        // Some of the runs are trained alone; the others only cost time.
                        if run % 3 == 0 {
                            let own = json(&format!(
                                "{small} --layer {layer} --lr {lr} --momentum {momentum} \
                                 --weight-decay {decay} --seed {seed} --patience 2 --save {}",
                                alone.display()
                            ));
                            let saved = fs::read(at(&format!("all-{run}.safetensors")));
                            let saved = saved.expect("saved");
                            assert!(saved == fs::read(&alone).expect("saved"), "run {run}");
                            for (key, value) in own["outcomes"][0].as_object().expect("fields") {
                                assert_eq!(&runs[run][key], value, "run {run}: {key}");
                            }
                        }
                        run += 1;
                    }
                }
            }
        }
    }
    let saved: Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).expect("read")).expect("JSON");
    assert_eq!(saved, report);
    assert_eq!(report["options"]["lr"], serde_json::json!([0.05, 0.2]));
    assert_eq!(report["options"]["epochs"], EPOCHS);
    for name in ["grid.png", "grid.svg", "settings.toml"] {
        assert!(out.join(name).exists(), "{name}");
    }
    // A launch for each kind of layer, which ends no earlier than its last run.
    for (launch, own) in [("launch-1", &runs[..16]), ("launch-2", &runs[16..])] {
        let ends = own
            .iter()
            .map(|run| 2 + run["best_epoch"].as_u64().expect("an epoch"));
        let last = ends.clone().max().expect("runs").min(EPOCHS);
        assert_eq!(metrics(&out.join(launch)).len() as u64, last);
        assert!(ends.clone().any(|end| end < last), "patience ends a run");
        assert!(ends.clone().any(|end| end >= last), "and not all at once");
    }
    assert!(!out.join("launch-3").exists());
    // A run is evaluated with the settings of the grid.
    let evaluated = program::run(
        "bregman",
        &format!(
            "evaluate --json --load {} --config {} --out-dir {}",
            at("all-19.safetensors").display(),
            out.join("settings.toml").display(),
            at("evaluated").display()
        ),
    );
    assert!(evaluated.status.success(), "{}", stderr(&evaluated));
    let evaluated: Value = serde_json::from_slice(&evaluated.stdout).expect("JSON");
    assert_eq!(evaluated["test_accuracy"], runs[19]["test_accuracy"]);
    assert_eq!(evaluated["options"]["layer"], "bregman");
    // The settings give the same runs again.
    let again = at("again");
    let config = out.join("settings.toml");
    let args = format!(
        "--config {} --out-dir {}",
        config.display(),
        again.display()
    );
    program::succeeds("train_mnist", &args);
    assert_eq!(csv(&again), rows);
}

/// The cells of a row are the metrics of the epochs that they are said to be of.
#[test]
fn rows_are_read_from_their_own_run_and_epoch() {
    let folder = folder();
    let out = folder.path();
    json(&format!(
        "{SMALL} --epochs 5 --lr log:0.05:3.2:4 --out-dir {}",
        out.display()
    ));
    let epochs = metrics(&out.join("launch-1"));
    assert_eq!(epochs.len(), 5);
    let is_earlier = |row: &Vec<String>| row[6] != "5";
    assert!(csv(out).iter().any(is_earlier), "the test needs such a run");
    for (r, row) in csv(out).iter().enumerate() {
        let number = |epoch: usize, key: &str| epochs[epoch][key][r].as_f64().expect("a number");
        let losses: Vec<f64> = (0..5).map(|epoch| number(epoch, "val_losses")).collect();
        let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let best = best.expect("epochs").0;
        let cell = |column: usize| row[column].parse::<f64>().expect("a number");
        assert_eq!(cell(6), best as f64 + 1.0);
        for (column, epoch, key) in [
            (7, 4, "train_losses"),
            (8, best, "val_losses"),
            (9, 4, "val_losses"),
            (10, best, "val_accuracies"),
            (11, 4, "val_accuracies"),
            (12, 4, "test_accuracies"),
        ] {
            assert_eq!(cell(column), number(epoch, key), "run {r}: {key}");
        }
        assert_eq!(row[13], "");
    }
    let rates: Vec<f32> = csv(out)
        .iter()
        .map(|row| row[2].parse().expect("a rate"))
        .collect();
    assert_eq!((rates[0], rates[3]), (0.05, 3.2));
    assert!(
        (rates[1] - 0.2).abs() < 1e-6 && (rates[2] - 0.8).abs() < 1e-6,
        "{rates:?}"
    );
}

#[test]
fn a_run_that_diverges_is_marked_and_the_others_are_as_without_it() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let identity = format!("{SMALL} --activation identity");
    let both = at("both");
    let args = format!(
        "{identity} --lr 0.01,1e30,0.02 --out-dir {0} --save {0}/x.safetensors",
        both.display()
    );
    let output = program::run("train_mnist", &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(printed.contains("diverged in step 2"), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines.len(),
        4,
        "a line for each run and the best: {printed}"
    );
    assert!(
        lines[3].starts_with("best setting by validation loss: bregman"),
        "{printed}"
    );
    let rows = csv(&both);
    assert_eq!(rows[1][13], "2");
    assert!(rows[1][6..13].iter().all(String::is_empty), "{:?}", rows[1]);
    assert!(!both.join("x-1.safetensors").exists());

    let alone = at("alone");
    let args = format!(
        "{identity} --lr 0.01,0.02 --out-dir {0} --save {0}/x.safetensors",
        alone.display()
    );
    program::succeeds("train_mnist", &args);
    let expected = csv(&alone);
    assert_eq!(
        (&rows[0][1..], &rows[2][1..]),
        (&expected[0][1..], &expected[1][1..])
    );
    for (own, expected) in [("x-0", "x-0"), ("x-2", "x-1")] {
        let read = |folder: &Path, name: &str| {
            fs::read(folder.join(format!("{name}.safetensors"))).expect("saved")
        };
        assert!(read(&both, own) == read(&alone, expected));
    }

    // One finite run is enough; with none the error is that of a run.
    let output = program::run("train_mnist", &format!("{identity} --lr 1e29,1e30"));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("error: training diverged in epoch 1, step 2, realization 0"),
        "{said}"
    );
}

/// Realizations without lists are one run, with an outcome for each.
#[test]
fn realizations_have_outcomes_and_no_table() {
    let folder = folder();
    let out = folder.path().join("out");
    let args = format!(
        "{SMALL} --activation identity --seed 1 --realizations 2 --lr 0.01 --out-dir {}",
        out.display()
    );
    let report = json(&args);
    assert_eq!(report["outcomes"].as_array().map(Vec::len), Some(2));
    assert!(
        !out.join("runs.csv").exists(),
        "no option has more than one value"
    );
    assert_eq!(report["outcomes"][0]["kept_epoch"], 3);
}

#[test]
fn lines_of_json_are_the_rows() {
    let args = format!("{SMALL} --lr 0.05,0.1 --seed 1,2");
    let report = json(&args);
    let output = program::run("train_mnist", &format!("{args} --json-lines"));
    assert!(output.status.success(), "{}", stderr(&output));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(report["runs"].as_array(), Some(&lines));
    assert!(report.get("epochs").is_none() && report.get("test_accuracy").is_none());
    let best = &report["best"];
    let runs = best["runs"].as_array().expect("the seeds of the setting");
    assert_eq!(runs.len(), 2);
    // A run alone has lines too: one for each realization.
    let args = format!("{SMALL} --lr 0.05 --seed 1 --realizations 2 --json-lines");
    let output = program::run("train_mnist", &args);
    let alone: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(alone, lines[..2]);
}

/// Nothing is chosen by the test set: without a validation split there is no best setting and no best
/// epoch.
#[test]
fn nothing_is_chosen_without_validation() {
    let args = SMALL.replace("--validation 50", "") + " --lr 0.05,0.1";
    let report = json(&args);
    assert_eq!(report["best"], Value::Null);
    for run in report["runs"].as_array().expect("runs") {
        assert_eq!(run["best_epoch"], Value::Null);
        assert_eq!(run["kept_epoch"], 3);
        assert_eq!(run["validation_loss"], Value::Null);
        assert!(run["test_accuracy"].as_f64().is_some());
    }
    let output = program::run("train_mnist", &args);
    assert!(
        stdout(&output).contains("no best setting: --validation"),
        "{}",
        stdout(&output)
    );
}

/// The network that is kept is that of the epoch with the lowest validation loss, and the report, the
/// saved file and the accuracies are of that epoch.
#[test]
fn the_best_epoch_is_kept() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // A rate so high that the loss goes up and down.
    let args = format!("{SMALL} --epochs 8 --lr 2.5 --activation sigmoid --seed 4");
    let last = json(&format!("{args} --save {}", at("last.safetensors")));
    let losses: Vec<f64> = last["epochs"]
        .as_array()
        .expect("epochs")
        .iter()
        .map(|epoch| epoch["val_loss"].as_f64().expect("a loss"))
        .collect();
    let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    let best = best.expect("epochs").0 + 1;
    assert!(
        (2..8).contains(&best),
        "the test needs such a run: {losses:?}"
    );
    assert_eq!(last["outcomes"][0]["kept_epoch"], 8);
    assert_eq!(last["outcomes"][0]["best_epoch"], best);

    let kept = json(&format!(
        "{args} --keep best --save {}",
        at("best.safetensors")
    ));
    assert_eq!(kept["outcomes"][0]["kept_epoch"], best);
    let of_epoch = &kept["epochs"][best - 1];
    assert_eq!(kept["test_accuracy"], of_epoch["test_accuracy"]);
    assert_eq!(kept["train_loss"], of_epoch["train_loss"]);
    assert_eq!(kept["outcomes"][0]["validation_loss"], of_epoch["val_loss"]);
    // It is the network of a run of as many epochs.
    let shorter = format!(
        "{args} --epochs {best} --save {}",
        at("shorter.safetensors")
    );
    json(&shorter);
    let read = |name: &str| fs::read(at(name)).expect("saved");
    assert!(read("best.safetensors") == read("shorter.safetensors"));
    assert!(read("best.safetensors") != read("last.safetensors"));
    let evaluated = json(&format!(
        "--load {} --eval-only --device cpu --limit-test 101",
        at("best.safetensors")
    ));
    assert_eq!(evaluated["test_accuracy"], kept["test_accuracy"]);

    // With patience the best is kept by default, and the run ends that many epochs later.
    let output = program::run("train_mnist", &format!("{args} --epochs 100 --patience 3"));
    assert!(output.status.success());
    let said = stderr(&output);
    assert!(
        said.contains("no run has had a new lowest validation loss within 3 epochs"),
        "{said}"
    );
    assert!(
        stdout(&output).contains("; kept the network of epoch "),
        "{}",
        stdout(&output)
    );
    let args = args.replace("--lr 2.5", "--lr 2.5,1e30");
    let said = program::succeeds("train_mnist", &format!("{args} --epochs 100 --patience 3"));
    let says = "apart from those that diverged, no run has had a new lowest validation loss";
    assert!(said.contains(says), "{said}");
}

/// A share is that of the training samples.
#[test]
fn a_share_is_held_out() {
    let small = SMALL.replace("--validation 50", "");
    let [share, other, number] = ["0.2", "2e-1", "60"].map(|held_out| {
        let output = program::run("train_mnist", &format!("{small} --validation {held_out}"));
        assert!(
            stderr(&output).contains("240 training, 60 validation"),
            "{}",
            stderr(&output)
        );
        stdout(&output).split(" (").next().map(str::to_owned)
    });
    assert_eq!(share, number);
    assert_eq!(other, number);
}

/// A grid that is killed continues with the same bits, each launch from its own checkpoint.
#[test]
fn a_grid_is_resumed() {
    let folder = folder();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let args = format!(
        "{SMALL} --layer standard,bregman --lr 0.05,0.1,2 --momentum 0.9 --patience 2 \
         --checkpoint-every 1"
    );
    let run = |epochs: u32, out: &Path, more: &str| {
        let out = out.display();
        format!("{args} --epochs {epochs} --out-dir {out} --save {out}/x.safetensors {more}")
    };
    program::succeeds("train_mnist", &run(6, &whole, ""));
    program::succeeds("train_mnist", &run(2, &parts, ""));
    // As if it had been killed in the second launch, before its first epoch had ended.
    fs::remove_file(parts.join("launch-2/checkpoint.safetensors")).expect("remove");
    // The lists come from the checkpoint.
    let args = format!("--resume last --out-dir {} --epochs 6", parts.display());
    let said = program::succeeds("train_mnist", &args);
    assert!(said.contains("after 2 epochs"), "{said}");
    let missing = parts.join("launch-2/checkpoint.safetensors");
    let note = format!(
        "note: --resume: there is no {} yet; the launch starts from the beginning",
        missing.display()
    );
    assert!(said.contains(&note), "{said}");
    assert_eq!(csv(&whole), csv(&parts));
    for launch in ["launch-1", "launch-2"] {
        assert_eq!(metrics(&whole.join(launch)), metrics(&parts.join(launch)));
    }
    for run in 0..6 {
        let name = format!("x-{run}.safetensors");
        let [a, b] = [&whole, &parts].map(|folder| fs::read(folder.join(&name)).expect("saved"));
        assert!(a == b, "run {run}");
    }
    // A different grid, and a run without lists, are refused in the same folder, and change nothing there.
    let read = |name: &str| fs::read_to_string(parts.join(name)).expect("read");
    let before = ["settings.toml", "runs.csv"].map(read);
    for other in ["--lr 0.05,0.1", "--lr 0.05"] {
        let args = format!("{SMALL} {other} --out-dir {}", parts.display());
        let output = program::run("train_mnist", &args);
        assert_eq!(output.status.code(), Some(1), "{other}");
        assert!(
            stderr(&output).contains("the checkpoint of a different run"),
            "{other}"
        );
        assert_eq!(["settings.toml", "runs.csv"].map(read), before);
    }
}

/// The checkpoints of all launches are compared with the lists before anything is trained or written.
#[test]
fn launches_of_a_different_grid_are_found_first() {
    let folder = folder();
    let out = folder.path();
    let args = format!(
        "{SMALL} --layer standard,bregman --lr 0.05,0.1 --out-dir {}",
        out.display()
    );
    program::succeeds("train_mnist", &args);
    let checkpoint = |launch: usize| out.join(format!("launch-{launch}/checkpoint.safetensors"));
    let settings = fs::read(out.join("settings.toml")).expect("read");
    let refused = |args: &str, says: &str| {
        let output = program::run("train_mnist", args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "no `{says}` in: {said}");
        assert!(!said.contains("launch 1 of 2"), "{said}");
        assert_eq!(fs::read(out.join("settings.toml")).expect("read"), settings);
    };
    let resume = format!("--resume last --out-dir {}", out.display());
    // A launch that this grid does not have.
    fs::create_dir(out.join("launch-3")).expect("create");
    fs::copy(checkpoint(2), checkpoint(3)).expect("copy");
    refused(&args, "`launch` is 3 there and 1 to 2 here");
    refused(&resume, "the run has `launch` 3");
    fs::remove_file(checkpoint(3)).expect("remove");
    // A launch of different runs, and one that is damaged.
    let whole = fs::read(checkpoint(2)).expect("read");
    fs::copy(checkpoint(1), checkpoint(2)).expect("copy");
    let of = "of 2 standard runs from seed 0";
    refused(&args, of);
    refused(&resume, of);
    fs::write(checkpoint(2), &whole[..whole.len() / 2]).expect("write");
    refused(&args, "launch-2/checkpoint.safetensors");
    refused(&resume, "launch-2/checkpoint.safetensors");
    let other = args.replace("0.05,0.1", "0.05,0.2");
    refused(&other, "--lr is 0.05,0.1 there and 0.05,0.2 here");
    fs::write(checkpoint(3), "damaged").expect("write");
    let said = program::succeeds("train_mnist", &format!("{other} --overwrite"));
    assert!(said.contains("launch 1 of 2"), "{said}");
    assert!(checkpoint(2).exists() && !checkpoint(3).exists());
}

/// Each launch keeps its checkpoint, so that a grid continues after the launches that are done, in its own
/// folder or in another one.
#[test]
fn launches_that_are_done_are_kept() {
    let folder = folder();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let args = format!(
        "{SMALL} --layer standard,bregman --lr 0.05,0.1 --out-dir {}",
        first.display()
    );
    program::succeeds("train_mnist", &args);
    let rows = csv(&first);
    let checkpoint = |folder: &Path, launch: usize| {
        folder.join(format!("launch-{launch}/checkpoint.safetensors"))
    };
    let resumes = |said: &str, folder: &Path, launch: usize| {
        let path = checkpoint(folder, launch).display().to_string();
        said.contains(&format!("resuming {path} after 3 epochs"))
    };
    for gone in [1, 2] {
        let kept = 3 - gone;
        fs::remove_file(checkpoint(&first, gone)).expect("remove");
        let args = format!("--resume last --out-dir {}", first.display());
        let said = program::succeeds("train_mnist", &args);
        assert!(resumes(&said, &first, kept), "{said}");
        assert!(
            said.contains("the launch starts from the beginning"),
            "{said}"
        );
        assert!(checkpoint(&first, gone).exists());
        assert_eq!(csv(&first), rows);
    }
    let args = format!(
        "--resume {} --out-dir {}",
        checkpoint(&first, 2).display(),
        second.display()
    );
    let said = program::succeeds("train_mnist", &args);
    assert!(
        resumes(&said, &first, 1) && resumes(&said, &first, 2),
        "{said}"
    );
    assert!(!said.contains("from the beginning"), "{said}");
    assert_eq!(csv(&second), rows);
    assert!(
        [1, 2]
            .iter()
            .all(|&launch| checkpoint(&second, launch).exists())
    );

    // A run without lists does not begin beside them.
    let args = format!("{SMALL} --out-dir {}", first.display());
    let refused = || {
        let output = program::run("train_mnist", &args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("a launch of runs with lists"), "{said}");
    };
    refused();
    fs::remove_file(checkpoint(&first, 1)).expect("remove");
    refused();
    program::succeeds("train_mnist", &format!("{args} --overwrite"));
    assert!(!checkpoint(&first, 2).exists());
}

/// A run without lists may have a folder with the name of one of a launch.
#[test]
fn a_folder_named_like_a_launch_may_be_that_of_a_run() {
    let folder = folder();
    let out = folder.path().join("launch-3");
    let args = format!("{SMALL} --checkpoint-every 1 --out-dir {}", out.display());
    program::succeeds("train_mnist", &args);
    fs::remove_file(out.join("summary.json")).expect("remove");
    let args = format!(
        "--resume {} --epochs 4",
        out.join("checkpoint.safetensors").display()
    );
    program::succeeds("train_mnist", &args);
    assert_eq!(metrics(&out).len(), 4);
    assert!(out.join("summary.json").exists());
    assert!(!folder.path().join("summary.json").exists());
    let args = format!(
        "{SMALL} --seed 1 --out-dir {} --overwrite",
        folder.path().display()
    );
    program::succeeds("train_mnist", &args);
    assert!(out.join("checkpoint.safetensors").exists());
}

/// The rows, the best setting and the picture name the layers that `--network` describes.
#[test]
fn a_grid_of_a_described_network_is_named_after_its_layers() {
    let folder = folder();
    for (network, layer) in [
        ("standard:13", "standard"),
        ("standard:13,bregman:13", "mixed"),
    ] {
        let out = folder.path().join(layer);
        let small = SMALL.replace("--width 13", "");
        let args = format!(
            "{small} --network {network} --lr 0.05,0.1 --out-dir {}",
            out.display()
        );
        let report = json(&args);
        assert_eq!(report["best"]["layer"], layer);
        assert!(csv(&out).iter().all(|row| row[1] == layer));
        let picture = fs::read_to_string(out.join("grid.svg")).expect("read");
        assert!(picture.contains(&format!(">{layer}<")), "{layer}");
        let args = format!("--resume last --out-dir {} --epochs 4", out.display());
        let said = program::succeeds("train_mnist", &args);
        assert!(said.contains("after 3 epochs"), "{said}");
    }
}

/// A line that cannot be printed does not cost what was trained.
#[cfg(target_os = "linux")]
#[test]
fn networks_are_saved_before_an_error_is_reported() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for (settings, files) in [
        ("--lr 0.05,0.1", ["x-0.safetensors", "x-1.safetensors"]),
        ("--lr 0.05", ["x.safetensors", "out/summary.json"]),
    ] {
        let args = format!(
            "{SMALL} {settings} --json-lines --overwrite --save {} --out-dir {}",
            at("x.safetensors").display(),
            at("out").display()
        );
        let full = fs::File::options().write(true).open("/dev/full");
        let mut command = program::command("train_mnist", &args);
        command.stdout(full.expect("a device without room"));
        let output = command.output().expect("the program starts");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("error: ") && said.contains("standard output"),
            "{said}"
        );
        for file in files {
            assert!(at(file).exists(), "{settings}: {file}");
        }
    }
    assert_eq!(csv(&at("out")).len(), 2);
}

/// The rows of a grid that is done stay until those of the longer one are there.
#[cfg(unix)]
#[test]
fn rows_stay_when_a_longer_grid_is_stopped() {
    let folder = folder();
    let out = folder.path();
    let args = format!(
        "{SMALL} --activation identity --lr 0.01,1e30 --out-dir {}",
        out.display()
    );
    program::succeeds("train_mnist", &args);
    let rows = csv(out);
    assert!(!out.join("runs.partial.csv").exists());
    let args = format!("--resume last --epochs 1000000 --out-dir {}", out.display());
    let mut child = program::command("train_mnist", &args)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let so_far = out.join("launch-1/metrics.partial.jsonl");
    let epochs = || fs::read_to_string(&so_far).map_or(0, |text| text.lines().count());
    while epochs() < 5 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(child.try_wait().expect("a child").is_none(), "it trains");
    }
    program::signal(child.id(), "INT");
    assert!(!child.wait().expect("a child").success());
    assert_eq!(csv(out), rows);
    let partial = fs::read_to_string(out.join("runs.partial.csv")).expect("read");
    let partial: Vec<&str> = partial.lines().collect();
    assert_eq!(
        partial.len(),
        2,
        "the run that diverged has ended: {partial:?}"
    );
    assert!(partial[1].starts_with("1,bregman,") && partial[1].ends_with(",2"));
}

/// Runs beyond one launch are trained in several.
#[test]
fn many_runs_need_several_launches() {
    let folder = folder();
    let out = folder.path();
    let args = format!(
        "--dataset digits --limit-train 8 --limit-test 5 --device cpu --width 1 --epochs 1 \
         --batch-size 8 --lr 0.1,0.2 --seed linear:0:520:521 --out-dir {}",
        out.display()
    );
    let said = program::succeeds("train_mnist", &args);
    assert!(said.contains("1042 runs in 2 launches"), "{said}");
    let rows = csv(out);
    assert_eq!(rows.len(), 1042);
    assert_eq!(rows[1041][..6], ["1041", "bregman", "0.2", "0", "0", "520"]);
    assert!(rows.iter().all(|row| !row[12].is_empty()));
}

#[test]
fn what_cannot_work_is_refused_before_training() {
    for (args, code, says) in [
        ("--lr=", 2, "the list is empty"),
        ("--lr 0.1,,0.2", 2, "the list has an empty entry"),
        ("--layer=", 2, "the list is empty"),
        ("--layer standard,conv", 2, "standard, euclidean, bregman"),
        ("--layer bregman,bregman", 2, "bregman is in the list twice"),
        ("--lr 0.1,0.10", 2, "0.10 is in the list twice"),
        ("--seed 1,2,1", 2, "1 is in the list twice"),
        ("--lr log:1:0.1:3", 2, "LOW must be below HIGH"),
        ("--lr log:0:1:3", 2, "LOW must be positive"),
        ("--lr log:0.1:1:1", 2, "N must be from 2"),
        (
            "--lr linear:0:1:3",
            2,
            "--lr 0: a learning rate must be finite and positive",
        ),
        (
            "--momentum 0.5,1",
            2,
            "--momentum 1: must be at least 0 and below 1",
        ),
        ("--momentum 0,0.9 --nesterov", 2, "needs a momentum above 0"),
        (
            "--weight-decay 0,-1",
            2,
            "--weight-decay -1: must be finite and at least 0",
        ),
        (
            "--optimizer adam --momentum 0,0.9",
            2,
            "--momentum and --nesterov belong to sgd",
        ),
        ("--seed 0.5", 2, "not a valid number"),
        (
            "--seed 1,2 --realizations 3",
            2,
            "leave out one of --seed and --realizations",
        ),
        ("--patience 0", 2, "--patience 0: must be at least 1"),
        ("--patience 3", 2, "--validation holds out samples"),
        ("--keep best", 2, "--validation holds out samples"),
        ("--keep first", 2, "best"),
        ("--validation 0.0", 2, "above 0 and below 1"),
        ("--validation 1.0", 2, "above 0 and below 1"),
        ("--validation 1.5", 2, "above 0 and below 1"),
        ("--validation 0.001", 2, "at least one must be held out"),
        ("--validation many", 2, "or a share such as 0.1"),
        ("--validation 1e1", 2, "above 0 and below 1"),
        (
            "--lr 0.1,0.2 --equilibrium",
            2,
            "--equilibrium with a list: it trains one network",
        ),
        ("--lr 0.1,0.2 --load x", 2, "--load with a list"),
        ("--json --json-lines", 2, "--json-lines"),
        ("--top-k 0", 2, "--top-k 0: must be at least 1"),
        ("--top-k 2 --lr 0.1,0.2", 2, "--top-k with a list"),
        ("--top-k 2 --cnn", 2, "--top-k"),
        (
            "--lr linear:0.1:1:1000000 --momentum linear:0:0.9:1000000 \
             --weight-decay linear:0:0.9:1000000",
            1,
            "MiB",
        ),
        ("--lr 0.1,0.2 --width 1000000 --hidden-layers 2", 1, "MiB"),
    ] {
        let small = SMALL.replace("--validation 50", "");
        let output = program::run("train_mnist", &format!("{small} {args}"));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args}: {said}");
        assert!(said.contains(says), "{args}: no `{says}` in: {said}");
        assert!(
            output.stdout.is_empty() && !said.contains("panicked"),
            "{args}: {said}"
        );
        assert!(!said.contains("epoch 1"), "{args}: {said}");
    }
}

/// The confusion matrix counts each test image once, and its diagonal those that are right.
#[test]
fn the_confusion_matrix_and_top_k_agree_with_the_accuracy() {
    let folder = folder();
    let out = folder.path();
    let args = format!("{SMALL} --lr 0.1 --out-dir {}", out.display());
    let report = json(&format!("{args} --top-k 1"));
    let text = fs::read_to_string(out.join("confusion.csv")).expect("read");
    let rows: Vec<Vec<u32>> = text
        .lines()
        .skip(1)
        .map(|line| {
            let counts = line.split(',').skip(1).take(10);
            counts.map(|cell| cell.parse().expect("a count")).collect()
        })
        .collect();
    assert_eq!(rows.len(), 10);
    assert_eq!(rows.iter().flatten().sum::<u32>(), 101);
    let right: u32 = (0..10).map(|class| rows[class][class]).sum();
    assert_eq!(
        report["test_accuracy"].as_f64(),
        Some(f64::from(right) / 101.0)
    );
    assert_eq!(report["top_k_accuracy"], report["test_accuracy"]);
    assert!(out.join("confusion.png").exists());
    let three = json(&format!("{SMALL} --lr 0.1 --top-k 3"));
    assert!(three["top_k_accuracy"].as_f64() > report["top_k_accuracy"].as_f64());
    assert_eq!(
        json(&format!("{SMALL} --lr 0.1 --top-k 10"))["top_k_accuracy"],
        1.0
    );
    assert_eq!(
        json(&format!("{SMALL} --lr 0.1")).get("top_k_accuracy"),
        None
    );
}

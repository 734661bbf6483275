//! `bregman spirals` as a user meets it.

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bregman::activation::Activation;
use bregman::data::spirals::Spirals;
use bregman::files::safetensors::{Numbers, State};
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::sweep::{self, Run, Sweep};
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

fn json(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a file");
    serde_json::from_str(&text).expect("an array")
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
    let tables = ["4", "5-left", "5-right", "6-left", "6-right", "depth100"];
    let rows = json(&out_dir.join("results.json"));
    let count =
        |rows: &[Value], figure: &str| rows.iter().filter(|r| r["figure"] == figure).count();
    assert_eq!(tables.map(|table| count(&rows, table)), [1, 3, 3, 18, 6, 6]);
    for row in &rows {
        assert_eq!(row["runs"], 2);
        assert_eq!(row["points"], "own");
        let accuracy = row["accuracy"]["mean"].as_f64().expect("a number");
        assert!((0.3..=1.0).contains(&accuracy), "{row}");
        for key in ["layer", "init", "lr", "seed"] {
            assert!(!row[key].is_null(), "{key}: {row}");
        }
        for key in ["mean", "sd", "median", "mean_interval", "quartiles"] {
            assert!(!row["loss"][key].is_null(), "{key}: {row}");
        }
        for key in ["stuck", "diverged"] {
            assert!(row[key]["count"].is_number(), "{key}: {row}");
            assert!(row[key]["interval"][1].is_number(), "{key}: {row}");
        }
        // Results are the same on any machine.
        for key in ["device", "steps_per_second", "seconds"] {
            assert!(row[key].is_null(), "{key}: {row}");
        }
    }
    let claims = json(&out_dir.join("claims.json"));
    assert_eq!(
        tables.map(|table| count(&claims, table)),
        [0, 1, 3, 6, 4, 2]
    );
    for claim in &claims {
        let (runs, command) = (
            &claim["runs"],
            claim["command"].as_str().expect("a command"),
        );
        assert_eq!(runs, 2);
        assert!(
            command.contains("--runs 2 --seed 0 --epochs 2"),
            "{command}"
        );
        // Two runs decide no claim about a median or an order.
        let order = !claim["tests"][0]["order"].is_null();
        assert!(!order || claim["verdict"] == "not decided", "{claim}");
    }
    let timing = json(&out_dir.join("timing.json"));
    let figures = timing
        .iter()
        .map(|entry| entry["figure"].as_str().expect("a name"));
    assert_eq!(
        figures.collect::<Vec<_>>(),
        ["4", "5", "6-left", "6-right", "depth100"]
    );
    for entry in &timing {
        assert_eq!(entry["device"], "cpu");
        assert!(
            entry["host"]
                .as_str()
                .is_some_and(|host| host.contains("processors"))
        );
        assert!(
            entry["seconds"]
                .as_f64()
                .is_some_and(|seconds| seconds > 0.0)
        );
    }
    for table in tables {
        let runs = fs::read_to_string(out_dir.join(format!("runs-{table}.csv"))).expect("runs");
        assert_eq!(runs.lines().count(), 1 + 2 * count(&rows, table), "{table}");
    }
    let said = stdout(&output);
    for text in ["Figure 5-left", "paper", "0.072", "not decided", "96.36"] {
        assert!(said.contains(text), "no `{text}` in: {said}");
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
    let rows = json(&folder.path().join("results.json"));
    assert_eq!(rows.len(), 6);
    for row in rows {
        let calm = row["lr"].as_f64().is_some_and(|lr| lr < 1.0);
        assert_eq!(row["diverged"]["count"], if calm { 0 } else { 3 }, "{row}");
        assert_eq!(row["loss"]["mean"].is_null(), !calm, "{row}");
        assert_eq!(row["loss"]["median"].is_null(), !calm, "{row}");
    }
}

/// With `--points shared` the runs are those of before runs had points of their own, to the bit: these are
/// losses and accuracies of that time.
#[test]
fn shared_points_are_those_of_before() {
    let folder = folder();
    let args = format!(
        "--device cpu --figure 5 --runs 3 --epochs 4 --seed 7 --points shared --out-dir {}",
        folder.path().display()
    );
    succeeds(&args);
    let rows = json(&folder.path().join("results.json"));
    let means = rows.iter().map(|row| {
        ["loss", "accuracy", "test_accuracy"]
            .map(|key| row[key]["mean"].as_f64().expect("a number"))
    });
    let before = [
        [0.176458070675532, 0.7066666666666667, 0.723],
        [0.18057347337404886, 0.697, 0.7156666666666666],
        [0.18124059836069742, 0.6996666666666668, 0.7086666666666668],
        [0.17261954645315805, 0.7176666666666667, 0.7373333333333333],
        [0.1726195365190506, 0.7176666666666667, 0.7373333333333333],
        [0.17018344501654306, 0.702, 0.7196666666666666],
    ];
    assert_eq!(means.collect::<Vec<_>>(), before);

    // A file of that time does not name the choice, and is of shared points.
    let checkpoint = folder.path().join("checkpoint-5.safetensors");
    let mut state = State::load(&checkpoint).expect("a checkpoint");
    let options = state.metadata.get_mut("options").expect("options");
    *options = options.replace("\"--points\":\"shared\",", "");
    assert!(!options.contains("--points"), "{options}");
    state.save(&checkpoint).expect("a file");
    assert!(succeeds(&format!("{args} --resume")).contains("100 % done before"));
    let output = run(&format!("{args} --points own --resume"));
    assert!(stderr(&output).contains("--points shared, but --points own was given"));
}

/// The lines of a table of runs that begin with `layer`, of random initial weights.
fn lines_of(folder: &Path, layer: &str) -> Vec<String> {
    let csv = fs::read_to_string(folder.join("runs-5-left.csv")).expect("runs");
    let start = format!("{layer},random,");
    csv.lines()
        .filter(|line| line.starts_with(&start))
        .map(str::to_owned)
        .collect()
}

/// A run is the same alone and beside others; and its line has the name of the layers that were trained, on the
/// points of the run's seed.
#[test]
fn a_run_is_named_by_its_layers_and_its_seed() {
    let folders = [(); 2].map(|()| folder());
    let [together, alone] = folders.each_ref().map(|folder| folder.path());
    for (folder, options) in [
        (together, "--runs 3 --seed 7"),
        (alone, "--runs 1 --seed 8"),
    ] {
        let folder = folder.display();
        succeeds(&format!(
            "--device cpu --figure 5 --epochs 4 {options} --out-dir {folder}"
        ));
    }
    let (activation, loss) = (&Activation::ARCTAN, Loss::MeanSquaredError);
    let [data, _] = Spirals::draw(500, 8).map(|spirals| spirals.within(activation));
    for &kind in LayerKind::ALL {
        let lines = lines_of(together, kind.name());
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1..2], lines_of(alone, kind.name())[..]);
        let sweep = Sweep {
            model: sweep::network(kind, Form::Dual, activation, loss, 3).expect("a network"),
            init: Init::Random,
            runs: vec![Run {
                seed: 8,
                learning_rate: 0.1,
            }],
            epochs: 4,
            batch_size: 10,
            record_every: 4,
        };
        let records = sweep::cpu::train(&[sweep], &data, &|_| {}).expect("a sweep");
        let last = records[0].metrics[0][0];
        let accuracy = f64::from(last.correct) / 1000.0;
        let expected = format!(
            "{},random,0.1,8,{},{accuracy},",
            kind.name(),
            f64::from(last.loss)
        );
        assert!(lines[1].starts_with(&expected), "{} {expected}", lines[1]);
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

/// The numbers of Figure 5 as written.
fn numbers(folder: &Path) -> [String; 5] {
    let names = [
        "results.json",
        "claims.json",
        "figure-5-left.csv",
        "figure-5-right.csv",
        "runs-5-left.csv",
    ];
    names.map(|name| fs::read_to_string(folder.join(name)).expect("a table"))
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
        ("--points shared", "own", "shared"),
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

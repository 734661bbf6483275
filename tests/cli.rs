//! The programs as a user meets them: every mistake, and what they write.
//!
//! Digits that the program draws itself stand for data, so that neither files nor network are
//! needed.

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::Output;

use program::{folder, stderr, stdout};
use serde_json::Value;

/// A small run on the processor: 2 epochs of 5 steps, the last on a short batch.
const SMALL: &str = "--dataset digits --limit-train 300 --limit-test 101 --device cpu --width 13 \
                     --epochs 2 --batch-size 64 --lr 0.1";

fn run(args: &str) -> Output {
    program::run("train_mnist", args)
}

/// Runs with --json; the summary is all there is on standard output.
fn summary(args: &str) -> Value {
    let output = run(&format!("{args} --json"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout.iter().filter(|&&b| b == b'\n').count(), 1);
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Runs into an error: one message, no panic, the given exit code.
fn fails(args: &str, code: i32, says: &[&str]) {
    let output = run(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args}: {message}");
    assert!(output.stdout.is_empty(), "{args}");
    assert_eq!(message.matches("error:").count(), 1, "{args}: {message}");
    assert!(!message.contains("panicked"), "{args}: {message}");
    for text in says {
        assert!(message.contains(text), "{args}: no `{text}` in: {message}");
    }
}

/// The numbers that training computes, without the seconds that it took.
fn numbers(summary: &Value) -> Vec<[Value; 4]> {
    let epochs = summary["epochs"].as_array().expect("array");
    let keys = [
        "train_loss",
        "train_losses",
        "train_accuracy",
        "test_accuracies",
    ];
    epochs
        .iter()
        .map(|epoch| keys.map(|key| epoch[key].clone()))
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("read folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    // TensorBoard's, named by the time, and the lock, which holds nothing.
    names.retain(|name| !name.starts_with("events.out.tfevents.") && name != ".bregman.lock");
    names.sort();
    names
}

/// What a run leaves in --out-dir.
const RESULTS: [&str; 9] = [
    "confusion.csv",
    "confusion.png",
    "curves.png",
    "curves.svg",
    "first_layer.png",
    "metrics.jsonl",
    "mistakes.png",
    "settings.toml",
    "summary.json",
];

#[test]
fn every_value_of_a_choice_trains() {
    for choice in [
        "--layer standard",
        "--layer euclidean",
        "--layer bregman --form primal",
        "--loss mse",
        "--init deterministic",
        "--hidden-layers 3 --unfused",
        "--activation isru --input-range -0.5,0.5",
        "--activation sigmoid",
        "--activation softplus --input-range=0.1,2",
        "--activation arctan",
        "--activation scaled-arctan",
        "--activation sin",
        "--activation arcsinh",
        "--activation identity --input-range -1,1 --lr 0.01",
        "--batch-size 100000 --validation 299",
        "--cnn --epochs 1",
        "--cnn --conv-activation tanh --dropout 0.25 --layer euclidean --epochs 1",
    ] {
        let summary = summary(&format!("{SMALL} {choice}"));
        let loss = summary["train_loss"].as_f64().expect("a number");
        // Ten classes at chance: ln 10, or 0.1 for squared errors of one-hot targets.
        assert!(loss > 0.0 && loss < 2.5, "{choice}: {loss}");
    }
}

#[test]
fn the_files_have_the_documented_fields() {
    let folder = folder();
    let out = folder.path().join("new/out");
    let args = format!(
        "{SMALL} --realizations 3 --validation 20 --out-dir {}",
        out.display()
    );
    let printed = summary(&args);
    assert_eq!(names(&out), RESULTS);

    let text = fs::read_to_string(out.join("metrics.jsonl")).expect("read");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    let fraction = |value: &Value| (0.0..=1.0).contains(&value.as_f64().expect("a number"));
    for (line, epoch) in lines.iter().zip(1..) {
        assert_eq!(line["epoch"].as_u64(), Some(epoch));
        for key in ["train_accuracy", "test_accuracy", "val_accuracy"] {
            assert!(fraction(&line[key]), "{key}");
        }
        for (mean, each) in [
            ("train_loss", "train_losses"),
            ("test_accuracy", "test_accuracies"),
            ("val_accuracy", "val_accuracies"),
        ] {
            let each = line[each].as_array().expect("array");
            assert_eq!(each.len(), 3, "one a realization");
            let sum: f64 = each.iter().map(|v| v.as_f64().expect("a number")).sum();
            // The mean of three, in float64: a few roundings.
            assert!((sum / 3.0 - line[mean].as_f64().expect("a number")).abs() < 1e-14);
        }
        let seconds = line["seconds"].as_f64().expect("a number");
        let rate = line["samples_per_second"].as_f64().expect("a number");
        assert!(seconds > 0.0);
        // 280 samples are left to train on, times three realizations.
        assert!((rate * seconds - 840.0).abs() < 1e-6, "{rate} {seconds}");
    }

    let text = fs::read_to_string(out.join("summary.json")).expect("read");
    let saved: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(saved, printed);
    assert_eq!(saved["epochs"].as_array(), Some(&lines));
    assert_eq!(saved["dataset"], "digits");
    assert_eq!(saved["device"], "cpu");
    assert_eq!(saved["adapter"], Value::Null);
    for key in ["test_accuracy", "test_accuracies", "train_loss"] {
        assert_eq!(saved[key], lines[1][key], "the last epoch's {key}");
    }
    let seconds: f64 = lines
        .iter()
        .filter_map(|line| line["seconds"].as_f64())
        .sum();
    // The test's JSON reader may be off by a rounding.
    assert!(
        saved["seconds"]
            .as_f64()
            .is_some_and(|sum| (sum - seconds).abs() < 1e-12)
    );
    assert!(
        saved["samples_per_second"]
            .as_f64()
            .is_some_and(|rate| rate > 0.0)
    );
    let options = &saved["options"];
    assert_eq!(options["layer"], "bregman");
    assert_eq!(options["width"], 13);
    assert_eq!(options["realizations"], 3);
    assert_eq!(options["seed"], 0);
    assert_eq!(options["input_range"].as_array().map(Vec::len), Some(2));
}

#[test]
fn training_learns() {
    let summary = summary(&format!("{SMALL} --limit-train 2000 --epochs 8 --width 64"));
    let accuracy = summary["test_accuracy"].as_f64().expect("a number");
    // Chance is 0.1, with a standard deviation of 0.03 on 101 images.
    assert!(accuracy > 0.5, "{accuracy}");
}

#[test]
fn one_seed_gives_one_network_and_another_seed_another() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let save = |name: &str, seed: u32| {
        let path = file(name);
        numbers(&summary(&format!("{SMALL} --seed {seed} --save {path}")))
    };
    assert_eq!(save("a", 7), save("b", 7));
    assert_ne!(save("a", 7), save("c", 8));
    let [a, b, c] = ["a", "b", "c"].map(|name| fs::read(file(name)).expect("saved"));
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[test]
fn realizations_are_runs_of_their_own() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let last = u64::MAX;
    let both = summary(&format!(
        "{SMALL} --realizations 2 --seed {last} --save {}",
        file("x.safetensors")
    ));
    // Seeds wrap: the second realization's is 0.
    for (r, seed) in [(0, last), (1, 0)] {
        let one = summary(&format!(
            "{SMALL} --seed {seed} --save {}",
            file("one.safetensors")
        ));
        for (both, one) in numbers(&both).iter().zip(numbers(&one)) {
            assert_eq!(both[1][r], one[1][0], "training losses");
            assert_eq!(both[3][r], one[3][0], "test accuracies");
        }
        let bytes = |name: &str| fs::read(file(name)).expect("saved");
        assert!(bytes(&format!("x-{r}.safetensors")) == bytes("one.safetensors"));
    }
}

#[test]
fn a_saved_network_is_evaluated_without_other_options() {
    let folder = folder();
    let file = folder.path().join("x.safetensors").display().to_string();
    let network = "--activation sigmoid --form primal --hidden-layers 2 --input-range 0.2,0.7";
    let trained = summary(&format!("{SMALL} {network} --save {file}"));
    let args = format!("--load {file} --eval-only --device cpu --limit-test 101");
    let evaluated = summary(&args);
    assert_eq!(evaluated["test_accuracies"], trained["test_accuracies"]);
    assert_eq!(evaluated["test_accuracy"], trained["test_accuracy"]);
    assert_eq!(evaluated["dataset"], "digits");
    assert_eq!(evaluated["epochs"], Value::Array(Vec::new()));
    assert_eq!(evaluated["train_loss"], Value::Null);
    for key in [
        "layer",
        "form",
        "activation",
        "hidden_layers",
        "width",
        "input_range",
    ] {
        assert_eq!(evaluated["options"][key], trained["options"][key], "{key}");
    }

    // Training continues from where it was: the first loss is far below that of a new network.
    let more = summary(&format!("{SMALL} --load {file}"));
    assert!(more["epochs"][0]["train_loss"].as_f64() < trained["epochs"][0]["train_loss"].as_f64());

    let misfits = [
        (
            "--width 11",
            "`layers.0.weight` has shape [13, 784], where [11, 784] is needed",
        ),
        (
            "--hidden-layers 3",
            "no tensor `layers.2.weight`, where shape [13, 13]",
        ),
        ("--hidden-layers 1", "`layers.1.weight` of shape [13, 13]"),
        ("--layer standard", "--layer bregman, but --layer standard"),
        ("--form dual", "--form primal, but --form dual"),
        (
            "--activation tanh",
            "--activation sigmoid, but --activation tanh",
        ),
        ("--loss mse", "--loss cross-entropy, but --loss mse"),
        (
            "--input-range 0,1",
            "--input-range 0.2,0.7, but --input-range 0,1",
        ),
    ];
    for (option, says) in misfits {
        fails(&format!("{args} {option}"), 1, &[says, &file]);
    }
    let network = format!("{network} --layer bregman --width 13 --loss cross-entropy");
    assert_eq!(
        summary(&format!("{args} {network}"))["test_accuracies"],
        trained["test_accuracies"]
    );
}

#[test]
fn values_that_cannot_work_are_refused() {
    let counts = "--hidden-layers --width --validation --epochs --batch-size --realizations \
                  --limit-train --limit-test";
    for option in counts.split_whitespace() {
        fails(&format!("{SMALL} {option} 0"), 2, &[option, "at least 1"]);
        fails(&format!("{SMALL} {option} -3"), 2, &[option, "-3"]);
    }
    for rate in ["0", "-0.1", "nan", "inf", "1e39", "1e-60"] {
        fails(
            &format!("{SMALL} --lr {rate}"),
            2,
            &["--lr", "finite and positive"],
        );
    }
    for (option, says) in [
        ("--activation relu", "scaled-arctan"),
        ("--layer conv", "euclidean"),
        ("--form triple", "primal"),
        ("--loss hinge", "mse"),
        ("--init zeros", "deterministic"),
        ("--device tpu", "auto"),
        ("--dataset imagenet", "fashion-mnist"),
        ("--input-range 0.5", "comma"),
        ("--input-range a,b", "comma"),
        ("--input-range 0.5,0.5", "low < high"),
        ("--input-range 0,nan", "low < high"),
        ("--input-range -2,1", "within the range of tanh"),
        ("--seed -1", "--seed"),
        ("--adapter llvmpipe", "--device cpu"),
        ("--validation 300", "of 300 training samples"),
        ("--eval-only", "--load"),
        ("--no-such-flag", "--no-such-flag"),
        ("--optimizer lion", "adamw"),
        (
            "--momentum 1",
            "--momentum 1: must be at least 0 and below 1",
        ),
        (
            "--momentum=-0.5",
            "--momentum -0.5: must be at least 0 and below 1",
        ),
        (
            "--weight-decay=-1",
            "--weight-decay -1: must be finite and at least 0",
        ),
        ("--nesterov", "needs a momentum above 0"),
        (
            "--optimizer adam --momentum 0.9",
            "--momentum and --nesterov belong to sgd",
        ),
        (
            "--optimizer adamw --nesterov",
            "--momentum and --nesterov belong to sgd",
        ),
        ("--betas 0.9,0.99", "--betas and --epsilon belong to adam"),
        ("--epsilon 1e-8", "--betas and --epsilon belong to adam"),
        (
            "--optimizer adam --betas 0.9,1",
            "--betas 1: must be at least 0 and below 1",
        ),
        ("--optimizer adam --betas 0.9", "comma"),
        (
            "--optimizer adam --epsilon 0",
            "--epsilon 0: must be finite and positive",
        ),
        (
            "--clip-norm 0",
            "--clip-norm 0: must be finite and positive",
        ),
        ("--augment mirror", "there are crop:PIXELS, flip"),
        ("--augment shift:28", "at most shift:27 does"),
        ("--augment flip --equilibrium", "cannot be used with"),
        ("--schedule triangular", "multi-step:E1,E2"),
        (
            "--schedule step:0:0.5",
            "--schedule step:0:0.5: the epochs must be at least 1",
        ),
        (
            "--schedule exponential:0",
            "the factor must be finite and positive",
        ),
        (
            "--schedule multi-step:3,2:0.1",
            "the epochs of the changes must increase",
        ),
        (
            "--schedule cosine:2",
            "the final factor must be from 0 to 1",
        ),
        (
            "--warm-up 2",
            "--warm-up 2: must be at least 0 and shorter than the run of 2 epochs",
        ),
        ("--warm-up=-1", "--warm-up -1: must be at least 0"),
        (
            "--equilibrium --optimizer adam",
            "--equilibrium true: its layer is trained by plain SGD",
        ),
    ] {
        fails(&format!("{SMALL} {option}"), 2, &[says]);
    }
}

#[test]
fn networks_beyond_memory_are_refused_before_anything_is_allocated() {
    for size in [
        "--width 18446744073709551615",
        "--hidden-layers 18446744073709551615",
        "--realizations 18446744073709551615",
        "--width 1000000 --hidden-layers 2",
    ] {
        fails(&format!("{SMALL} {size}"), 1, &["MiB"]);
    }
}

#[test]
fn files_that_are_not_there_or_cannot_be_written_are_named() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "text").expect("write");
    let file = file.display();
    fails("--load /no/such/file --eval-only", 1, &["/no/such/file"]);
    fails(
        &format!("--load {file} --eval-only"),
        1,
        &["not a whole safetensors file"],
    );
    fails(&format!("{SMALL} --out-dir {file}"), 1, &["file"]);
    fails(&format!("{SMALL} --out-dir {file}/out"), 1, &["file"]);
    fails(
        &format!("{SMALL} --save {file}/x.safetensors"),
        1,
        &["file"],
    );
    fails(
        &format!("{SMALL} --save {}", folder.path().display()),
        1,
        &["regular file"],
    );
    fails(
        &format!("{SMALL} --load {file} --eval-only --save y"),
        2,
        &["--save"],
    );
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(fs::read(folder.path().join("file")).expect("read"), b"text");
}

#[test]
fn limits_beyond_the_data_are_noted() {
    let folder = folder();
    let file = folder.path().join("x.safetensors").display().to_string();
    summary(&format!("{SMALL} --save {file}"));
    let output = run(&format!(
        "--load {file} --eval-only --device cpu --limit-test 10001"
    ));
    assert!(output.status.success());
    let message = stderr(&output);
    assert!(
        message.contains("--limit-test") && message.contains("10000"),
        "{message}"
    );
}

#[test]
fn divergence_stops_and_touches_nothing() {
    let folder = folder();
    let out = folder.path().join("out");
    let args = format!(
        "{SMALL} --save {} --out-dir {}",
        folder.path().join("x.safetensors").display(),
        out.display()
    );
    assert!(run(&args).status.success());
    let files = ["x.safetensors", "out/metrics.jsonl", "out/summary.json"];
    let read = || files.map(|file| fs::read(folder.path().join(file)).expect("read"));
    let earlier = read();

    let file = folder.path().join("y.safetensors");
    let blow_up = "--lr 1e30 --activation identity --realizations 2 --json --overwrite";
    let args = format!("{args} {blow_up} --save {}", file.display());
    fails(
        &args,
        1,
        &["diverged in epoch 1, step 2, realization 0", "--lr"],
    );
    assert!(read() == earlier);
    assert_eq!(names(folder.path()), ["out", "x.safetensors"]);
    assert_eq!(
        names(&out),
        [&RESULTS[..6], &["metrics.partial.jsonl"], &RESULTS[6..]].concat()
    );
}

#[test]
fn progress_is_one_line_an_epoch_where_there_is_no_terminal() {
    let output = run(&format!("{SMALL} --realizations 2"));
    let message = stderr(&output);
    let epochs: Vec<&str> = message
        .lines()
        .filter(|line| line.starts_with("epoch "))
        .collect();
    assert_eq!(epochs.len(), 2, "{message}");
    assert!(epochs[1].contains("epoch 2/2: train loss ") && epochs[1].contains(" ± "));
    assert!(
        message.contains("digits") && message.contains("device: cpu"),
        "{message}"
    );
    assert!(!message.contains('\r'), "{message}");
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        report.contains("test accuracy ") && report.contains("digits"),
        "{report}"
    );
}

/// A closed pipe is no error of any command that prints.
#[cfg(unix)]
#[test]
fn closed_outputs_are_no_error() {
    let folder = folder();
    let file = folder.path().join("x.safetensors").display().to_string();
    program::succeeds("train_mnist", &format!("{SMALL} --save {file}"));
    let picture = folder.path().join("picture.png").display().to_string();
    let out = folder.path().join("out").display().to_string();
    image::GrayImage::from_fn(20, 20, |x, y| image::Luma([(x * y) as u8]))
        .save(&picture)
        .expect("a picture");
    program::takes_closed_outputs("train_mnist", SMALL, 0);
    for (command, args, code) in [
        ("train", format!("{SMALL} --json"), 0),
        (
            "evaluate",
            format!("--load {file} --device cpu --limit-test 101"),
            0,
        ),
        ("predict", format!("--load {file} {picture}"), 0),
        ("predict", format!("--load {file} {picture} /no/such"), 1),
        ("export", format!("--load {file}"), 0),
        ("adapters", String::new(), 0),
        ("selftest", "--adapter none".to_owned(), 2),
        (
            "spirals",
            format!("--figure 5 --runs 1 --epochs 1 --device cpu --out-dir {out}"),
            0,
        ),
        ("theory", format!("--problems 4 --out-dir {out}"), 0),
    ] {
        program::takes_closed_outputs(&format!("bregman {command}"), &args, code);
    }
    for entry in bregman::cli::COMMANDS {
        program::takes_closed_outputs(&format!("bregman {}", entry.name), "--help", 0);
    }
}

/// What people expect of a program with commands.
#[test]
fn commands_are_listed_and_mistakes_get_suggestions() {
    let help = program::run("bregman", "--help");
    assert!(help.status.success());
    let alone = program::run("bregman", "");
    assert_eq!(alone.status.code(), Some(2));
    for entry in bregman::cli::COMMANDS {
        for text in [stdout(&help), stderr(&alone)] {
            assert!(text.contains(&format!("\n  {} ", entry.name)), "{text}");
        }
        let of_command = program::run("bregman", &format!("{} --help", entry.name));
        let usage = format!("Usage: bregman {}", entry.name);
        assert!(stdout(&of_command).contains(&usage), "{usage}");
        let other = program::run("bregman", &format!("help {}", entry.name));
        assert!(stdout(&other).contains(&usage), "{usage}");
        assert!(of_command.status.success() && other.status.success());
    }
    let version = format!("bregman {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&program::run("bregman", "--version")), version);
    let wrong = program::run("bregman", "trian");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("'train'"), "{}", stderr(&wrong));
    let wrong = program::run("bregman", "train --widht 3");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("'--width'"), "{}", stderr(&wrong));
}

/// `bregman train`, `evaluate` and `adapters` are what `train_mnist` does with the same options.
#[test]
fn train_mnist_and_bregman_are_one() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let [a, b] = [("train_mnist", "a"), ("bregman train", "b")].map(|(program, name)| {
        program::succeeds(program, &format!("{SMALL} --save {}", file(name)));
        fs::read(file(name)).expect("saved")
    });
    assert!(a == b);
    let load = format!("--load {} --device cpu --limit-test 101 --json", file("a"));
    let by_command = stdout(&program::run("bregman evaluate", &load));
    assert_eq!(by_command, stdout(&run(&format!("{load} --eval-only"))));
    assert!(by_command.contains("\"test_accuracy\":"), "{by_command}");
    let listed = stdout(&run("--list-adapters"));
    assert_eq!(stdout(&program::run("bregman adapters", "")), listed);
}

#[test]
fn pictures_are_classified_and_networks_exported() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name).display().to_string();
    program::succeeds(
        "bregman train",
        &format!("{SMALL} --save {}", file("x.safetensors")),
    );
    image::GrayImage::from_fn(20, 20, |x, y| image::Luma([(x * y) as u8]))
        .save(file("picture.png"))
        .expect("a picture");
    let load = format!("--load {}", file("x.safetensors"));
    let args = format!("{load} /no/such.png {}", file("picture.png"));
    let output = program::run("bregman predict", &args);
    assert_eq!(
        output.status.code(),
        Some(1),
        "one of the pictures is not there"
    );
    assert!(stderr(&output).contains("/no/such.png"));
    assert!(
        stdout(&output).contains("picture.png: "),
        "the other is classified"
    );
    // A warning beside the answer, and results that cannot be written.
    image::GrayImage::from_fn(90, 40, |x, y| {
        let is_ink = (5..30).contains(&y) && [10, 11, 12, 70, 71, 72].contains(&x);
        image::Luma([if is_ink { 0 } else { 255 }])
    })
    .save(file("two.png"))
    .expect("a picture");
    let said = program::succeeds("bregman predict", &format!("{load} {}", file("two.png")));
    assert!(
        said.contains("warning: ") && said.contains("2 drawings"),
        "{said}"
    );
    #[cfg(target_os = "linux")]
    {
        let full = fs::File::create("/dev/full").expect("a full disk");
        let args = format!("{load} {}", file("picture.png"));
        let output = program::command("bregman predict", &args)
            .stdout(full)
            .output();
        let output = output.expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("standard output"),
            "{}",
            stderr(&output)
        );
    }
    program::succeeds("bregman export", &load);
    assert!(fs::metadata(file("x.onnx")).is_ok_and(|file| file.len() > 1000));
}

#[test]
fn adapters_are_listed_without_training() {
    let output = run("--list-adapters");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains("epoch"));
}

#[test]
fn a_network_is_described_without_training() {
    let output = run("--dataset digits --limit-train 10 --limit-test 10 --cnn --describe");
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    // 64 filters of 32 · 3 · 3 weights and a bias on 14 × 14 pixels, two FLOPs a product.
    for cells in [
        &["convolution 3 × 3", "64 × 14 × 14", "18,496", "7,225,344"][..],
        &["max-pooling 3 × 3", "64 × 4 × 4"],
        &["bregman, tanh", "1024", "1,049,600", "2,097,152"],
        &["all", "1,078,666", "9,794,560"],
    ] {
        let line = table
            .lines()
            .find(|line| cells.iter().all(|cell| line.contains(cell)));
        assert!(line.is_some(), "no line with {cells:?} in\n{table}");
    }
}

#[test]
fn options_of_convolutions_need_them() {
    fails_as_usage("--dropout 0.5");
    fails_as_usage("--conv-activation relu");
    fails(
        &format!("{SMALL} --cnn --dropout 1"),
        2,
        &["--dropout 1", "below 1"],
    );
}

/// clap refuses the command line.
fn fails_as_usage(args: &str) {
    let output = run(args);
    assert_eq!(output.status.code(), Some(2), "{args}");
    assert!(stderr(&output).contains("--cnn"), "{args}");
}

/// A saved network with convolutions comes back and counts the same images right.
#[test]
fn convolutions_are_saved_and_loaded() {
    let folder = folder();
    let path = folder.path().join("cnn.safetensors");
    let small = format!("{SMALL} --cnn --dropout 0.25 --epochs 1");
    let trained = summary(&format!("{small} --save {}", path.display()));
    let loaded = summary(&format!(
        "--dataset digits --limit-test 101 --device cpu --load {} --eval-only",
        path.display()
    ));
    assert_eq!(loaded["test_accuracy"], trained["test_accuracy"]);
    assert_eq!(loaded["options"]["cnn"], trained["options"]["cnn"]);
    assert!(
        loaded["options"]["cnn"]
            .as_str()
            .expect("a description")
            .contains("0.25")
    );
}

/// Hidden layers one by one: described, trained, resumed to the bit, saved, evaluated and trained on; and
/// what cannot be meant.
#[test]
fn layers_that_differ_are_trained_and_resumed() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let small = SMALL.replace("--width 13", "");
    let layers = "standard:13,bregman:13:tanh:dual,bregman:9:sigmoid:primal:pass";
    let network = format!("{small} --network {layers}");

    let whole = summary(&format!(
        "{network} --epochs 3 --save {}",
        path("x.safetensors")
    ));
    let described = "standard:13:tanh:dual,bregman:13:tanh:dual,bregman:9:sigmoid:primal:pass";
    assert_eq!(whole["options"]["network"], described);
    assert_eq!(whole["options"]["layer"], "mixed");

    let out = path("run");
    summary(&format!("{network} --out-dir {out} --checkpoint-every 1"));
    let resumed = summary(&format!("--resume last --out-dir {out} --epochs 3"));
    assert_eq!(numbers(&resumed), numbers(&whole));
    // The same command continues the run, and its settings go with the network that was saved.
    let whole_command = format!("{network} --out-dir {out} --resume last --epochs 3");
    assert_eq!(numbers(&summary(&whole_command)), numbers(&whole));
    let saved = path("x.safetensors");
    let evaluate = format!(
        "--eval-only --config {out}/settings.toml --load {saved} --out-dir {}",
        path("e")
    );
    assert_eq!(
        summary(&evaluate)["test_accuracies"],
        whole["test_accuracies"]
    );
    // The settings of the run give it again.
    let again = summary(&format!(
        "--config {out}/settings.toml --out-dir {}",
        path("again")
    ));
    assert_eq!(numbers(&again), numbers(&whole));

    let load = format!(
        "--load {} --device cpu --limit-test 101",
        path("x.safetensors")
    );
    let evaluated = summary(&format!("{load} --eval-only"));
    assert_eq!(evaluated["test_accuracies"], whole["test_accuracies"]);
    let same = summary(&format!("{load} --eval-only --network {described}"));
    assert_eq!(same["test_accuracies"], whole["test_accuracies"]);
    let says = "but --network standard:13:tanh:dual was given";
    fails(
        &format!("{load} --eval-only --network standard:13"),
        1,
        &[says],
    );

    let out = path("more");
    let loaded = format!("{small} --load {} --out-dir {out}", path("x.safetensors"));
    summary(&format!("{loaded} --epochs 1 --checkpoint-every 1"));
    let more = summary(&format!("--resume last --out-dir {out} --epochs 2"));
    assert_eq!(more["options"]["network"], described);

    let output = run(&format!("{network} --describe"));
    assert!(
        stdout(&output).contains("bregman, sigmoid"),
        "{}",
        stdout(&output)
    );

    let says = ["layer 1", "layer 0", "[-1, 1]", "[0, 1]", "dual passage"];
    let refused = "--network bregman:13,bregman:13:sigmoid";
    fails(&format!("{small} {refused}"), 2, &says);
    let refused = "--network standard:13,euclidean:13:tanh:dual:pass";
    fails(
        &format!("{small} {refused}"),
        2,
        &["dual passage", "Bregman"],
    );
    for (network, says) in [
        ("standard", "KIND:WIDTH"),
        ("standard:13:tanh:dual:pass:more", "KIND:WIDTH"),
        ("standard:0", "at least 1"),
        ("linear:13", "standard, euclidean, bregman"),
        ("bregman:13:cosine", "tanh"),
        ("bregman:13:tanh:both", "primal"),
        ("", "KIND:WIDTH"),
    ] {
        fails(&format!("{small} --network={network}"), 2, &[says]);
    }
    for other in [
        "--width 13",
        "--layer standard",
        "--hidden-layers 2",
        "--equilibrium",
    ] {
        let output = run(&format!("{small} --network standard:13 {other}"));
        assert_eq!(output.status.code(), Some(2), "{other}");
    }
}

//! The user's own data, as they meet them: tables of classes and of values, what is held out of them, networks
//! that take raw rows, and every mistake.

#[path = "common/program.rs"]
mod program;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use bregman::data;
use bregman::prelude::*;
use program::{folder, metrics, stderr, stdout, succeeds};
use serde_json::Value;

/// A small network on the processor.
const SMALL: &str = "--device cpu --width 16 --epochs 12 --batch-size 16 --lr 0.1";

/// A number in [0, 1) for each place, always the same ones.
fn noise(place: usize) -> f64 {
    f64::from((place as u32).wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24)
}

/// 120 flowers: two numbers and a colour, from which the kind follows, except for some noise.
fn flowers() -> String {
    let mut text = "height,width,colour,kind\n".to_owned();
    for i in 0..120 {
        let kind = i % 3;
        let height = 10.0 + 20.0 * kind as f64 + 4.0 * noise(2 * i);
        let width = 1000.0 - 3.0 * kind as f64 + 2.0 * noise(2 * i + 1);
        let colour = ["red", "blue"][usize::from(kind == 2) ^ usize::from(i % 11 == 0)];
        let name = ["rose", "tulip", "lily"][kind];
        writeln!(text, "{height:.3},{width:.3},{colour},{name}").expect("memory");
    }
    text
}

/// 150 rows of y = 3000 + 40a − 25b + 10 for "yes".
fn prices() -> String {
    let mut text = "a,b,new,price\n".to_owned();
    for i in 0..150 {
        let [a, b] = [4.0 * noise(3 * i), noise(3 * i + 1)];
        let new = ["no", "yes"][i % 2];
        let price = 3000.0 + 40.0 * a - 25.0 * b + 10.0 * (i % 2) as f64 + noise(3 * i + 2);
        writeln!(text, "{a:.4},{b:.4},{new},{price:.4}").expect("memory");
    }
    text
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    path
}

fn json(args: &str) -> Value {
    let output = program::run("train_mnist", &format!("{args} --json"));
    assert!(output.status.success(), "{args}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Runs into an error: one message, no panic, the given exit code.
fn fails(program: &str, args: &str, code: i32, says: &[&str]) {
    let output = program::run(program, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args}: {message}");
    assert_eq!(message.matches("error:").count(), 1, "{args}: {message}");
    assert!(!message.contains("panicked"), "{args}: {message}");
    for text in says {
        assert!(message.contains(text), "{args}: no `{text}` in: {message}");
    }
}

/// `text` on the standard input of a command.
fn piped(args: &str, text: &str) -> Output {
    let mut command = program::command("bregman", args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("written");
    drop(input);
    child.wait_with_output().expect("its end")
}

#[test]
fn a_table_of_classes_is_trained_evaluated_and_predicted() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let table = write(folder.path(), "flowers.csv", &flowers());
    let (table, network, out) = (table.display(), at("x.safetensors"), at("out"));
    let train = format!(
        "{SMALL} --data {table} --target kind --validation 0.1 --save {network} --out-dir {out}"
    );
    let summary = json(&train);
    assert_eq!(summary["task"], "classification");
    assert_eq!(summary["dataset"], "flowers.csv");
    let accuracy = summary["test_accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.9, "{accuracy}");
    for name in ["confusion.csv", "curves.png", "settings.toml"] {
        assert!(Path::new(&out).join(name).exists(), "{name}");
    }

    // The same source is evaluated on what was held out of it.
    let evaluate = |args: &str| -> Value {
        let args = format!("--load {network} --json {args}");
        let output = program::run("bregman evaluate", &args);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let evaluated = evaluate(&format!("--data {table}"));
    assert_eq!(evaluated["test_accuracy"], summary["test_accuracy"]);
    assert_eq!(evaluated["test_loss"], summary["test_loss"]);

    // A settings file gives the same run again.
    let again = json(&format!(
        "--config {out}/settings.toml --out-dir {} --overwrite",
        at("again")
    ));
    assert_eq!(again["test_loss"], summary["test_loss"]);

    // Raw rows, with the columns in another order, others between them, and no target.
    let mut other = "colour,shop,width,height\n".to_owned();
    for line in flowers().lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let _ = writeln!(other, "{},x,{},{}", cells[2], cells[1], cells[0]);
    }
    let predicted = program::run("bregman predict", &format!("--load {network} {table}"));
    assert!(predicted.status.success(), "{}", stderr(&predicted));
    let text = stdout(&predicted);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["class", "p(lily)", "p(rose)", "p(tulip)"]);
    assert_eq!(rows.len(), 121);
    let right = flowers()
        .lines()
        .skip(1)
        .zip(&rows[1..])
        .filter(|(row, found)| row.ends_with(found[0]))
        .count();
    assert!(right > 108, "{right} of 120");
    let from_pipe = piped(&format!("predict --load {network} -"), &other);
    assert!(from_pipe.status.success(), "{}", stderr(&from_pipe));
    assert_eq!(stdout(&from_pipe), text);
    let lines = piped(
        &format!("predict --load {network} --format jsonl -"),
        &other,
    );
    let first: Value =
        serde_json::from_str(stdout(&lines).lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["class"], rows[1][0]);
    let p = first["probabilities"]["lily"].as_f64().expect("a number");
    // The same digits in both forms.
    assert_eq!(Ok(p), rows[1][1].parse());
}

#[test]
fn a_table_of_values_is_regressed_in_its_own_units() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let table = write(folder.path(), "prices.csv", &prices());
    let (table, network, out) = (table.display(), at("x.safetensors"), at("out"));
    for loss in ["", "--loss huber"] {
        let summary = json(&format!(
            "{SMALL} --epochs 60 --data {table} --target price {loss} --validation 20 --save {network} \
             --out-dir {out} --overwrite"
        ));
        assert_eq!(summary["task"], "regression");
        let expected = if loss.is_empty() { "mse" } else { "huber" };
        assert_eq!(summary["options"]["loss"], expected);
        assert!(summary.get("test_accuracy").is_none() && summary.get("test_accuracies").is_none());
        let number = |name: &str| summary[name].as_f64().unwrap_or_else(|| panic!("{name}"));
        assert!(number("test_r2") > 0.97, "{}", number("test_r2"));
        assert!(number("test_mae") < 8.0 && number("test_mae") <= number("test_rmse"));
        assert!(number("validation_r2") > 0.9 && number("validation_rmse") < 12.0);
        assert!(number("validation_mae") > 0.0);
        for line in metrics(Path::new(&out)) {
            assert!(line.get("test_accuracy").is_none(), "{line}");
        }
        for name in [
            "predicted.png",
            "predicted.svg",
            "predicted.csv",
            "curves.png",
        ] {
            assert!(Path::new(&out).join(name).exists(), "{name}");
        }

        // R² by its definition, of what is predicted of the held-out rows in the file of the figure.
        let text = fs::read_to_string(Path::new(&out).join("predicted.csv")).expect("read");
        let rows: Vec<[f64; 2]> = text
            .lines()
            .skip(1)
            .map(|line| {
                let (y, found) = line.split_once(',').expect("two cells");
                [y, found].map(|cell| cell.parse().expect("a number"))
            })
            .collect();
        assert_eq!(rows.len(), 30);
        let mean = rows.iter().map(|row| row[0]).sum::<f64>() / 30.0;
        let residual: f64 = rows.iter().map(|[y, found]| (y - found).powi(2)).sum();
        let total: f64 = rows.iter().map(|[y, _]| (y - mean).powi(2)).sum();
        assert!((number("test_r2") - (1.0 - residual / total)).abs() < 1e-6);

        let evaluated = program::run(
            "bregman evaluate",
            &format!("--load {network} --data {table} --json"),
        );
        let evaluated: Value = serde_json::from_slice(&evaluated.stdout).expect("JSON");
        assert_eq!(evaluated["test_r2"], summary["test_r2"]);
        assert!(evaluated.get("test_accuracy").is_none());
        let predicted = stdout(&program::run(
            "bregman predict",
            &format!("--load {network} {table}"),
        ));
        let mut lines = predicted.lines();
        assert_eq!(lines.next(), Some("price"));
        let prices = prices();
        let worst = prices.lines().skip(1).zip(lines).map(|(row, found)| {
            let price: f64 = row
                .rsplit(',')
                .next()
                .expect("a cell")
                .parse()
                .expect("a number");
            (found.parse::<f64>().expect("a number") - price).abs()
        });
        assert!(worst.fold(0.0, f64::max) < 60.0);
    }
}

/// What the library makes of a table, trains, saves and loads again predicts the same numbers.
#[test]
fn a_saved_network_predicts_what_the_trained_one_did() {
    let folder = folder();
    for (name, text, target) in [("f.csv", flowers(), "kind"), ("p.csv", prices(), "price")] {
        let table = write(folder.path(), name, &text);
        let own = data::open(&table).expect("a table").target(target);
        let own = own.prepare(&Activation::TANH).expect("prepared");
        let model = Model::input(own.train.features()).bregman(16);
        let model = match own.train.is_regression() {
            true => model.outputs(1),
            false => model.classes(own.train.classes),
        };
        let model = model
            .build()
            .and_then(|model| model.with_preparation(own.preparation));
        let model = model.expect("a network");
        let trained = Trainer::new(&model).epochs(3).device(Device::cpu());
        let trained = trained.fit(&own.train, &own.test).expect("trained");
        let path = folder.path().join("x.safetensors");
        trained.save(&path).expect("saved");
        let loaded = Trained::load(&path).expect("loaded");
        assert_eq!(loaded.model().preparation, model.preparation);
        assert_eq!(
            loaded.logits(&own.test).expect("numbers"),
            trained.logits(&own.test).expect("numbers")
        );
        let inputs = loaded.inputs_at(&table).expect("inputs");
        assert_eq!(
            inputs.len(),
            (text.lines().count() - 1) * own.train.features()
        );
        let score = loaded.evaluate(&own.test).expect("a score");
        assert_eq!(score, trained.evaluate(&own.test).expect("a score"));
        assert_eq!(score.accuracy.is_none(), own.train.is_regression());
        if own.train.is_regression() {
            assert_eq!(trained.outcomes()[0].test_rmse, score.rmse);
            let values = loaded.values(&own.test).expect("values");
            let near = values.iter().all(|value| (2000.0..4000.0).contains(value));
            assert!(near, "{values:?}");
        }
        let args = format!("--load {} {}", path.display(), table.display());
        let predicted = stdout(&program::run("bregman predict", &args));
        assert_eq!(predicted.lines().count(), text.lines().count());
    }
}

/// Rows are held out by `--split-seed` alone, the same share of each class.
#[test]
fn what_is_held_out_does_not_depend_on_the_seed() {
    let folder = folder();
    let table = write(folder.path(), "flowers.csv", &flowers());
    let own = |test: data::prepare::HeldOut, seed| {
        let own = data::open(&table)
            .expect("a table")
            .target("kind")
            .test(test);
        own.split_seed(seed)
            .prepare(&Activation::TANH)
            .expect("prepared")
    };
    let share = data::prepare::HeldOut::Share;
    let first = own(share(0.25), 0);
    let mut counts = [0; 3];
    first
        .test
        .labels()
        .iter()
        .for_each(|&label| counts[label as usize] += 1);
    assert_eq!(counts, [10, 10, 10]);
    assert_eq!(own(share(0.25), 0), first);
    assert_eq!(own(data::prepare::HeldOut::Samples(30), 0).test, first.test);
    assert_ne!(own(share(0.25), 1).test, first.test);

    // Two seeds see the same test set: each network is evaluated on it by another program run.
    let sha = |args: &str| {
        let out = folder.path().join("out");
        let _ = json(&format!(
            "{SMALL} --epochs 1 --data {} --target kind {args} --out-dir {} --checkpoint-every 1 --overwrite",
            table.display(),
            out.display()
        ));
        let run = bregman::checkpoint::Run::load(&out.join("checkpoint.safetensors"));
        run.expect("a run").data_sha256
    };
    assert_eq!(sha("--seed 1"), sha("--seed 2"));
    assert_ne!(sha("--seed 1"), sha("--seed 1 --split-seed 5"));
}

/// Absurd rows that are held out do not change the preprocessing.
#[test]
fn nothing_is_fitted_on_what_is_held_out() {
    let folder = folder();
    let train = write(folder.path(), "train.csv", &flowers());
    let fitted = |test: &str| {
        let test = write(folder.path(), "test.csv", test);
        let own = data::open(&train).expect("a table").target("kind");
        let own = own.test(data::prepare::HeldOut::Path(test));
        own.prepare(&Activation::TANH)
            .expect("prepared")
            .preparation
    };
    let absurd = "height,width,colour,kind\n1e30,-1e30,green,rose\n-7,0,red,lily\n";
    assert_eq!(fitted(absurd), fitted(&flowers()));
    let said = succeeds(
        "bregman train",
        &format!(
            "{SMALL} --epochs 1 --data {} --test {} --target kind",
            train.display(),
            folder.path().join("test.csv").display()
        ),
    );
    assert!(!said.contains("held out"), "{said}");
}

#[test]
fn a_run_is_resumed_to_the_same_bits_and_grids_work() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let table = write(folder.path(), "prices.csv", &prices());
    let run = format!(
        "{SMALL} --data {} --target price --checkpoint-every 1",
        table.display()
    );
    let whole = json(&format!("{run} --epochs 5 --out-dir {}", at("whole")));
    let _ = json(&format!("{run} --epochs 2 --out-dir {}", at("parts")));
    let parts = json(&format!("--resume --epochs 5 --out-dir {}", at("parts")));
    assert_eq!(parts["test_loss"], whole["test_loss"]);
    assert_eq!(parts["test_r2"], whole["test_r2"]);
    fails(
        "bregman train",
        &format!(
            "--resume --epochs 6 --out-dir {} --split-seed 3",
            at("parts")
        ),
        1,
        &["--split-seed"],
    );
    // Other data under the same name are noticed.
    write(folder.path(), "prices.csv", &prices().replace("yes", "no"));
    let resume = format!("--resume --epochs 6 --out-dir {}", at("parts"));
    fails("bregman train", &resume, 1, &["different data"]);

    write(folder.path(), "prices.csv", &prices());
    let grid = json(&format!(
        "{run} --lr 0.01,0.1 --validation 0.2 --out-dir {}",
        at("grid")
    ));
    let runs = grid["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert!(
            run["test_r2"].is_f64() && run["validation_rmse"].is_f64(),
            "{run}"
        );
    }
    assert!(grid["best"]["test_r2"].is_f64() && grid["best"].get("test_accuracy").is_none());
    let csv = fs::read_to_string(folder.path().join("grid/runs.csv")).expect("read");
    let header = csv.lines().next().expect("a header");
    assert!(header.ends_with(",test_r2,test_mae,test_rmse"), "{header}");
}

#[test]
fn mistakes_are_named() {
    let folder = folder();
    let file = |name: &str, text: &str| write(folder.path(), name, text).display().to_string();
    let flowers_at = file("flowers.csv", &flowers());
    let train = |args: &str, says: &[&str]| {
        fails("bregman train", &format!("{SMALL} --data {args}"), 1, says);
    };
    train(&flowers_at, &["--target", "height, width, colour, kind"]);
    train(
        &format!("{flowers_at} --target size"),
        &["no column size", "height, width"],
    );
    train(
        &format!("{flowers_at} --target kind --drop 1,2,colour"),
        &["no column is left"],
    );
    train(
        &format!("{flowers_at} --target kind --test 118"),
        &["118", "--test", "at most 117"],
    );
    let hole = file("hole.csv", &flowers().replacen("red", "NA", 1));
    train(
        &format!("{hole} --target kind"),
        &["row 2", "colour", "--impute"],
    );
    succeeds(
        "bregman train",
        &format!("{SMALL} --epochs 1 --data {hole} --target kind --impute mean"),
    );
    train(
        &format!("{hole} --target colour"),
        &["row 2", "colour", "target"],
    );
    let one = file("one.csv", "x,y\n1,a\n2,a\n3,a\n4,a\n5,a\n");
    train(&format!("{one} --target y"), &["class a", "two classes"]);
    let flat = file("flat.csv", "x,y\n1,7\n2,7\n3,7\n4,7\n5,7\n");
    train(
        &format!("{flat} --target y"),
        &["7", "column y", "constant"],
    );
    let stranger = file("stranger.csv", "height,width,colour,kind\n1,2,red,orchid\n");
    train(
        &format!("{flowers_at} --target kind --test {stranger}"),
        &["orchid", "row 1", "lily, rose, tulip"],
    );
    let text = file("text.csv", "height,width,colour,kind\nhigh,2,red,rose\n");
    train(
        &format!("{flowers_at} --target kind --test {text}"),
        &["height", "high"],
    );
    let ids: String = (0..1600).map(|i| format!("id{i},{}\n", i % 7)).collect();
    let ids = file("ids.csv", &format!("id,y\n{ids}"));
    train(
        &format!("{ids} --target y"),
        &["column id", "--drop", "1000"],
    );
    let two = |args: &str, says: &[&str]| {
        fails("bregman train", &format!("{SMALL} {args}"), 2, says);
    };
    two(
        &format!("--data {flowers_at} --target kind --loss huber"),
        &["huber", "classes"],
    );
    two(
        &format!("--data {flowers_at} --target kind --dataset digits"),
        &["--dataset"],
    );
    two(
        &format!("--data {flowers_at} --target kind --test 1.5"),
        &["--test", "share"],
    );
    two("--target kind", &["--data"]);
    two(
        "--dataset digits --validation some.csv",
        &["--validation", "--data"],
    );
    // Regression under cross-entropy names what works.
    let prices_at = file("prices.csv", &prices());
    let args = format!("{SMALL} --data {prices_at} --target price --loss cross-entropy");
    fails("bregman train", &args, 2, &["mse", "huber", "--classes"]);

    let network = folder.path().join("x.safetensors").display().to_string();
    succeeds(
        "bregman train",
        &format!("{SMALL} --epochs 1 --data {flowers_at} --target kind --save {network}"),
    );
    // Four features, as many as a named data set might have: the bytes of its images are not what it takes.
    fails(
        "bregman evaluate",
        &format!("--device cpu --load {network} --dataset digits"),
        2,
        &["--dataset", "--data"],
    );
    let predict = |file: &str, says: &[&str]| {
        fails(
            "bregman predict",
            &format!("--load {network} {file}"),
            1,
            says,
        );
    };
    predict(&file("short.csv", "height,width\n1,2\n"), &["colour"]);
    let mut long = "height,width,colour\n".to_owned();
    (0..5000).for_each(|i| long += if i == 4500 { "1,,red\n" } else { "1,2,red\n" });
    predict(&file("long.csv", &long), &["row 4501", "width"]);
    fails(
        "bregman evaluate",
        &format!("--device cpu --load {network}"),
        2,
        &["--data"],
    );
}

/// Constant columns, texts and numbers that training did not have: trained and predicted all the same, with
/// notes.
#[test]
fn strange_columns_are_noted() {
    let folder = folder();
    let mut text = String::from("\u{feff}x,same,\"kind, or so\"\r\n");
    for i in 0..40 {
        text += &format!("{},5,\"{}\"\r\n", i, ["a", "b \"\"quoted\"\""][i % 2]);
    }
    let table = write(folder.path(), "strange.csv", &text)
        .display()
        .to_string();
    let network = folder.path().join("x.safetensors").display().to_string();
    let said = succeeds(
        "bregman train",
        &format!("{SMALL} --data {table} --target 3 --save {network}"),
    );
    assert!(
        said.contains("constant in training") && said.contains("same"),
        "{said}"
    );
    let far = write(folder.path(), "far.csv", "x,same\n1000,6\n1,5\n")
        .display()
        .to_string();
    let output = program::run("bregman predict", &format!("--load {network} {far}"));
    assert!(
        stderr(&output).contains("2 numbers beyond the range"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).starts_with("class,p(a),\"p(b \"\"quoted\"\")\"\n"),
        "{}",
        stdout(&output)
    );
}

/// The commands of the page do what it says.
#[test]
fn the_commands_of_the_page_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("assets/own_data.md")).expect("read");
    let folder = folder();
    fs::copy(
        root.join("assets/data/iris.csv"),
        folder.path().join("iris.csv"),
    )
    .expect("copied");
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("$ bregman "))
        .collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    let mut found = Vec::new();
    for line in &commands {
        let (name, args) = line.split_once(' ').expect("a command");
        let args = format!("{args} --device cpu");
        let args = match name {
            "train" | "evaluate" => args,
            _ => args.replace(" --device cpu", ""),
        };
        let (args, file) = match args.split_once(" > ") {
            Some((args, file)) => (args.to_owned(), Some(file.to_owned())),
            None => (args, None),
        };
        let mut command = program::command(&format!("bregman {name}"), &args);
        let output = command
            .current_dir(folder.path())
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        match file {
            Some(file) => drop(write(folder.path(), &file, &stdout(&output))),
            None => found.push(stdout(&output)),
        }
    }
    // What is shown of the first two except the time that training took.
    let accuracy = |text: &str| {
        text.split(" on iris.csv")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    for text in &found[..2] {
        assert!(page.contains(&accuracy(text)), "{}", accuracy(text));
    }
    let predicted = fs::read_to_string(folder.path().join("predicted.csv")).expect("read");
    assert_eq!(predicted.lines().count(), 151);
    assert!(folder.path().join("iris.onnx").exists());
}

/// A network of very many columns is saved and read again.
#[test]
fn a_network_of_ten_thousand_columns_is_read_again() {
    let folder = folder();
    let columns = 10_000;
    let mut text: String = (0..columns).map(|j| format!("column {j},")).collect();
    text += "y\n";
    for i in 0..12 {
        text.extend((0..columns).map(|j| format!("{:.3},", noise(i * columns + j))));
        text += ["a\n", "b\n"][i % 2];
    }
    let table = write(folder.path(), "wide.csv", &text);
    let own = data::open(&table).expect("a table").target("y");
    let own = own.prepare(&Activation::TANH).expect("prepared");
    let model = Model::input(columns).standard(2).classes(2).build();
    let model = model.and_then(|model| model.with_preparation(own.preparation));
    let model = model.expect("a network");
    let path = folder.path().join("x.safetensors");
    let parameters = Init::Random.parameters(&model, 0);
    bregman::checkpoint::save(&path, &model, "wide.csv", &[parameters]).expect("saved");
    let loaded = bregman::checkpoint::load(&path).expect("loaded");
    assert!(loaded.model.preparation == model.preparation);
}

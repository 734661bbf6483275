//! `two_spirals` as a user meets it.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_two_spirals"));
    for variable in ["WGPU_ADAPTER_NAME", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// All figures from one command, small: files, rows and tables.
#[test]
fn draws_every_figure() {
    let folder = tempfile::tempdir().expect("a folder");
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
    let tables = String::from_utf8(output.stdout).expect("UTF-8");
    for text in ["Figure 5-left", "paper", "0.072", "reproduced", "96.36"] {
        assert!(tables.contains(text), "no `{text}` in: {tables}");
    }
}

/// Runs that end in NaN are counted, and left out of the means.
#[test]
fn counts_what_diverges() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(&format!(
        "--device cpu --figure 6-left --lr 0.1,1e30 --runs 3 --epochs 3 --activation identity \
         --out-dir {}",
        folder.path().display()
    ));
    assert!(output.status.success(), "{}", stderr(&output));
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
        ("--device cpu --adapter x", 2, "leave one of the two out"),
        ("--figure 7", 2, "6-left"),
        ("--device cpu --out-dir /proc/none", 1, "/proc/none"),
    ] {
        let output = run(args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args}: {message}");
        assert!(message.contains(says), "{args}: {message}");
        assert!(!message.contains("panicked"), "{args}: {message}");
    }
}

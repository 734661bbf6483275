//! `bregman table2`, stopped and started again.

#![cfg(unix)]

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bregman::checkpoint::Run;
use bregman::data::cifar10;
use program::{signal, stderr};
use serde_json::Value;

/// Files in CIFAR-10's format with a few images; the classes differ in brightness.
fn write_data(folder: &Path) {
    for (f, name) in cifar10::FILES.into_iter().enumerate() {
        let record = |i: usize| {
            let label = ((7 * i + f) % 10) as u8;
            let pixels = (0..3072).map(move |p| 20 * label + ((31 * p + 17 * i) % 50) as u8);
            [label].into_iter().chain(pixels)
        };
        let records: Vec<u8> = (0..16).flat_map(record).collect();
        fs::write(folder.join(name), records).expect("write");
    }
}

fn command(data: &Path, out: &Path) -> Command {
    let run = "--row cifar10-cnn --layer bregman --runs 2 --epochs 10 --device cpu";
    let mut command = program::command("bregman table2", run);
    command
        .arg("--data-dir")
        .arg(data)
        .arg("--out-dir")
        .arg(out);
    command
}

fn accuracies(out: &Path) -> [Value; 2] {
    let text = fs::read_to_string(out.join("table2.json")).expect("results");
    let cells: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(cells[0]["accuracies"].as_array().map(Vec::len), Some(2));
    ["accuracies", "test_accuracy_by_epoch"].map(|key| cells[0][key].clone())
}

/// The lines about epochs, without the seconds.
fn epochs_of(said: &str) -> Vec<String> {
    let lines = said.lines().filter(|line| line.contains(": train loss "));
    let timeless = lines.filter_map(|line| Some(line.rsplit_once(", ")?.0.to_owned()));
    timeless.collect()
}

/// A cell that is killed, started again, stopped and started again has the accuracies of one that was
/// not interrupted, and trains no epoch twice.
#[test]
fn a_cell_goes_on_where_it_was() {
    let folder = program::folder();
    let [data, whole, parts] = ["data", "whole", "parts"].map(|name| folder.path().join(name));
    fs::create_dir(&data).expect("a folder");
    write_data(&data);
    let output = command(&data, &whole).output().expect("it starts");
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let undisturbed = epochs_of(&said);
    assert_eq!(undisturbed.len(), 10);

    let checkpoint = parts.join("cifar10-cnn-bregman.safetensors");
    let epochs = || Run::load(&checkpoint).map_or(0, |run| run.position.epochs.len());
    let mut last = 0;
    // After each signal the file has more epochs than before, and not yet all.
    for (name, until, code) in [
        ("KILL", 2, None),
        ("TERM", 4, Some(130)),
        ("INT", 6, Some(130)),
    ] {
        let child = command(&data, &parts)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let started = Instant::now();
        while epochs() < until {
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "no epoch ended"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        signal(child.id(), name);
        let output = child.wait_with_output().expect("it ends");
        let said = stderr(&output);
        assert_eq!(output.status.code(), code, "{said}");
        if last > 0 {
            let going_on = format!("going on after epoch {last} and ");
            assert!(said.contains(&going_on), "{going_on}: {said}");
        }
        let found = epochs_of(&said);
        assert!(undisturbed[last..].starts_with(&found), "{found:?}");
        if code.is_some() {
            assert!(
                said.contains("continue with\n") && said.contains("table2 --row"),
                "{said}"
            );
        }
        last = epochs();
        assert!((until..10).contains(&last), "{last} epochs are saved");
    }
    let output = command(&data, &parts).output().expect("it starts");
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("going on after epoch {last} and ")),
        "{said}"
    );
    assert_eq!(epochs_of(&said), undisturbed[last..]);
    assert_eq!(accuracies(&parts), accuracies(&whole));
    assert!(!checkpoint.exists(), "the cell is done");
}

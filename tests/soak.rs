//! Ten thousand epochs: memory and handles of a long run stay as they are after its start.
//!
//!     cargo test --release --test soak -- --ignored --nocapture
//!
//! BREGMAN_SOAK_DEVICES names the devices (`cpu gpu`), BREGMAN_SOAK_OUT a folder for the samples and
//! their plot.

#![cfg(target_os = "linux")]

#[path = "common/program.rs"]
mod program;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bregman::plot::{Axis, Corner, Figure, PALETTE, Panel, Series};

const EPOCHS: usize = 10_000;
const RUN: &str = "--dataset digits --limit-train 64 --limit-test 32 --width 16 --hidden-layers 2 \
                   --batch-size 16 --lr 0.01 --epochs 10000 --checkpoint-every 500";

/// What a process holds after so many epochs.
#[derive(Clone, Copy, Debug)]
struct Sample {
    epoch: usize,
    /// Resident memory.
    mib: f64,
    handles: usize,
}

fn sample(process: u32, metrics: &Path) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    // Before the first epoch and after the last there is none.
    let text = fs::read(metrics).ok()?;
    Some(Sample {
        epoch: text.iter().filter(|&&byte| byte == b'\n').count(),
        mib: kib / 1024.0,
        handles: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count(),
    })
}

fn soak(device: &str) -> Vec<Sample> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut child = program::command("train_mnist", RUN)
        .args(["--device", device, "--out-dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let metrics = folder.path().join("metrics.partial.jsonl");
    let mut samples = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        samples.extend(sample(child.id(), &metrics));
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(status.success(), "{device}");
    samples
}

fn draw(runs: &[(String, Vec<Sample>)], folder: &Path) {
    let axis = |label: &str| Axis {
        label: label.to_owned(),
        ..Axis::default()
    };
    let panels = runs.iter().map(|(device, samples)| {
        let most = samples.iter().fold(0.0f64, |most, s| most.max(s.mib));
        Panel {
            title: device.clone(),
            x: axis("epoch"),
            y: Axis {
                range: Some([0.0, 1.2 * most]),
                ..axis("resident memory (MiB)")
            },
            series: vec![Series {
                color: PALETTE[0],
                points: samples.iter().map(|s| [s.epoch as f64, s.mib]).collect(),
                ..Series::default()
            }],
            legend: Corner::Nowhere,
            ..Panel::default()
        }
    });
    let figure = Figure {
        title: "Memory of a run of 10,000 epochs".to_owned(),
        caption: format!("train_mnist {RUN}"),
        panels: panels.collect(),
        columns: 2,
    };
    figure.save(&folder.join("soak")).expect("a plot");
    let mut table = "device,epoch,resident_mib,handles\n".to_owned();
    for (device, samples) in runs {
        // A few hundred lines are enough to plot from.
        for s in samples.iter().step_by(samples.len().div_ceil(200).max(1)) {
            writeln!(table, "{device},{},{:.2},{}", s.epoch, s.mib, s.handles).expect("memory");
        }
    }
    fs::write(folder.join("soak.csv"), table).expect("write");
}

/// The samples that [`draw`] wrote.
fn kept(table: &str) -> Vec<(String, Vec<Sample>)> {
    let mut runs: Vec<(String, Vec<Sample>)> = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize| -> f64 { cells[i].parse().expect("a number") };
        if runs.last().is_none_or(|(device, _)| device != cells[0]) {
            runs.push((cells[0].to_owned(), Vec::new()));
        }
        let (_, samples) = runs.last_mut().expect("there is one");
        samples.push(Sample {
            epoch: number(1) as usize,
            mib: number(2),
            handles: number(3) as usize,
        });
    }
    runs
}

#[test]
fn kept_samples_are_drawn_again() {
    let table = include_str!("../benches/results/soak.csv");
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = std::env::var_os("BREGMAN_SOAK_OUT").map(PathBuf::from);
    let out = out.as_deref().unwrap_or(folder.path());
    draw(&kept(table), out);
    let again = fs::read_to_string(out.join("soak.csv")).expect("the samples");
    assert_eq!(again, table);
}

#[test]
#[ignore = "takes minutes"]
fn memory_and_handles_stay_flat() {
    let devices = std::env::var("BREGMAN_SOAK_DEVICES").unwrap_or("cpu gpu".to_owned());
    let runs: Vec<(String, Vec<Sample>)> = devices
        .split_whitespace()
        .map(|device| (device.to_owned(), soak(device)))
        .collect();
    if let Some(folder) = std::env::var_os("BREGMAN_SOAK_OUT").map(PathBuf::from) {
        draw(&runs, &folder);
    }
    for (device, samples) in &runs {
        // The start and the pictures at the end are not the run.
        let settled: Vec<&Sample> = samples
            .iter()
            .filter(|s| (EPOCHS / 10..EPOCHS).contains(&s.epoch))
            .collect();
        assert!(settled.len() >= 10, "{device}: {} samples", settled.len());
        let own: Vec<f64> = settled.iter().map(|s| s.mib).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        let [low, high] = [f64::min, f64::max]
            .map(|pick: fn(f64, f64) -> f64| own.iter().copied().reduce(pick).expect("samples"));
        let handles: Vec<usize> = settled.iter().map(|s| s.handles).collect();
        let [fewest, most] = [handles.iter().min(), handles.iter().max()];
        #[expect(
            clippy::print_stderr,
            reason = "the numbers are what the test is run for"
        )]
        {
            eprintln!(
                "{device}: {low:.1} to {high:.1} MiB, mean {mean:.1}; {fewest:?} to {most:?} handles"
            );
        }
        assert!(
            high <= 1.05 * mean && low >= 0.95 * mean,
            "{device}: memory"
        );
        // One more while a checkpoint is written.
        assert!(
            most.zip(fewest)
                .is_some_and(|(most, fewest)| most - fewest <= 2),
            "{device}: handles"
        );
    }
}

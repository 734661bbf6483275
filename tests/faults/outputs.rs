//! A standard output that takes nothing.

use std::fs::File;

use super::{SMALL, command, refused, said, succeeds};
use crate::program::{self, folder};

/// The exit code of every command reports a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_every_command() {
    let folder = folder();
    let file = folder.path().join("x.safetensors");
    succeeds(SMALL, &[("--save", &file)]);
    let picture = folder.path().join("picture.png");
    image::GrayImage::from_fn(20, 20, |x, y| image::Luma([(x * y) as u8]))
        .save(&picture)
        .expect("a picture");
    let out = folder.path().join("out");
    let [file, picture, out] = [file, picture, out].map(|path| path.display().to_string());
    let full = |program: &str, args: &str| {
        let mut command = program::command(program, args);
        let stdout = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = command.stdout(stdout).output().expect("it starts");
        refused(&output, 1, &["error: cannot write standard output"]);
    };
    full("train_mnist", SMALL);
    for (command, args) in [
        ("train", format!("{SMALL} --json")),
        ("train", format!("{SMALL} --describe")),
        ("train", format!("{SMALL} --equilibrium --describe")),
        (
            "evaluate",
            format!("--load {file} --device cpu --limit-test 50"),
        ),
        ("predict", format!("--load {file} {picture}")),
        ("adapters", String::new()),
        (
            "spirals",
            format!("--figure 4 --runs 1 --epochs 1 --device cpu --out-dir {out}"),
        ),
        ("theory", format!("--problems 1 --out-dir {out}/theory")),
    ] {
        full(&format!("bregman {command}"), &args);
    }
    for entry in bregman::cli::COMMANDS {
        full(&format!("bregman {}", entry.name), "--help");
    }
    full("bregman", "--help");
    full("bregman", "--version");
    full("bregman", "help train");
}

/// Where no desktop runs, Mesa's layer that would ask it for a device writes errors of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_search_for_adapters_writes_no_error_of_a_driver() {
    let folder = folder();
    for mut command in [
        program::command("bregman adapters", ""),
        program::command("train_mnist", "--list-adapters"),
        command(
            &SMALL.replace("--device cpu", "--device auto"),
            &[("--out-dir", folder.path())],
        ),
    ] {
        for name in [
            "NODEVICE_SELECT",
            "XDG_RUNTIME_DIR",
            "MESA_VK_DEVICE_SELECT",
            "DRI_PRIME",
        ] {
            command.env_remove(name);
        }
        let output = command.output().expect("it starts");
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(!said.to_lowercase().contains("error"), "{said}");
    }
}

/// A report has something to report, and its exit code tells of a part that was asked for and failed.
#[test]
fn a_measurement_that_fails_is_told_and_leaves_no_file() {
    let folder = folder();
    let out = folder.path().join("results");
    let bench = |args: &str| {
        let mut command = program::command("bregman bench", args);
        command.arg("--out-dir").arg(&out);
        command.output().expect("it starts")
    };
    for seconds in ["0", "4"] {
        refused(
            &bench(&format!("--seconds {seconds}")),
            2,
            &["--seconds", "5"],
        );
    }
    assert!(!out.exists());
    let failed = bench("--parts adapter --adapter no-such-adapter");
    refused(
        &failed,
        1,
        &["adapter: failed", "nothing was measured", "failed: adapter"],
    );
    let left = std::fs::read_dir(&out).expect("a folder").flatten();
    let names = left
        .map(|file| file.file_name())
        .filter(|name| name != ".bregman.lock");
    assert_eq!(names.collect::<Vec<_>>(), [""; 0]);
}

//! A standard output that takes nothing.

use std::fs::File;

use super::{SMALL, refused, succeeds};
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

//! Names of files and folders that are not Unicode, and names that depend on the folder of the program.

use std::fs;
use std::process::Command;

use super::{SMALL, command, name, run, said, succeeds};
use crate::program::{self, folder, metrics, stdout};

/// Results, checkpoint and network go where they were asked to, and the run continues from there.
#[test]
fn any_bytes_are_a_name() {
    let folder = folder();
    let out = folder.path().join(name(b"r\xff"));
    let save = folder.path().join(name(b"n \xfe'.safetensors"));
    let output = run(
        &format!("{SMALL} --checkpoint-every 1 --json"),
        &[("--out-dir", &out), ("--save", &save)],
    );
    assert!(output.status.success(), "{}", said(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let text = summary["options"]["out_dir"].as_str().expect("text");
    assert!(
        text.ends_with("r%FF") && text.starts_with("bytes:"),
        "{text}"
    );
    for file in [
        "summary.json",
        "metrics.jsonl",
        "settings.toml",
        "curves.png",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    let saved = fs::read(&save).expect("saved");

    // The checkpoint and the settings name the same files.
    let checkpoint = out.join("checkpoint.safetensors");
    fs::remove_file(&save).expect("remove");
    succeeds("--epochs 2", &[("--resume", &checkpoint)]);
    assert_eq!(metrics(&out).len(), 2);
    assert!(save.exists());
    fs::remove_file(&save).expect("remove");
    let again = folder.path().join("again");
    let settings = out.join("settings.toml");
    succeeds(
        "--epochs 1",
        &[("--config", &settings), ("--out-dir", &again)],
    );
    assert!(fs::read(&save).expect("saved") == saved);
}

/// A folder named by a variable is used, and a value that is no option's is an error that names the
/// variable.
#[test]
fn variables_are_used_or_refused() {
    let folder = folder();
    let out = folder.path().join(name(b"e\xff"));
    let mut with_folder = command(SMALL, &[]);
    let output = with_folder.env("BREGMAN_OUT_DIR", &out).output();
    assert!(output.expect("the program starts").status.success());
    assert!(out.join("summary.json").exists());
    for (variable, value, says) in [
        ("BREGMAN_LR", name(b"x"), "'x'"),
        ("BREGMAN_LAYER", name(b"\xff"), "BREGMAN_LAYER"),
        ("BREGMAN_UNFUSED", name(b"yes"), "'yes'"),
    ] {
        let mut command = command(SMALL, &[]);
        let output = command.env(variable, value).output();
        super::refused(&output.expect("the program starts"), 2, &[variable, says]);
    }
    for program in ["bregman selftest", "bregman spirals --figure 4"] {
        let mut command = program::command(program, "");
        let output = command.env("WGPU_ADAPTER_NAME", name(b"\xff")).output();
        super::refused(&output.expect("it starts"), 2, &["WGPU_ADAPTER_NAME"]);
    }
    for (value, is_set) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let mut command = command(&format!("{SMALL} --json"), &[]);
        let output = command.env("BREGMAN_UNFUSED", value).output();
        let text = stdout(&output.expect("the program starts"));
        assert!(
            text.contains(&format!("\"unfused\":{is_set}")),
            "{value}: {text}"
        );
    }
}

/// A run that was started with names relative to one folder continues from another.
#[test]
fn a_run_goes_on_from_another_folder() {
    let folder = folder();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for place in [&first, &second] {
        fs::create_dir(place).expect("a folder");
    }
    let data = first.join("data");
    fs::create_dir(&data).expect("a folder");
    super::data::write_cifar(&data);
    let small = "--dataset cifar10 --limit-train 60 --limit-test 10 --device cpu --width 9 --lr 0.01 \
                 --epochs 1 --data-dir data --save net --out-dir r --checkpoint-every 1";
    let at = |place, command: &mut Command| {
        let output = command.current_dir(place).output().expect("it starts");
        assert!(output.status.success(), "{}", said(&output));
    };
    at(&first, &mut command(small, &[]));
    fs::remove_file(first.join("net")).expect("saved");
    let resume = "--resume ../first/r/checkpoint.safetensors --epochs 2";
    at(&second, &mut command(resume, &[]));
    assert_eq!(metrics(&first.join("r")).len(), 2);
    assert!(first.join("net").exists());
    // A network that training starts from is the same by any of its names.
    at(
        &first,
        &mut command(&format!("{small} --load net --out-dir s"), &[]),
    );
    let resume = "--resume r/../s/checkpoint.safetensors --epochs 2 --load ../first/net";
    at(&first, &mut command(resume, &[]));
}

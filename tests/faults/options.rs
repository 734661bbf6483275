//! Options that have no effect, or that ask for more than there is.

use std::fs;
use std::process::Command;

use super::{SMALL, command, fails, refused, run, succeeds};
use crate::program::{self, folder, metrics, stdout};

/// The layer of infinite depth takes no option and drops it.
#[test]
fn a_layer_of_infinite_depth_drops_no_option() {
    let folder = folder();
    let out = folder.path();
    let layer = format!("{SMALL} --equilibrium");
    for option in [
        "--cnn",
        "--checkpoint-every 1",
        "--resume last",
        "--form dual",
    ] {
        let name = option.split(' ').next().expect("a flag");
        fails(
            &format!("{layer} {option}"),
            &[("--out-dir", out)],
            2,
            &["error:", name],
        );
    }
    let checkpoint = out.join("c/checkpoint.safetensors");
    succeeds(
        &format!("{SMALL} --checkpoint-every 1"),
        &[("--out-dir", &out.join("c"))],
    );
    let resume = [("--resume", checkpoint.as_path())];
    fails("--equilibrium", &resume, 2, &["'--resume"]);
    let output = run(&format!("{layer} --describe"), &[]);
    let table = stdout(&output);
    // U is 13 × 784, b has 13, V is 13 × 13; the linear layer has 10 × 13 and 10.
    for cells in [
        &["Ux + b", "13", "10,205", "20,384"][..],
        &["equilibrium, tanh", "13", "169", "338"],
        &["linear", "10", "140", "260"],
        &["all", "10,514", "20,982"],
    ] {
        let has = |line: &str| cells.iter().all(|cell| line.contains(cell));
        assert!(table.lines().any(has), "{cells:?} in\n{table}");
    }
    assert!(!super::said(&output).contains("epoch"));
    // The settings are taken back.
    succeeds(&layer, &[("--out-dir", out)]);
    let again = out.join("again");
    succeeds(
        "",
        &[
            ("--config", &out.join("settings.toml")),
            ("--out-dir", &again),
        ],
    );
    assert_eq!(metrics(out), metrics(&again));
}

/// What no machine can hold is refused before anything is allocated.
#[test]
fn sizes_beyond_memory_are_refused() {
    for size in ["18446744073709551615", "4000000"] {
        let layer = format!("{SMALL} --equilibrium --width {size}");
        fails(&layer, &[], 1, &["MiB", "--width"]);
    }
    let spirals = |args: &str| {
        let args = format!("--device cpu --figure 5 --epochs 1 --out-dir /nowhere {args}");
        refused(
            &program::run("bregman spirals", &args),
            1,
            &["MiB", "--runs"],
        );
    };
    spirals("--runs 100000000000");
    spirals("--runs 18446744073709551615");
    spirals("--layers 18446744073709551615");
}

/// So is what is beyond the limit that a user or a scheduler has set.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_memory_is_respected() {
    let run = command(
        &format!("{SMALL} --width 6000 --hidden-layers 9 --threads 1"),
        &[],
    );
    for limit in ["-v", "-d"] {
        let mut shell = Command::new("sh");
        let script = format!("ulimit {limit} 900000; exec \"$@\"");
        shell.args(["-c", &script, "sh"]);
        shell.arg(run.get_program()).args(run.get_args());
        refused(&shell.output().expect("sh"), 1, &["MiB", "--width"]);
    }
}

#[test]
fn values_that_say_nothing_are_refused() {
    let folder = folder();
    let out = folder.path().display().to_string();
    for program in [
        "bregman train",
        "bregman selftest",
        "bregman bench",
        "bregman spirals",
    ] {
        let output = program::command(program, "")
            .args(["--adapter", ""])
            .output();
        refused(&output.expect("it starts"), 2, &["--adapter"]);
    }
    let settings = folder.path().join("run.toml");
    let text: Vec<u8> = "lr = 1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(&settings, [&b"\xff\xfe"[..], &text].concat()).expect("write");
    fails(
        SMALL,
        &[("--config", &settings)],
        2,
        &["UTF-16", "run.toml"],
    );
    fs::write(&settings, b"\xef\xbb\xbfseed = 3\n").expect("write");
    let said = succeeds(
        &format!("{SMALL} --out-dir {out}/o"),
        &[("--config", &settings)],
    );
    assert!(!said.contains("error"), "{said}");
    assert!(
        fs::read_to_string(folder.path().join("o/settings.toml"))
            .expect("read")
            .contains("seed = 3")
    );
    // A counterexample is not to be expected in one problem.
    let output = program::run("bregman theory", &format!("--problems 1 --out-dir {out}/t"));
    let said = super::said(&output);
    assert!(
        output.status.success() && said.contains("verdicts are open"),
        "{said}"
    );
    assert!(!said.contains("NOT as expected"), "{said}");
}

/// A value that cannot work has one exit code, wherever it is given, and the help says which.
#[test]
fn the_exit_code_does_not_depend_on_where_a_value_is_given() {
    let folder = folder();
    let settings = folder.path().join("run.toml");
    // What is on the command line would replace what the others say.
    let small = SMALL.replace("--lr 0.1", "").replace("--width 13", "");
    for (name, value) in [("lr", "x"), ("layer", "conv"), ("width", "0")] {
        fails(&format!("{small} --{name} {value}"), &[], 2, &[name, value]);
        fs::write(&settings, format!("{name} = \"{value}\"\n")).expect("write");
        fails(&small, &[("--config", &settings)], 2, &[name, value]);
        let variable = format!("BREGMAN_{}", name.to_uppercase());
        let output = command(&small, &[]).env(variable, value).output();
        refused(&output.expect("it starts"), 2, &[name, value]);
    }
    let help = stdout(&program::run("bregman", "--help"));
    let rule = help.lines().find(|line| line.starts_with("Exit codes: "));
    assert_eq!(rule, Some(bregman::cli::EXIT_CODES));
}

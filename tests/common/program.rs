//! Runs the programs of the crate as a user does.

#![allow(dead_code, reason = "each test takes the parts that it needs")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The file of `bregman` or `train_mnist`.
pub fn file(program: &str) -> &'static str {
    match program {
        "bregman" => env!("CARGO_BIN_EXE_bregman"),
        "train_mnist" => env!("CARGO_BIN_EXE_train_mnist"),
        _ => panic!("{program} is no program of this crate"),
    }
}

/// `program`, which is `train_mnist` or `bregman` and a command, with `args`, both split at spaces. No
/// variable of the environment changes what it does.
pub fn command(program: &str, args: &str) -> Command {
    let mut words = program.split_whitespace().chain(args.split_whitespace());
    let mut command = Command::new(file(words.next().expect("a program")));
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("BREGMAN_")) {
        command.env_remove(name);
    }
    command
        .env_remove("WGPU_ADAPTER_NAME")
        .env_remove("RUST_LOG");
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(program: &str, args: &str) -> Output {
    command(program, args).output().expect("the program starts")
}

/// Runs it to its end, which must be a good one; returns what it said.
pub fn succeeds(program: &str, args: &str) -> String {
    let output = run(program, args);
    let said = stderr(&output);
    assert!(output.status.success(), "{program} {args}: {said}");
    said
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Runs it with pipes and streams that are closed: no error, and no other exit code than `code`.
#[cfg(unix)]
pub fn takes_closed_outputs(program: &str, args: &str, code: i32) {
    let (name, rest) = program.split_once(' ').unwrap_or((program, ""));
    let line = format!("{} {rest} {args}", file(name));
    let sh = |script: &str| {
        let output = Command::new("sh").args(["-c", script]).output();
        output.expect("sh")
    };
    // The reader of the pipe is gone before anything is written.
    let output = sh(&format!(
        "{{ sleep 0.1; {line}; echo status $? >&2; }} | true"
    ));
    let said = stderr(&output);
    assert!(said.contains(&format!("status {code}")), "{line}: {said}");
    assert!(!said.contains("panicked"), "{line}: {said}");
    let pipe = sh(&format!(
        "{{ {{ sleep 0.1; {line} 2>&1 >/dev/null; echo $? >&3; }} | true; }} 3>&1"
    ));
    assert_eq!(stdout(&pipe).trim(), code.to_string(), "{line} 2>|");
    for redirections in [">&-", "2>&-", ">&- 2>&-"] {
        let output = sh(&format!("{line} {redirections}"));
        assert_eq!(output.status.code(), Some(code), "{line} {redirections}");
    }
}

/// Sends a process a signal by its name.
#[cfg(unix)]
pub fn signal(process: u32, signal: &str) {
    let script = format!("kill -{signal} {process}");
    let status = Command::new("sh").args(["-c", &script]).status();
    assert!(status.expect("sh").success());
}

/// The lines of a run's `metrics.jsonl`, without the times.
pub fn metrics(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).expect("read");
    let timeless = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let fields = line.as_object_mut().expect("an object");
        fields.retain(|key, _| !["seconds", "samples_per_second"].contains(&key.as_str()));
        line
    };
    text.lines().map(timeless).collect()
}

/// An empty folder, removed at the end.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary folder")
}

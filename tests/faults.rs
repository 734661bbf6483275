//! Faults that users of other programs have reported: names that are not Unicode, two programs in one
//! folder, signals of terminals and schedulers, full disks, and data that are not what they seem.

#![cfg(unix)]

#[path = "common/program.rs"]
mod program;

mod faults {
    pub mod data;
    pub mod folders;
    pub mod limits;
    pub mod options;
    pub mod outputs;
    pub mod paths;
    pub mod signals;
    pub mod storm;

    use std::ffi::OsStr;
    use std::path::Path;
    use std::process::{Command, Output};

    use crate::program;

    /// A run of a moment.
    pub const SMALL: &str = "--dataset digits --limit-train 200 --limit-test 50 --device cpu --width 13 \
                             --batch-size 64 --lr 0.1 --epochs 1";

    /// `train_mnist` with `args`, and then with options whose values are paths.
    pub fn command(args: &str, paths: &[(&str, &Path)]) -> Command {
        let mut command = program::command("train_mnist", args);
        for (option, path) in paths {
            command.arg(option).arg(path);
        }
        command
    }

    /// Runs it to its end.
    pub fn run(args: &str, paths: &[(&str, &Path)]) -> Output {
        command(args, paths).output().expect("the program starts")
    }

    /// The program ends well; returns what it said.
    pub fn succeeds(args: &str, paths: &[(&str, &Path)]) -> String {
        let output = run(args, paths);
        let said = said(&output);
        assert!(output.status.success(), "{args}: {said}");
        said
    }

    /// The program ends with an error and `code`, and says all of `says`.
    pub fn fails(args: &str, paths: &[(&str, &Path)], code: i32, says: &[&str]) {
        let output = run(args, paths);
        refused(&output, code, says);
    }

    /// The output is that of an error with `code`, which says all of `says`.
    pub fn refused(output: &Output, code: i32, says: &[&str]) {
        let said = said(output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        for text in says {
            assert!(said.contains(text), "no `{text}` in: {said}");
        }
    }

    /// Standard error, in which names may be anything.
    pub fn said(output: &Output) -> String {
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Prints how many faults a test made, for the table of `assets/faults.md`.
    #[expect(clippy::print_stderr, reason = "the count is what is asked for")]
    pub fn count(text: &str) {
        eprintln!("{text}");
    }

    /// A name of bytes.
    pub fn name(bytes: &[u8]) -> &Path {
        let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
        Path::new(name)
    }
}

//! The Python package, as a user gets it: a wheel is built from this checkout and installed into a fresh
//! virtual environment beside NumPy and scikit-learn alone, where the tests in `tests/python/` run.
//!
//! Without Python 3.10 and the packages of PyPI the tests are ignored, and counted so;
//! BREGMAN_REQUIRE_PYTHON makes that a failure.

#![expect(
    clippy::print_stderr,
    reason = "what the Python tests said, and why they are ignored, belongs to the result"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};

/// The files in `tests/python/`, without their endings.
const FILES: [&str; 3] = ["test_engine", "test_estimators", "test_page"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command with nothing of the environment that `cargo test` made.
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    let kept = ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL"];
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("CARGO")) {
        if !kept.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command.current_dir(root()).stdin(Stdio::null());
    command
}

fn runs(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    match output.status.success() {
        true => Ok(format!("{out}{err}")),
        false => Err(format!("{command:?} failed:\n{out}{err}")),
    }
}

/// Whether Python is new enough, makes virtual environments, and reaches the packages.
fn has_python() -> Result<(), String> {
    let script = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10), sys.version";
    runs(command("python3").args(["-c", script]))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--ignore-installed",
        "maturin",
    ];
    runs(command("python3").args(pip)).map(drop)
}

/// The interpreter of the virtual environment, which is made at the first call.
fn interpreter() -> Result<&'static Path, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let (wheels, environment) = (folder.join("wheels"), folder.join("environment"));
        let wheel = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"];
        runs(command("python3").args(wheel).arg(&wheels).arg("."))?;
        let wheel = fs::read_dir(&wheels)
            .map_err(|error| error.to_string())?
            .next();
        let Some(Ok(wheel)) = wheel else {
            return Err(format!("no wheel in {}", wheels.display()));
        };
        runs(command("python3").args(["-m", "venv"]).arg(&environment))?;
        let python = match cfg!(windows) {
            true => environment.join("Scripts/python.exe"),
            false => environment.join("bin/python"),
        };
        let install = ["-m", "pip", "install", "--quiet", "numpy", "scikit-learn"];
        runs(command(&python).args(install).arg(wheel.path()))?;
        Ok(python)
    });
    made.as_deref().map_err(Clone::clone)
}

/// The tests of one file.
fn passes(file: &str) -> Result<(), Failed> {
    // From elsewhere, so that the installed package is imported.
    let script = root().join("tests/python").join(file).with_extension("py");
    let said = runs(
        command(interpreter()?)
            .arg(script)
            .current_dir(env!("CARGO_TARGET_TMPDIR")),
    )?;
    eprintln!("{said}");
    Ok(())
}

fn main() {
    let arguments = Arguments::from_args();
    let is_missing = match has_python() {
        Ok(()) => false,
        Err(reason) if std::env::var_os("BREGMAN_REQUIRE_PYTHON").is_some() => {
            panic!("the Python tests cannot run: {reason}")
        }
        Err(reason) => {
            eprintln!("the Python tests are ignored: {reason}");
            true
        }
    };
    let trial =
        |file: &'static str| Trial::test(file, move || passes(file)).with_ignored_flag(is_missing);
    // One after another: some of them measure times and memory.
    let arguments = Arguments {
        test_threads: Some(1),
        ..arguments
    };
    libtest_mimic::run(&arguments, FILES.map(trial).into()).exit();
}

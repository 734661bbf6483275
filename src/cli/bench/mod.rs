//! `bregman bench`: measures an adapter and writes a report.

mod pack;

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use serde_json::Value;

use super::args::{FREE, REQUEST, RESULT};
use super::say::{print, say};
use super::{Command, Ended, stop};
use crate::bench::{Measured, Part, Report};
use crate::device::adapter_name;
use crate::error::{Error, Result};
use crate::files::lock;
use crate::gpu::Selection;
use pack::{Contents, pack};

/// Measure an adapter: limits, training steps dispatch by dispatch and whole, PyTorch beside them where a
/// Python has it, the CNN, matrix products, matrix units, MNIST, the first step, the self-test with its
/// agreement of fused, unfused and float64, layers, and burn where it was built.
///
/// Each part runs in a process of its own with a share of the time, so that a part that fails or hangs
/// leaves the others standing; it may also take what the parts before it leave of their shares. A part that
/// is cut off keeps the rows that it has, and the page says so. All parts end within nine minutes. The
/// report is a JSON file and a page beside it, written after each part; Ctrl-C stops the part under way, and
/// the others are kept. The exit code is 1 if a part fails, except for PyTorch and burn unless --parts
/// names them.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Adapter, by any part of its name; else the first hardware adapter, or a software one
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), group = FREE)]
    adapter: Option<String>,
    /// Folder for the report
    #[arg(long, value_name = "DIR", default_value = "benches/results", group = FREE)]
    out_dir: PathBuf,
    /// Folder with MNIST's files
    #[arg(long, value_name = "DIR", default_value = ".", group = FREE)]
    data_dir: PathBuf,
    /// The script that measures PyTorch
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benches/peers/gpu_torch.py",
        group = FREE
    )]
    torch_script: PathBuf,
    /// The program that measures burn
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benches/peers/rust/target/release/burn_wgpu",
        group = FREE
    )]
    burn: PathBuf,
    /// Run these parts, and keep the others of a report of this day that is there already
    #[arg(long, value_name = "PART,…", value_delimiter = ',', value_parser = part_parser(), group = RESULT)]
    parts: Option<Vec<Part>>,
    /// Seconds that all parts together may take, at least 5
    #[arg(
        long,
        value_name = "S",
        default_value_t = SECONDS,
        value_parser = clap::value_parser!(u64).range(LEAST..),
        group = RESULT
    )]
    seconds: u64,
    /// Write the page of this report's JSON file again, beside it, and exit
    #[arg(long, value_name = "FILE", group = REQUEST)]
    page: Option<PathBuf>,
    /// Run this part alone in this process, print its JSON and exit
    #[arg(long, value_name = "PART", value_parser = part_parser(), group = REQUEST)]
    part: Option<Part>,
    /// Pack this program, the Vulkan loader, the PyTorch script, MNIST's files and burn's program into
    /// this folder, with a script run.sh that makes the report on a machine without cargo or network,
    /// and exit
    #[arg(long, value_name = "DIR", group = REQUEST)]
    pack: Option<PathBuf>,
}

/// The seconds that all parts together take at most, unless `--seconds` says otherwise: with the start and
/// the end of each part's process less than nine minutes.
const SECONDS: u64 = 520;

/// The seconds that must be left for a part to begin.
const LEAST: u64 = 5;

fn part_parser() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::name)).try_map(|name| Part::by_name(&name))
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        if let Some(part) = self.part {
            let mut rows = Ok(());
            let found = part.measure(&self.selection()?, self.data_dir, &mut |found| {
                rows = print(&format!("{found}\n"));
            })?;
            rows.and_then(|()| print(&format!("{found}\n")))?;
        } else if let Some(path) = &self.page {
            let page = Report::load(path)?.save_page(path)?;
            say(format_args!("wrote {}", page.display()));
        } else if let Some(folder) = &self.pack {
            let contents = Contents {
                data_dir: &self.data_dir,
                torch_script: &self.torch_script,
                burn: &self.burn,
            };
            pack(folder, &contents)?;
        } else {
            return report(&self);
        }
        Ok(Ended::Whole)
    }
}

impl Options {
    fn selection(&self) -> Result<Selection> {
        Ok(Selection {
            name: adapter_name(self.adapter.clone())?,
            allow_software: true,
        })
    }

    /// The process that measures `part`.
    fn process(&self, part: Part, report: &Report) -> Result<Process> {
        let mut process = match part {
            Part::Pytorch => {
                let mut process = Process::new("python3");
                process.arg(&self.torch_script);
                process
            }
            Part::Burn => {
                let mut process = Process::new(&self.burn);
                process.arg("--report");
                if report.adapter().is_ok_and(|adapter| adapter.software) {
                    process.arg("software");
                }
                process
            }
            _ => {
                let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
                let mut process = Process::new(program);
                process.args(["bench", "--part", part.name(), "--data-dir"]);
                process.arg(&self.data_dir);
                if let Some(name) = &self.adapter {
                    process.args(["--adapter", name]);
                }
                process
            }
        };
        process.stdin(Stdio::null());
        Ok(process)
    }
}

/// Runs every part that was asked for in a process of its own, and saves the report after each, once there
/// is anything to report.
fn report(options: &Options) -> Result<Ended> {
    stop::listen();
    let _lock = lock::own_folder(&options.out_dir)?;
    let start = Instant::now();
    let folder = &options.out_dir;
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let mut report = Report::new(today.to_string());
    let mut failed = Vec::new();
    let mut ended = Ended::Whole;
    // The adapter names the report.
    let is_wanted = |part: &Part| {
        let asked = |parts: &Vec<Part>| *part == Part::Adapter || parts.contains(part);
        options.parts.as_ref().is_none_or(asked)
    };
    let parts: Vec<Part> = Part::ALL.into_iter().filter(is_wanted).collect();
    for (index, &part) in parts.iter().enumerate() {
        let left = options.seconds.saturating_sub(start.elapsed().as_secs());
        let began = Instant::now();
        let measured = match left {
            ..LEAST => Some(Measured::failed("no time was left")),
            _ => {
                let limit = Duration::from_secs(limit(part, &parts[index + 1..], left));
                let process = options.process(part, &report)?;
                output(process, folder, limit, &stop::requested)
            }
        };
        let Some(mut measured) = measured else {
            say(format_args!("stopped in the part {}", part.name()));
            ended = Ended::Stopped;
            break;
        };
        measured.seconds = began.elapsed().as_secs_f64();
        let state = match measured.failure() {
            Some(reason) => format!("failed: {reason}"),
            None => "done".to_owned(),
        };
        say(format_args!(
            "{}: {state}, {:.1} s",
            part.name(),
            measured.seconds
        ));
        let is_wanted = options.parts.is_some() || !part.is_of_another_program();
        if is_wanted && measured.failure().is_some() {
            failed.push(part.name());
        }
        report.parts.insert(part.name().to_owned(), measured);
        if part == Part::Adapter && options.parts.is_some() {
            report.add_earlier(folder)?;
        }
        // After every part, so that what was measured stays if this process is killed.
        if report.has_found() {
            report.save(folder)?;
        }
    }
    match report.has_found() {
        true => say(format_args!("wrote {}", report.path(folder).display())),
        false => say("nothing was measured, and no report is written"),
    }
    if !failed.is_empty() && ended == Ended::Whole {
        say(format_args!("failed: {}", failed.join(", ")));
        ended = Ended::Failed;
    }
    Ok(ended)
}

/// The seconds that `part` may take of the `left` ones: its share, or more if the parts `later` keep theirs.
fn limit(part: Part, later: &[Part], left: u64) -> u64 {
    let reserved: u64 = later.iter().map(|part| part.seconds()).sum();
    let spare = left.saturating_sub(reserved);
    part.seconds().max(spare).min(left)
}

/// The last line of JSON that `process` prints within `limit`, or why there is none. None at all if `stop`
/// asked to stop before the process ended well.
fn output(
    mut process: Process,
    folder: &Path,
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Option<Measured> {
    // To files, so that no full pipe stops it.
    let [out, err] = ["part.out", "part.err"].map(|name| folder.join(name));
    let files = [&out, &err].map(std::fs::File::create);
    let [Ok(stdout), Ok(stderr)] = files else {
        let reason = format!("cannot write to {}", folder.display());
        return Some(Measured::failed(reason));
    };
    let spawned = process.stdout(stdout).stderr(stderr).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let program = process.get_program().display();
            return Some(Measured::failed(format!("{program}: {error}")));
        }
    };
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if start.elapsed() < limit && !stop() => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let [text, complaint] =
        [&out, &err].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    for path in [&out, &err] {
        let _ = std::fs::remove_file(path);
    }
    // A terminal's Ctrl-C ends the process as well.
    if stop() && !status.is_some_and(|status| status.success()) {
        return None;
    }
    let last = |text: &str| text.trim().lines().next_back().unwrap_or("").to_owned();
    let failure = match status {
        None => Some(format!("cut off after {} s", limit.as_secs())),
        Some(status) if status.success() => None,
        Some(status) => Some(format!("{status}: {}", last(&complaint))),
    };
    Some(
        match (serde_json::from_str::<Value>(&last(&text)), failure) {
            (Ok(found), unfinished) => Measured {
                found,
                seconds: 0.0,
                unfinished,
            },
            (Err(_), Some(reason)) => Measured::failed(reason),
            (Err(error), None) => Measured::failed(error.to_string()),
        },
    )
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::json;

    use super::*;

    fn shell(script: &str, milliseconds: u64, stop: bool) -> Option<Measured> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Process::new("sh");
        process.args(["-c", script]);
        let limit = Duration::from_millis(milliseconds);
        let measured = output(process, folder.path(), limit, &|| stop);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            0
        );
        measured
    }

    #[test]
    fn a_part_gets_its_share_and_what_earlier_ones_left() {
        let all: u64 = Part::ALL.iter().map(|part| part.seconds()).sum();
        assert!(all <= SECONDS, "{all} s");
        let share = Part::Steps.seconds();
        let later = [Part::Cnn, Part::Burn];
        let theirs = Part::Cnn.seconds() + Part::Burn.seconds();
        assert_eq!(limit(Part::Steps, &later, theirs + share), share);
        assert_eq!(limit(Part::Steps, &later, theirs + share + 7), share + 7);
        // Where the time is short, the earlier parts have theirs first.
        assert_eq!(limit(Part::Steps, &later, share + 1), share);
        assert_eq!(limit(Part::Steps, &later, share - 1), share - 1);
        assert_eq!(limit(Part::Burn, &[], SECONDS), SECONDS);
    }

    #[test]
    fn a_part_that_is_stopped_is_none_unless_it_had_ended_well() {
        let start = Instant::now();
        assert!(shell("exec sleep 60", 60_000, true).is_none());
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(shell("kill -INT $$", 60_000, true).is_none());
    }

    #[test]
    fn a_part_that_fails_or_hangs_keeps_its_rows_and_says_so() {
        let shell = |script: &str, milliseconds| {
            shell(script, milliseconds, false).expect("nobody stops it")
        };
        let whole = shell("echo '[1]'; echo '[1,2]'", 5000);
        assert_eq!(
            (whole.found.clone(), whole.failure()),
            (json!([1, 2]), None)
        );
        let hung = shell("echo '[1]'; exec sleep 60", 300);
        assert_eq!(hung.found, json!([1]));
        assert_eq!(hung.failure(), Some("cut off after 0 s"));
        let broken = shell("echo '[1]'; echo no card >&2; exit 3", 5000);
        assert_eq!(broken.found, json!([1]));
        assert!(
            broken
                .failure()
                .is_some_and(|reason| reason.ends_with("no card"))
        );
        let silent = shell("echo no card >&2; exit 3", 5000);
        assert!(
            silent
                .failure()
                .is_some_and(|reason| reason.ends_with("no card"))
        );
        assert!(silent.found.get("failed").is_some());
    }
}

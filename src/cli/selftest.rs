//! `bregman selftest`: checks that adapters compute correctly.

use std::io::{self, IsTerminal};

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{FREE, RESULT};
use super::say::{print, say, say_error};
use super::{Command, Ended};
use crate::device::adapter_name;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Selection};
use crate::selftest::checks::Row;
use crate::selftest::{self, Report};

/// Check that an adapter computes correctly: elementary functions, activations, every kernel,
/// gradients and ten training steps, against float64, each within a bound derived for it.
///
/// Without --adapter or WGPU_ADAPTER_NAME all adapters are tested; WGPU_BACKEND limits them. The exit code is 1
/// if any check fails. Nothing is kept of a self-test that is stopped.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Adapter to test, by any part of its name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), group = FREE)]
    adapter: Option<String>,
    /// Test every activation with every tile
    #[arg(long, group = RESULT)]
    full: bool,
    /// Print the reports as a JSON array on standard output, and nothing else there
    #[arg(long, group = FREE)]
    json: bool,
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let adapters = match adapter_name(self.adapter)? {
            None => pollster::block_on(Gpu::request_all()),
            // A name that no adapter has is an option that cannot work.
            Some(name) => vec![Ok(pollster::block_on(Gpu::request(&Selection {
                name: Some(name),
                allow_software: true,
            }))?)],
        };
        if adapters.is_empty() {
            return Err(Error::NoAdapter {
                software: true,
                known: "none".to_owned(),
            });
        }
        let mut reports = Vec::new();
        let mut all_ran = true;
        for gpu in adapters {
            // If one adapter fails altogether, the others are still tested.
            let report = gpu.and_then(|mut gpu| {
                say(format_args!("testing {}", gpu.summary()));
                test(&mut gpu, self.full)
            });
            match report {
                Ok(report) => {
                    if !self.json {
                        print(&table(&report))?;
                    }
                    reports.push(report);
                }
                Err(error) => {
                    say_error(&error);
                    all_ran = false;
                }
            }
        }
        if self.json {
            let json = serde_json::to_string_pretty(&reports);
            print(&(json.expect("numbers and strings serialize") + "\n"))?;
        }
        match all_ran && reports.iter().all(|report| report.passed) {
            true => Ok(Ended::Whole),
            false => Ok(Ended::Failed),
        }
    }
}

/// The self-test, with a spinner on a terminal.
fn test(gpu: &mut Gpu, full: bool) -> Result<Report> {
    let spinner = io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        let spinner = ProgressBar::new_spinner();
        spinner.set_style(style.expect("the template is well-formed"));
        spinner
    });
    let report = selftest::run(gpu, full, &mut |next| {
        if let Some(spinner) = &spinner {
            spinner.set_message(next.to_owned());
            spinner.tick();
        }
    });
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    report
}

/// The report for the user.
fn table(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: String| text += &(line + "\n");
    line(format!(
        "{:22} {:>8} {:>7} {:>11}  {:13}",
        "function", "points", "ULP", "of at most", "worst at"
    ));
    for row in &report.functions {
        let allowed = match row.allowance {
            0.0 => format!("{}", row.bound),
            _ => format!("{} + {}", row.bound, row.allowance),
        };
        line(format!(
            "{:22} {:8} {:7.3} {allowed:>11}  {:<13e} {}",
            row.name,
            row.points,
            row.worst,
            row.at,
            if row.passes() { "" } else { "WRONG" }
        ));
    }
    for (what, rows) in [
        ("activations", &report.activations),
        ("kernel", &report.kernels),
        ("training", &report.training),
    ] {
        line(String::new());
        line(format!(
            "{what:28} {:>9} {:>20}",
            "numbers", "error over its bound"
        ));
        rows.iter().for_each(|row| line(table_row(row)));
    }
    line(String::new());
    line(format!(
        "{} ({}, {}): {} in {:.1} s",
        report.adapter,
        report.backend,
        report.driver,
        if report.passed {
            "all right"
        } else {
            "NOT RIGHT; please report this with the table above, and use --device cpu until then"
        },
        report.seconds
    ));
    text
}

fn table_row(row: &Row) -> String {
    let Row {
        name,
        numbers,
        worst,
        failure,
        ..
    } = row;
    let failure = match failure {
        Some(failure) => format!("  WRONG: {failure}"),
        None => String::new(),
    };
    format!("{name:28} {numbers:9} {worst:20.3}{failure}")
}

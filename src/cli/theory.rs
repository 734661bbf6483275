//! Runs the paper's theory: a table of every proposition, checked, and its figures.

mod experiment;
mod figures;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bregman::atomic_file;
use bregman::bilevel::propositions::{self, Effort, Row};
use bregman::error::{Error, Result};
use clap::Parser;

/// Check every proposition of the paper's Sections 2 to 5 on samples, and draw its Figures 1 and 2
/// and the limit of a tied network.
///
/// The table goes to standard output, bilevel.json and the figures (PNG and SVG) to --out-dir. Ends
/// with 1 if a proposition that should hold fails, or one that should fail holds.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Folder for bilevel.json and the figures
    #[arg(long, value_name = "DIR", default_value = "runs/bilevel")]
    out_dir: PathBuf,
    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Random problems a claim
    #[arg(long, value_name = "N", default_value_t = Effort::FULL.problems, value_parser = clap::value_parser!(u32).range(1..))]
    problems: u32,
    /// Train Problem 2.2 at L = 1, 2, 4, …, 256 and at its limit instead, on the spirals and on 10,000
    /// samples of MNIST, three seeds each (minutes)
    #[arg(long)]
    depth: bool,
    /// With --depth, folder with MNIST's IDX files; else BREGMAN_DATA_DIR, else the user's cache
    #[arg(long, value_name = "DIR", requires = "depth")]
    data_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every verdict is the expected one.
fn run(options: &Options) -> Result<bool> {
    if options.depth {
        atomic_file::check_writable(&options.out_dir.join("depth.json"))?;
        let data_dir = options.data_dir.clone();
        let (tables, written) = experiment::run(&options.out_dir, data_dir, options.seed, &say)?;
        print(&tables)?;
        for path in written {
            say(&format!("wrote {}", path.display()));
        }
        return Ok(true);
    }
    let json = options.out_dir.join("bilevel.json");
    atomic_file::check_writable(&json)?;
    let rows = propositions::check(Effort {
        problems: options.problems,
        seed: options.seed,
        ..Effort::FULL
    });
    print(&table(&rows))?;
    let text = serde_json::to_string_pretty(&rows).expect("numbers and strings serialize");
    atomic_file::write(&json, (text + "\n").as_bytes())?;
    say(&format!("wrote {}", json.display()));
    for figure in figures::ALL {
        for path in figure(&options.out_dir)? {
            say(&format!("wrote {}", path.display()));
        }
    }
    let wrong = rows.iter().filter(|row| row.holds != row.expected).count();
    say(&match wrong {
        0 => format!("all {} verdicts are as expected", rows.len()),
        _ => format!("{wrong} of {} verdicts are NOT as expected", rows.len()),
    });
    Ok(wrong == 0)
}

/// The rows for people.
fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = format!(
        "{:width$} {:>7} {:>8} {:>8}  {:7} what was measured\n",
        "claim", "samples", "worst", "bound", "verdict"
    );
    for row in rows {
        let verdict = match (row.holds, row.expected) {
            (true, true) => "holds",
            (false, false) => "fails",
            (true, false) => "HOLDS",
            (false, true) => "FAILS",
        };
        text += &format!(
            "{:width$} {:7} {:8.1e} {:8.1e}  {verdict:7} {}\n",
            row.name, row.samples, row.worst, row.bound, row.sampled
        );
    }
    text += "\nholds, fails: as expected; HOLDS, FAILS: not so.\n";
    text
}

/// Writes a line to standard error. If that is closed there is nobody left to tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to standard output. A reader that has gone away is no error: it has what it wanted.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output")(e))
        }
        _ => Ok(()),
    }
}

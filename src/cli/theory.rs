//! `bregman theory`: checks the paper's propositions and draws its figures.

use std::path::PathBuf;

use clap::Parser;

use super::args::{FREE, REQUEST, RESULT};
use super::say::{plural, print, say};
use super::{Command, Ended};
use crate::bilevel::propositions::{self, Effort};
use crate::error::Result;
use crate::experiments::theory::Verdict;
use crate::experiments::{depth, theory};
use crate::files::{atomic, lock};

/// Check every proposition of the paper's Sections 2 to 5 on samples, and draw its Figures 1 and 2
/// and the limit of a tied network.
///
/// The table goes to standard output, bilevel.json and the figures (PNG and SVG) to --out-dir. The
/// exit code is 1 if a proposition that should hold fails, or one that should fail holds.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Folder for bilevel.json and the figures
    #[arg(long, value_name = "DIR", default_value = "runs/bilevel", group = FREE)]
    out_dir: PathBuf,
    /// Seed of the samples
    #[arg(long, default_value_t = 0, group = RESULT)]
    seed: u64,
    /// Number of random problems for each claim
    #[arg(
        long,
        value_name = "N",
        default_value_t = Effort::FULL.problems,
        value_parser = clap::value_parser!(u32).range(1..),
        group = RESULT
    )]
    problems: u32,
    /// Train Problem 2.2 at L = 1, 2, 4, …, 256 and at its limit instead, on the spirals and on
    /// 10,000 samples of MNIST, with three seeds each (minutes)
    #[arg(long, group = REQUEST)]
    depth: bool,
    /// With --depth, folder with MNIST's IDX files; else BREGMAN_DATA_DIR, else the user's cache
    #[arg(long, value_name = "DIR", requires = "depth", group = FREE)]
    data_dir: Option<PathBuf>,
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let _lock = lock::own_folder(&self.out_dir)?;
        match self.depth {
            true => self.depth(),
            false => self.propositions(),
        }
    }
}

impl Options {
    /// Problem 2.2 by its number of layers.
    fn depth(self) -> Result<Ended> {
        atomic::check_writable(&depth::results_file(&self.out_dir))?;
        let results = depth::run(self.data_dir, self.seed, &|event| say(event))?;
        let written = depth::write(&self.out_dir, &results)?;
        print(&results.iter().map(depth::table).collect::<String>())?;
        for path in written {
            say(format_args!("wrote {}", path.display()));
        }
        Ok(Ended::Whole)
    }

    /// The propositions and the figures.
    fn propositions(&self) -> Result<Ended> {
        let folder = &self.out_dir;
        atomic::check_writable(&theory::verdicts_file(folder))?;
        let rows = propositions::check(Effort {
            problems: self.problems,
            seed: self.seed,
            ..Effort::FULL
        });
        // A claim that should fail may hold on a few problems.
        let enough = self.problems >= Effort::FULL.problems;
        print(&theory::table(&rows, enough))?;
        let json = theory::write_verdicts(folder, &rows)?;
        say(format_args!("wrote {}", json.display()));
        for (name, figure) in theory::figures() {
            for path in figure.save(&folder.join(name))? {
                say(format_args!("wrote {}", path.display()));
            }
        }
        let count = |verdict| {
            let verdicts = rows.iter().map(|row| theory::verdict(row, enough));
            verdicts.filter(|&found| found == verdict).count()
        };
        let (all, open, wrong) = (rows.len(), count(Verdict::Open), count(Verdict::Unexpected));
        if open > 0 {
            say(format_args!(
                "{open} of {all} verdicts are open: {} showed no counterexample; --problems {} does",
                plural(self.problems as usize, "problem"),
                Effort::FULL.problems
            ));
        }
        if wrong > 0 {
            say(format_args!(
                "{wrong} of {all} verdicts are NOT as expected"
            ));
            return Ok(Ended::Failed);
        }
        match open {
            0 => say(format_args!("all {all} verdicts are as expected")),
            _ => say(format_args!("all others are as expected")),
        }
        Ok(Ended::Whole)
    }
}

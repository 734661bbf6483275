//! `bregman theory`: checks the paper's propositions and draws its figures.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::args::{FREE, REQUEST, RESULT};
use super::folders::first_vacant;
use super::say::{note, plural, print, say};
use super::{Command, Ended, same_command_line, stop};
use crate::bilevel::propositions::{self, Effort};
use crate::error::Result;
use crate::experiments::depth::{self, Experiment, Found, Watch};
use crate::experiments::theory::{self, Settings, Verdict};
use crate::files::atomic;
use crate::files::lock::{self, Lock};

/// Check every proposition of the paper's Sections 2 to 5 on samples, and draw its Figures 1 and 2
/// and the limit of a tied network.
///
/// The table goes to standard output, bilevel.json and the figures (PNG and SVG) to --out-dir. The
/// exit code is 1 if a proposition that should hold fails, or one that should fail holds. It takes
/// seconds, and nothing is kept of checks that are stopped. With --depth each network that has been
/// trained is kept in depth.partial.json, and the same command continues from there.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Folder for bilevel.json and the figures [default: runs/bilevel, or with a number behind it where
    /// that has results of other settings]
    #[arg(long, value_name = "DIR", group = FREE)]
    out_dir: Option<PathBuf>,
    /// Give up the results of other settings in --out-dir, which is refused otherwise; with --depth,
    /// train all networks again
    #[arg(long, group = REQUEST)]
    overwrite: bool,
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

/// The folder of the results where none is named.
const OUT_DIR: &str = "runs/bilevel";

impl Command for Options {
    fn run(self) -> Result<Ended> {
        match self.depth {
            true => self.depth(),
            false => self.propositions(),
        }
    }
}

impl Options {
    /// The folder of the results, locked for this process. No results of other settings would be lost there,
    /// by what `check` says of it, unless they are given up.
    fn claim(&self, check: impl Fn(&Path) -> Result<()>) -> Result<(PathBuf, Lock)> {
        let claim = |folder: &Path| {
            let lock = lock::own_folder(folder)?;
            if !self.overwrite {
                check(folder)?;
            }
            Ok(lock)
        };
        match &self.out_dir {
            Some(folder) => Ok((folder.clone(), claim(folder)?)),
            None => first_vacant(OUT_DIR, claim),
        }
    }

    /// Problem 2.2 by its number of layers.
    fn depth(self) -> Result<Ended> {
        let experiment = Experiment::new(self.data_dir.clone(), self.seed)?;
        let (folder, _lock) = self.claim(|folder| experiment.check_vacant(folder))?;
        atomic::check_writable(&depth::results_file(&folder))?;
        let earlier = match self.overwrite {
            true => Found::default(),
            false => Found::read(&folder)?,
        };
        if earlier.is_whole {
            note(&format!(
                "{} is of this experiment, which is done; `overwrite` trains its networks again",
                depth::results_file(&folder).display()
            ));
        }
        stop::listen();
        let watch = Watch {
            tell: &|event| say(event),
            stop: &stop::requested,
        };
        let Some(results) = experiment.run(&folder, earlier, watch)? else {
            // With it, the next command would train all networks again.
            let again = same_command_line().replace(" --overwrite", "");
            say(format_args!(
                "stopped; the networks that have been trained are in {}; go on with\n  {again}",
                depth::partial_file(&folder).display(),
            ));
            return Ok(Ended::Stopped);
        };
        let written = depth::write(&folder, &results)?;
        print(&results.iter().map(depth::table).collect::<String>())?;
        for path in written {
            say(format_args!("wrote {}", path.display()));
        }
        Ok(Ended::Whole)
    }

    /// The propositions and the figures.
    fn propositions(&self) -> Result<Ended> {
        let settings = Settings {
            seed: self.seed,
            problems: self.problems,
        };
        let (folder, _lock) = self.claim(|folder| theory::check_vacant(folder, settings))?;
        atomic::check_writable(&theory::verdicts_file(&folder))?;
        let rows = propositions::check(Effort {
            problems: self.problems,
            seed: self.seed,
            ..Effort::FULL
        });
        // A claim that should fail may hold on a few problems.
        let enough = self.problems >= Effort::FULL.problems;
        print(&theory::table(&rows, enough))?;
        let json = theory::write_verdicts(&folder, settings, &rows)?;
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

//! `bregman evaluate`: the test accuracy of a saved network.

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use super::{Command, Ended, train};
use crate::error::Result;

/// The options of training that have a meaning without training. The others are accepted, so that the
/// settings of a run can be read, but not shown.
const SHOWN: [&str; 22] = [
    "load",
    "dataset",
    "data_dir",
    "data",
    "test",
    "split_seed",
    "skip_broken",
    "limit_test",
    "device",
    "adapter",
    "threads",
    "unfused",
    "storage",
    "batch_size",
    "realizations",
    "equilibrium",
    "tolerance",
    "max_iterations",
    "top_k",
    "out_dir",
    "json",
    "config",
];

/// The options of training with `eval_only` set.
pub struct Options(train::Options);

impl CommandFactory for Options {
    fn command() -> clap::Command {
        let about = "Report the test accuracy of a saved network";
        let long = format!(
            "{about}.\n\nThe data set is the one that the network was trained on, unless another is \
             named. A network that was trained on data of your own is evaluated on those of --data: on their \
             test set if they have one, else on the samples that --test or training itself held out of them, \
             or else on all."
        );
        let load = "The network: a safetensors file that `bregman train --save` wrote; with R > 1, \
                    x-0.safetensors, x-1.safetensors, … for x.safetensors";
        train::Options::command()
            .about(about)
            .long_about(long)
            .mut_args(|arg| {
                let shown = SHOWN.contains(&arg.get_id().as_str());
                arg.hide(!shown)
            })
            .mut_arg("load", |arg| arg.required(true).help(load))
            .mut_arg("eval_only", |arg| {
                arg.conflicts_with(clap::builder::Resettable::Reset)
            })
            .mut_arg("realizations", |arg| {
                arg.help("Number of saved networks (realizations)")
            })
            .mut_arg("batch_size", |arg| {
                arg.help("Number of samples that are evaluated together")
            })
            .mut_arg("out_dir", |arg| {
                arg.help(
                    "Folder for evaluation.json and pictures; files of training are not changed",
                )
            })
    }

    fn command_for_update() -> clap::Command {
        Self::command()
    }
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        train::Options::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Command for Options {
    fn read(command: clap::Command, mut words: Vec<OsString>) -> Result<Self> {
        words.push("--eval-only".into());
        train::Options::read(command, words).map(Self)
    }

    fn threads(&self) -> Option<usize> {
        self.0.threads()
    }

    fn run(self) -> Result<Ended> {
        self.0.run()
    }
}

//! The command line: the commands, their options, messages and progress.
//!
//! [`COMMANDS`] lists the commands of `bregman`. To add one, write a module with an `Options` struct
//! (clap's derive) that implements [`Command`], and add a line to the list. Every option belongs to
//! one of the groups [`args::RESULT`], [`args::FREE`] and [`args::REQUEST`]; a test checks this for all options.

pub mod adapters;
mod allocator;
pub mod args;
pub mod bench;
pub mod evaluate;
pub mod export;
mod folders;
pub mod layered;
pub mod pictures;
pub mod predict;
pub mod progress;
pub mod say;
pub mod selftest;
pub mod spirals;
pub mod stop;
pub mod table2;
pub mod theory;
pub mod train;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::threads;
pub use allocator::Allocator;
use say::say_error;

/// The commands of `bregman`, in the order of its help.
pub static COMMANDS: &[Entry] = &[
    Entry::new::<train::Options>("train"),
    Entry::new::<evaluate::Options>("evaluate"),
    Entry::new::<predict::Options>("predict"),
    Entry::new::<export::Options>("export"),
    Entry::new::<adapters::Options>("adapters"),
    Entry::new::<selftest::Options>("selftest"),
    Entry::new::<bench::Options>("bench"),
    Entry::new::<spirals::Options>("spirals"),
    Entry::new::<table2::Options>("table2"),
    Entry::new::<theory::Options>("theory"),
];

/// A command: its options, and its action.
pub trait Command: clap::CommandFactory + clap::FromArgMatches {
    /// Reads the options from `words`, the first of which is the program's name. Ends the program,
    /// as clap does, on words that `command` does not take.
    ///
    /// # Errors
    /// For options that cannot work.
    fn read(command: clap::Command, words: Vec<OsString>) -> Result<Self> {
        let matches = command.try_get_matches_from(words);
        let options = matches.and_then(|matches| Self::from_arg_matches(&matches));
        Ok(options.unwrap_or_else(|error| answer(&error)))
    }

    /// The number of threads on the processor that the user asks for.
    fn threads(&self) -> Option<usize> {
        None
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Whatever it meets.
    fn run(self) -> Result<Ended>;
}

/// A [`Command`] under its name.
pub struct Entry {
    /// The name after `bregman`.
    pub name: &'static str,
    description: fn() -> clap::Command,
    run: fn(clap::Command, Vec<OsString>) -> Result<Ended>,
}

impl Entry {
    /// The command with the options `C`.
    pub const fn new<C: Command>(name: &'static str) -> Self {
        Self {
            name,
            description: C::command,
            run: |command, words| {
                let command = C::read(command, words)?;
                if let Some(note) = threads::start(command.threads())? {
                    say::say_warning(&note);
                }
                command.run()
            },
        }
    }

    /// clap's description of the command and its options.
    pub fn description(&self) -> clap::Command {
        let command = (self.description)().name(self.name);
        command
            .version(env!("CARGO_PKG_VERSION"))
            .groups(args::groups())
    }

    /// Runs the command as `program`, the words of the command line before the options.
    fn run(&self, program: Vec<OsString>, options: &[OsString]) -> ExitCode {
        quiet_mesa();
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
        // A process runs one command.
        let _ = RUNNING.set(Running {
            options: args::flags_of(&self.description()),
            program,
        });
        let name = self::program();
        let command = self.description().bin_name(&name).display_name(&name);
        let words = [&[OsString::from(name)], options].concat();
        stop::let_writes_fail();
        exit((self.run)(command, words))
    }
}

/// Where there is no desktop, Mesa's Vulkan layer that asks the desktop for its device writes "error:
/// XDG_RUNTIME_DIR is invalid or not set" at each search for adapters, which is no error of this program.
/// This switches the layer off there, unless a user has given it a device to choose.
fn quiet_mesa() {
    const SWITCH: &str = "NODEVICE_SELECT";
    let desktop = std::env::var_os("XDG_RUNTIME_DIR");
    let has_desktop = desktop.is_some_and(|folder| Path::new(&folder).is_absolute());
    let choices = [SWITCH, "MESA_VK_DEVICE_SELECT", "DRI_PRIME"];
    let has_choice = choices.iter().any(|name| std::env::var_os(name).is_some());
    // Only Linux tells.
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if !has_desktop && !has_choice && threads == 1 {
        // SAFETY: a change of the environment must not meet another thread that reads or changes it. There
        // is none, since this is the only thread of the process, and it starts none meanwhile.
        unsafe { std::env::set_var(SWITCH, "1") };
    }
}

/// The command that this process runs.
struct Running {
    /// The words of the command line before the options: `bregman train`.
    program: Vec<OsString>,
    /// The options by the names of their fields, with their flags.
    options: Vec<(String, String)>,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

fn file_name(path: &OsString) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A command line of the running command with other options, as a shell takes it.
pub fn command_line(options: impl IntoIterator<Item = OsString>) -> String {
    let words = match RUNNING.get() {
        Some(running) => running.program.clone(),
        None => std::env::args_os().take(1).collect(),
    };
    let words = words.into_iter().chain(options);
    let words: Vec<String> = words.map(|word| stop::quoted(&word)).collect();
    words.join(" ")
}

/// The command line of this process, as a shell takes it.
pub fn same_command_line() -> String {
    let words = std::env::args_os().map(|word| stop::quoted(&word));
    words.collect::<Vec<_>>().join(" ")
}

/// The options of the running command by the names of their fields, with their flags.
fn options() -> &'static [(String, String)] {
    RUNNING.get().map_or(&[], |running| &running.options)
}

/// The running command without the path of its program: `bregman train`.
pub fn program() -> String {
    let program = RUNNING.get().map_or(&[][..], |running| &running.program);
    let mut words = program.iter();
    let first = words.next().map(file_name);
    let rest = words.map(|word| word.to_string_lossy().into_owned());
    first.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
}

/// clap's description of `bregman` with all its commands.
pub fn description() -> clap::Command {
    clap::Command::new("bregman")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Train and use Bregman neural networks on a GPU or on the processor")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(Entry::description))
}

/// The program `bregman`: runs the command that its first argument names.
pub fn bregman() -> ExitCode {
    run(std::env::args_os().collect())
}

/// The program `bregman` with these words, the first of which is the program's name.
pub fn run(words: Vec<OsString>) -> ExitCode {
    let named = |word: &OsString| COMMANDS.iter().find(|entry| word == entry.name);
    match words.get(1).and_then(named) {
        Some(entry) => entry.run(words[..2].to_vec(), &words[2..]),
        // Help, the version, or an unknown command: clap answers, with its exit code.
        None => match description().try_get_matches_from(words) {
            Err(error) => answer(&error),
            Ok(_) => ExitCode::FAILURE,
        },
    }
}

/// The program `train_mnist`: the command `train` under a name of its own.
pub fn train_mnist() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let (program, options) = words.split_at(words.len().min(1));
    Entry::new::<train::Options>("train").run(program.to_vec(), options)
}

/// Prints clap's answer to words that are no command to run: help, the version, or an error. Ends the
/// program with clap's exit code, or with 1 if the answer cannot be written.
fn answer(error: &clap::Error) -> ! {
    let printed = error.print().and_then(|()| io::stdout().flush());
    let code = match say::written(printed) {
        Ok(()) => error.exit_code(),
        // Errors of writing to standard error cannot be reported.
        Err(_) if error.use_stderr() => error.exit_code(),
        Err(error) => {
            say_error(&error);
            1
        }
    };
    std::process::exit(code)
}

/// The end of a command without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did all that was asked.
    Whole,
    /// Ctrl-C or another signal stopped it.
    Stopped,
    /// It ran, and a check failed.
    Failed,
}

/// The rule of exit codes, the same for all commands.
pub const EXIT_CODES: &str = "Exit codes: 0 for success, 1 for an error or a failed check, 2 for options \
                              that cannot work wherever they are given, 130 for a stop by Ctrl-C or another \
                              signal.";

/// The exit code of a command by the rule of [`EXIT_CODES`]. Prints the error.
pub fn exit(result: Result<Ended>) -> ExitCode {
    match result {
        Ok(Ended::Whole) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Ok(Ended::Stopped) => ExitCode::from(stop::STOPPED),
        Err(error) => {
            say_error(&error);
            match error {
                // As clap's own exit code for usage errors.
                Error::InvalidValue { .. }
                | Error::LayerRanges { .. }
                | Error::UnknownName { .. }
                | Error::Settings { .. }
                | Error::Environment { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

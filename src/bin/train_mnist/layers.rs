//! Options from four places: the checkpoint of a run that goes on, a settings file, the environment
//! and the command line; of an option given in several the last counts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bregman::checkpoint::Run;
use bregman::error::{Error, Result};
use bregman::settings;
use clap::error::ErrorKind;
use clap::{ArgAction, ArgMatches, Command};

use crate::report::CHECKPOINT;
use bregman::cli::args::invalid;
use bregman::cli::say::say;

/// Options that a settings file cannot have: they say which files to read, or train nothing.
const NOT_SETTINGS: [&str; 6] = [
    "help",
    "version",
    "config",
    "resume",
    "list-adapters",
    "describe",
];

/// Options that leave the mathematics of a run as it is; with any other changed, it would be another
/// run.
const FREE: [&str; 10] = [
    "data-dir",
    "device",
    "adapter",
    "unfused",
    "epochs",
    "out-dir",
    "save",
    "json",
    "checkpoint-every",
    "eval-only",
];

/// What the four places come to.
pub struct Layers {
    /// The options, parsed.
    pub matches: ArgMatches,
    /// The names, with underscores, of those given anywhere but in the checkpoint.
    pub given: Vec<String>,
    /// All that a settings file can have, defaults included, as text.
    pub settings: BTreeMap<String, String>,
    /// The run that goes on, and its file.
    pub run: Option<(PathBuf, Run)>,
}

/// Reads them; ends the program, as clap does, on a command line that it does not understand.
///
/// # Errors
/// [`Error::Settings`], [`Error::UnknownName`] for a setting that is no option; those of
/// [`Run::load`]; [`Error::OtherRun`] for a run that cannot go on with these options.
pub fn read(command: &Command) -> Result<Layers> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let (program, words) = words.split_at(words.len().min(1));
    let parse = |layers: [&[OsString]; 3]| [program, layers[0], layers[1], layers[2]].concat();
    // What is wrong with them is told at the end, when all are together.
    let lenient = command.clone().ignore_errors(true);
    let glance = |words: Vec<OsString>| lenient.clone().try_get_matches_from(words).ok();
    let path =
        |matches: &Option<ArgMatches>, id: &str| matches.as_ref()?.get_one::<PathBuf>(id).cloned();

    let mut outer = Vec::new();
    if let Some(path) = path(&glance(parse([&[], &[], words])), "config") {
        outer = of_file(command, &path)?;
    }
    outer.extend(of_environment(command));
    let glanced = glance(parse([&[], &outer, words]));
    let run = match path(&glanced, "resume") {
        Some(resume) => load_run(&resume, path(&glanced, "out_dir"))?,
        None => None,
    };
    let given: Vec<String> = glanced
        .iter()
        .flat_map(|matches| {
            let ids = matches.ids().map(clap::Id::as_str);
            ids.filter(|id| {
                matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
            })
        })
        .map(str::to_owned)
        .collect();
    let inner = match &run {
        Some((path, run)) => of_run(command, path, run, &given)?,
        None => Vec::new(),
    };
    let matches = command
        .clone()
        .get_matches_from(parse([&inner, &outer, words]));
    let settings = settings_of(command, &matches);
    if let Some((path, run)) = &run {
        check_same(path, &run.options, &settings)?;
    }
    Ok(Layers {
        matches,
        given,
        settings,
        run,
    })
}

/// The names of the options that can be settings, and whether they are flags.
fn settable(command: &Command) -> impl Iterator<Item = (&str, &str, bool)> {
    command.get_arguments().filter_map(|arg| {
        let name = arg.get_long()?;
        let flag = matches!(arg.get_action(), ArgAction::SetTrue);
        (!NOT_SETTINGS.contains(&name)).then_some((arg.get_id().as_str(), name, flag))
    })
}

/// A setting as a word of the command line; none for a flag that is not set.
fn word(command: &Command, name: &str, value: &str) -> Result<Option<OsString>> {
    let Some((_, _, flag)) = settable(command).find(|(_, known, _)| *known == name) else {
        let known: Vec<&str> = settable(command).map(|(_, name, _)| name).collect();
        return Err(Error::UnknownName {
            kind: "setting",
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    Ok(match (flag, value) {
        (true, "true") => Some(format!("--{name}").into()),
        (true, "false") => None,
        _ => Some(format!("--{name}={value}").into()),
    })
}

fn of_file(command: &Command, path: &Path) -> Result<Vec<OsString>> {
    let fault = |reason| Error::Settings {
        path: path.to_owned(),
        reason,
    };
    let mut words = Vec::new();
    for (name, value) in settings::read(path)? {
        let Some(word) = word(command, &name, &value).map_err(|e| fault(e.to_string()))? else {
            continue;
        };
        // By itself, so that the message can name the file; what it needs beside it may come later.
        let alone = [OsString::new(), word.clone()];
        if let Err(e) = command.clone().try_get_matches_from(alone)
            && e.kind() != ErrorKind::MissingRequiredArgument
        {
            let message = e.to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            let line = message.lines().next().unwrap_or_default();
            return Err(fault(line.to_owned()));
        }
        words.push(word);
    }
    Ok(words)
}

/// `BREGMAN_HIDDEN_LAYERS` and the like. The data folder's variable is the library's.
fn of_environment(command: &Command) -> Vec<OsString> {
    let words = settable(command).filter_map(|(id, name, _)| {
        let variable = format!("BREGMAN_{}", id.to_uppercase());
        let value = std::env::var(variable).ok()?;
        let wanted = !value.is_empty() && name != "data-dir";
        wanted.then(|| word(command, name, &value).ok().flatten())?
    });
    words.collect()
}

/// The options of a run that goes on, but for those that were given anew.
fn of_run(command: &Command, path: &Path, run: &Run, given: &[String]) -> Result<Vec<OsString>> {
    let given = |name: &str| given.iter().any(|id| *id == name.replace('-', "_"));
    let mut words = Vec::new();
    for (name, value) in &run.options {
        // A run folder may have moved: it is where its checkpoint is.
        let value = match name.as_str() {
            "out-dir" => folder_of(path).display().to_string(),
            _ => value.clone(),
        };
        let replaced = match name.as_str() {
            "adapter" => given("device") || given("adapter"),
            "device" => given("device") || given("adapter"),
            name => given(name),
        };
        if !replaced {
            words.extend(word(command, name, &value)?);
        }
    }
    Ok(words)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn load_run(resume: &Path, out_dir: Option<PathBuf>) -> Result<Option<(PathBuf, Run)>> {
    if resume != Path::new("last") {
        return Ok(Some((resume.to_owned(), Run::load(resume)?)));
    }
    let Some(out_dir) = out_dir else {
        let reason = "it is the checkpoint in the folder of --out-dir, which was not given";
        return Err(invalid("--resume", "last", reason));
    };
    let path = out_dir.join(CHECKPOINT);
    match Run::load(&path) {
        Ok(run) => Ok(Some((path, run))),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            say(format_args!(
                "note: --resume: there is no {} yet; the run starts from the beginning",
                path.display()
            ));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Every option that can be a setting, with its value as text.
fn settings_of(command: &Command, matches: &ArgMatches) -> BTreeMap<String, String> {
    let setting = |(id, name, flag): (&str, &str, bool)| {
        // Its default means nothing without convolutions, and it may not be given without them.
        if name == "conv-activation" && !matches.get_flag("cnn") {
            return None;
        }
        let value = match flag {
            true => matches.get_flag(id).then(|| "true".to_owned())?,
            false => {
                let values = matches.get_raw(id)?.map(|value| value.to_str());
                values.collect::<Option<Vec<_>>>()?.join(",")
            }
        };
        Some((name.to_owned(), value))
    };
    settable(command).filter_map(setting).collect()
}

fn check_same(
    path: &Path,
    found: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> Result<()> {
    let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "not set".to_owned());
    let names = found.keys().chain(given.keys());
    for name in names.filter(|name| !FREE.contains(&name.as_str())) {
        let (found, given) = (found.get(name), given.get(name));
        let same = match (found, given) {
            (Some(found), Some(given)) => same(found, given),
            (found, given) => found == given,
        };
        if !same {
            return Err(Error::OtherRun {
                path: path.to_owned(),
                option: format!("--{name}"),
                found: text(found),
                given: text(given),
            });
        }
    }
    Ok(())
}

/// Whether two values mean the same: 0.1 is 0.10.
fn same(a: &str, b: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<f32>> {
        text.split(',')
            .map(|part| part.trim().parse().ok())
            .collect()
    };
    // Large integers are not to be rounded until they are equal.
    let integers = a.parse::<u64>().is_ok() && b.parse::<u64>().is_ok();
    a == b || (!integers && numbers(a).is_some() && numbers(a) == numbers(b))
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        assert!(same("0.1", "0.10") && same("0, 0.5", "0,.5") && same("tanh", "tanh"));
        assert!(!same("0.1", "0.2") && !same("tanh", "sin") && !same("0,1", "0"));
        assert!(!same("18446744073709551615", "18446744073709551614"));
    }
}

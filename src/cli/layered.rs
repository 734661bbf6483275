//! Options from four layers: the checkpoint of a resumed run, a settings file, the environment and the
//! command line. Of an option given in several, the last of these counts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, ArgMatches, Command};

use super::args::{FREE, REQUEST, invalid, members};
use super::program;
use super::say::note;
use crate::checkpoint::Run;
use crate::error::{Error, Result};
use crate::files::{atomic, settings};
use crate::train::keeper::CHECKPOINT;

/// The options of all layers together.
pub struct Layered {
    /// The options, parsed.
    pub matches: ArgMatches,
    /// The fields of the options given anywhere but in the checkpoint.
    pub given: Vec<String>,
    /// Every option that can be a setting, defaults included, as text.
    pub settings: BTreeMap<String, String>,
    /// The run to resume, and its file.
    pub run: Option<(PathBuf, Run)>,
}

/// Reads the options of all layers, those of the command line from `words`, which begin with the
/// program's name. Ends the program, as clap does, on words that `command` does not take.
///
/// # Errors
/// [`Error::Settings`], [`Error::UnknownName`] for a setting that is no option; those of
/// [`Run::load`]; [`Error::OtherRun`] for a run that cannot go on with these options.
pub fn read(command: &Command, words: &[OsString]) -> Result<Layered> {
    let (program, words) = words.split_at(words.len().min(1));
    let parse = |layers: [&[OsString]; 3]| [program, layers[0], layers[1], layers[2]].concat();
    // Mistakes are reported at the end, when all layers are known.
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
        check_same(command, path, &run.options, &settings)?;
    }
    Ok(Layered {
        matches,
        given,
        settings,
        run,
    })
}

/// An option that can be a setting.
struct Setting<'a> {
    field: &'a str,
    /// The name of the setting, which is the flag without its dashes.
    name: &'a str,
    /// Whether the option takes no value.
    switch: bool,
}

/// The options that can be settings.
fn settable(command: &Command) -> impl Iterator<Item = Setting<'_>> {
    let requests = members(command, REQUEST);
    command.get_arguments().filter_map(move |arg| {
        let (field, name) = (arg.get_id().as_str(), arg.get_long()?);
        let switch = matches!(arg.get_action(), ArgAction::SetTrue);
        let setting = Setting {
            field,
            name,
            switch,
        };
        (!requests.iter().any(|request| request == field)).then_some(setting)
    })
}

/// A setting as a word of the command line; none for a flag that is not set.
fn word(command: &Command, name: &str, value: &str) -> Result<Option<OsString>> {
    let Some(setting) = settable(command).find(|setting| setting.name == name) else {
        let known: Vec<&str> = settable(command).map(|setting| setting.name).collect();
        return Err(Error::UnknownName {
            kind: "setting",
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    Ok(match (setting.switch, value) {
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
        // Parsed alone, so that the message can name the file. Options that it needs may come later.
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

/// The options in variables such as `BREGMAN_HIDDEN_LAYERS`. The library itself reads that of the data
/// folder.
fn of_environment(command: &Command) -> Vec<OsString> {
    let words = settable(command).filter_map(|Setting { field, name, .. }| {
        let variable = format!("BREGMAN_{}", field.to_uppercase());
        let value = std::env::var(variable).ok()?;
        let wanted = !value.is_empty() && field != "data_dir";
        wanted.then(|| word(command, name, &value).ok().flatten())?
    });
    words.collect()
}

/// The options of a resumed run, except for those that were given anew.
fn of_run(command: &Command, path: &Path, run: &Run, given: &[String]) -> Result<Vec<OsString>> {
    let given = |name: &str| given.iter().any(|id| *id == name.replace('-', "_"));
    let mut words = Vec::new();
    for (name, value) in &run.options {
        // The folder of a run may have moved; its checkpoint is in it.
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
        let reason = "it is the checkpoint in the folder of `out_dir`, which was not given";
        return Err(invalid("resume", "last", reason));
    };
    let path = out_dir.join(CHECKPOINT);
    match Run::load(&path) {
        Ok(run) => Ok(Some((path, run))),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            note(&format!(
                "`resume`: there is no {} yet; the run starts from the beginning",
                path.display()
            ));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Every option that can be a setting, with its value as text.
fn settings_of(command: &Command, matches: &ArgMatches) -> BTreeMap<String, String> {
    let setting = |Setting {
                       field,
                       name,
                       switch,
                   }: Setting<'_>| {
        // Its default has no meaning without convolutions, and it may not be given without them.
        if field == "conv_activation" && !matches.get_flag("cnn") {
            return None;
        }
        let value = match switch {
            true => matches.get_flag(field).then(|| "true".to_owned())?,
            false => {
                let values = matches.get_raw(field)?.map(|value| value.to_str());
                values.collect::<Option<Vec<_>>>()?.join(",")
            }
        };
        Some((name.to_owned(), value))
    };
    settable(command).filter_map(setting).collect()
}

/// Whether every option that changes what is computed is that of the run in `path`.
fn check_same(
    command: &Command,
    path: &Path,
    found: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> Result<()> {
    let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "not set".to_owned());
    let free = members(command, FREE);
    let free = |name: &str| free.iter().any(|field| *field == name.replace('-', "_"));
    for name in found.keys().chain(given.keys()).filter(|name| !free(name)) {
        let (found, given) = (found.get(name), given.get(name));
        let same = match (found, given) {
            (Some(found), Some(given)) => same(found, given),
            (found, given) => found == given,
        };
        if !same {
            return Err(Error::OtherRun {
                path: path.to_owned(),
                field: name.replace('-', "_"),
                found: text(found),
                given: text(given),
            });
        }
    }
    Ok(())
}

/// The name of the settings file in the folder of a run's results.
const SETTINGS: &str = "settings.toml";

/// Writes `settings` to the folder of a run's results: a file that gives the same run again.
///
/// # Errors
/// [`Error::Io`].
pub fn write_settings(folder: &Path, settings: &BTreeMap<String, String>) -> Result<()> {
    let lines = settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let text = format!("# {} --config {SETTINGS}\n", program()) + &settings::write(lines);
    atomic::write(&folder.join(SETTINGS), text.as_bytes()).map(drop)
}

/// Whether two values mean the same: 0.1 is 0.10.
fn same(a: &str, b: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<f32>> {
        text.split(',')
            .map(|part| part.trim().parse().ok())
            .collect()
    };
    // As f32, large integers that differ could be equal.
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

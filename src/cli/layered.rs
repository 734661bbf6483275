//! Options from four layers: the checkpoint of a resumed run, a settings file, the environment and the
//! command line. If an option is set in several layers, the last of them counts.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

use super::args::{FREE, REQUEST, invalid, members};
use super::say::{note, say_warning};
use super::{answer, program};
use crate::checkpoint::Run;
use crate::data::prepare::HeldOut;
use crate::error::{Error, Result};
use crate::files::atomic::{self, folder_of};
use crate::files::{path_text, settings};
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
/// [`Error::Settings`] for a settings file and [`Error::Environment`] for a variable with values that
/// no option takes; those of [`Run::load`]; [`Error::OtherRun`] for a run that cannot continue with these
/// options.
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
    outer.extend(of_environment(command)?);
    let glanced = glance(parse([&[], &outer, words]));
    let run = match path(&glanced, "resume") {
        Some(resume) => {
            // Options that exclude each other, before those of the run are added.
            let given = command
                .clone()
                .try_get_matches_from(parse([&[], &outer, words]));
            if let Err(error) = given
                && error.kind() == ErrorKind::ArgumentConflict
            {
                answer(&error);
            }
            load_run(&resume, path(&glanced, "out_dir"))?
        }
        None => None,
    };
    let given: Vec<String> = glanced
        .iter()
        .flat_map(|matches| {
            let ids = matches.ids().map(clap::Id::as_str);
            ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine))
        })
        .map(str::to_owned)
        .collect();
    let inner = match &run {
        Some((path, run)) => of_run(command, path, run, &given)?,
        None => Vec::new(),
    };
    let words = parse([&inner, &outer, words]);
    let parsed = command.clone().try_get_matches_from(words);
    let matches = parsed.unwrap_or_else(|error| answer(&error));
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
#[derive(Clone, Copy)]
struct Setting<'a> {
    field: &'a str,
    /// The name of the setting, which is the flag without its dashes.
    name: &'a str,
    /// Whether the option takes no value.
    switch: bool,
    /// Whether the value is a path.
    path: bool,
    /// Whether it may be one, or a number.
    held_out: bool,
}

/// The options that can be settings.
fn settable(command: &Command) -> impl Iterator<Item = Setting<'_>> {
    let requests = members(command, REQUEST);
    command.get_arguments().filter_map(move |arg| {
        let (field, name) = (arg.get_id().as_str(), arg.get_long()?);
        let setting = Setting {
            field,
            name,
            switch: matches!(arg.get_action(), ArgAction::SetTrue),
            path: arg.get_value_parser().type_id() == TypeId::of::<PathBuf>(),
            held_out: arg.get_value_parser().type_id() == TypeId::of::<HeldOut>(),
        };
        (!requests.iter().any(|request| request == field)).then_some(setting)
    })
}

impl Setting<'_> {
    /// The setting as a word of the command line; none for a switch that is off.
    fn word(self, value: &OsStr) -> Option<OsString> {
        let mut word = OsString::from(format!("--{}", self.name));
        match (self.switch, value.to_str()) {
            (true, Some("true" | "1")) => Some(word),
            (true, Some("false" | "0")) => None,
            _ => {
                word.push("=");
                word.push(value);
                Some(word)
            }
        }
    }
}

/// A setting from a file, which holds text, as a word of the command line.
fn word(command: &Command, name: &str, text: &str) -> Result<Option<OsString>> {
    let Some(setting) = settable(command).find(|setting| setting.name == name) else {
        let known: Vec<&str> = settable(command).map(|setting| setting.name).collect();
        return Err(Error::UnknownName {
            kind: "setting",
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    Ok(match setting.path {
        true => setting.word(path_text::from_text(text).as_os_str()),
        false => setting.word(text.as_ref()),
    })
}

/// Parses a word alone, so that the message can name where it comes from. Options that it needs may
/// come later.
fn check(command: &Command, word: &OsString) -> Result<(), String> {
    let alone = [OsString::new(), word.clone()];
    match command.clone().try_get_matches_from(alone) {
        Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
            let message = error.to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            Err(message.lines().next().unwrap_or_default().to_owned())
        }
        _ => Ok(()),
    }
}

fn of_file(command: &Command, path: &Path) -> Result<Vec<OsString>> {
    let fault = |reason| Error::Settings {
        path: path.to_owned(),
        reason,
    };
    let mut words = Vec::new();
    for (name, value) in settings::read(path)? {
        if let Some(word) = word(command, &name, &value).map_err(|e| fault(e.to_string()))? {
            check(command, &word).map_err(fault)?;
            words.push(word);
        }
    }
    Ok(words)
}

/// The options in variables such as `BREGMAN_HIDDEN_LAYERS`. The library itself reads that of the data
/// folder.
fn of_environment(command: &Command) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    let variable = |field: &str| format!("BREGMAN_{}", field.to_uppercase());
    let known: Vec<String> = settable(command)
        .map(|setting| variable(setting.field))
        .collect();
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        if name.starts_with("BREGMAN_") && !known.contains(&name) {
            say_warning(&format!(
                "no option is set by the environment variable {name}"
            ));
        }
    }
    for setting in settable(command).filter(|setting| setting.field != "data_dir") {
        let variable = variable(setting.field);
        let value = std::env::var_os(&variable).filter(|value| !value.is_empty());
        if let Some(word) = value.and_then(|value| setting.word(&value)) {
            check(command, &word).map_err(|reason| Error::Environment { variable, reason })?;
            words.push(word);
        }
    }
    Ok(words)
}

/// The options of a resumed run, except those that were passed again.
fn of_run(command: &Command, path: &Path, run: &Run, given: &[String]) -> Result<Vec<OsString>> {
    let given = |name: &str| given.iter().any(|id| *id == name.replace('-', "_"));
    let mut words = Vec::new();
    for (name, value) in &run.options {
        let replaced = match name.as_str() {
            "adapter" | "device" => given("device") || given("adapter"),
            name => given(name),
        };
        if replaced {
            continue;
        }
        // The folder of a run may have moved; its checkpoint is in it.
        let moved = (name == "out-dir").then(|| path_text::to_text(results_of(path, run)));
        words.extend(word(command, name, moved.as_ref().unwrap_or(value))?);
    }
    Ok(words)
}

/// The beginning of the names of the folders that hold the checkpoints of launches of a grid; the
/// number follows, from 1.
pub const LAUNCH: &str = "launch-";

/// The options that take lists.
const LISTS: [&str; 5] = ["layer", "lr", "momentum", "weight-decay", "seed"];

/// Whether these are the options of a grid: one of them has several values.
fn has_lists(options: &BTreeMap<String, String>) -> bool {
    // A list has commas, a range has colons.
    let mut values = LISTS.iter().filter_map(|name| options.get(*name));
    values.any(|value| value.contains([',', ':']))
}

/// The number of the launch of a grid that has `folder`.
fn launch_of(folder: &Path) -> Option<usize> {
    let name = folder.file_name().and_then(OsStr::to_str)?;
    let number = name.strip_prefix(LAUNCH)?;
    // 1, not 01 or +1.
    let parsed: usize = number.parse().ok()?;
    (parsed.to_string() == number).then_some(parsed)
}

/// The folder of the results of `run`, whose checkpoint is `path`.
pub fn results_of<'a>(path: &'a Path, run: &Run) -> &'a Path {
    let folder = folder_of(path);
    match has_lists(&run.options) && launch_of(folder).is_some() {
        true => folder_of(folder),
        false => folder,
    }
}

/// The checkpoints of launches in the folder of the results of a grid, with their numbers, in their order.
///
/// # Errors
/// [`Error::Io`].
pub fn launches(results: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let entries = match fs::read_dir(results) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", results))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry.map_err(Error::io("read", results))?.path();
        let path = folder.join(CHECKPOINT);
        if let Some(number) = launch_of(&folder)
            && path.exists()
        {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the checkpoint in `path`, in a folder with the name of one of a launch, is that of a launch. A
/// run without lists may have such a folder as well. A file that cannot be read counts as one of a launch.
///
/// # Errors
/// [`Error::Io`].
pub fn is_launch(path: &Path) -> Result<bool> {
    match Run::load(path) {
        Ok(run) => Ok(has_lists(&run.options)),
        Err(Error::Checkpoint { .. }) => Ok(true),
        Err(error) => Err(error),
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
    let mut path = out_dir.join(CHECKPOINT);
    for (_, launch) in launches(&out_dir)? {
        if is_launch(&launch)? {
            path = launch;
            break;
        }
    }
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

/// Every option that can be a setting, with its value as text. Paths are absolute, so that they mean
/// the same from any folder.
fn settings_of(command: &Command, matches: &ArgMatches) -> BTreeMap<String, String> {
    let by_default = |field: &str| matches.value_source(field) == Some(ValueSource::DefaultValue);
    let given = command.get_arguments().filter(|arg| {
        let field = arg.get_id().as_str();
        matches.value_source(field).is_some() && !by_default(field)
    });
    let excluded: Vec<&str> = given
        .flat_map(|arg| command.get_arg_conflicts_with(arg))
        .map(|arg| arg.get_id().as_str())
        .collect();
    let setting = |setting: Setting<'_>| {
        let field = setting.field;
        // A default has no meaning beside an option that excludes it, and may not be given there; so
        // has that of the convolutions without them.
        let without = field == "conv_activation" && !matches.get_flag("cnn");
        if without || (excluded.contains(&field) && by_default(field)) {
            return None;
        }
        let value = match setting {
            Setting { switch: true, .. } => matches.get_flag(field).then(|| "true".to_owned())?,
            Setting { path: true, .. } => {
                path_text::to_text(&absolute(matches.get_one::<PathBuf>(field)?))
            }
            Setting { held_out: true, .. } => match matches.get_one::<HeldOut>(field)? {
                HeldOut::Path(path) => path_text::to_text(&absolute(path)),
                HeldOut::Samples(samples) => samples.to_string(),
                HeldOut::Share(share) => share.to_string(),
            },
            _ => {
                let values = matches.get_raw(field)?.map(OsStr::to_str);
                values.collect::<Option<Vec<_>>>()?.join(",")
            }
        };
        Some((setting.name.to_owned(), value))
    };
    settable(command).filter_map(setting).collect()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// An option with two values.
pub struct Difference {
    /// The field of the option.
    pub field: String,
    /// The one value, as text.
    pub found: String,
    /// The other.
    pub given: String,
}

/// The first option that changes the result and has different values in `found` and `given`.
pub fn difference(
    command: &Command,
    found: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> Option<Difference> {
    let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "not set".to_owned());
    let defaults: BTreeMap<&str, String> = command
        .get_arguments()
        .filter_map(|arg| {
            let [value] = arg.get_default_values() else {
                return None;
            };
            Some((arg.get_long()?, value.to_str()?.to_owned()))
        })
        .collect();
    let results: Vec<Setting<'_>> = {
        let free = members(command, FREE);
        let result = |setting: &Setting<'_>| !free.iter().any(|field| field == setting.field);
        settable(command).filter(result).collect()
    };
    results.into_iter().find_map(
        |Setting {
             field, name, path, ..
         }| {
            // A file of an earlier version does not have every current option.
            let default = defaults.get(name);
            let values = (found.get(name).or(default), given.get(name).or(default));
            let same = match values {
                (Some(found), Some(given)) if path => {
                    let [found, given] = [found, given].map(|text| path_text::from_text(text));
                    atomic::same_file(&found, &given)
                }
                (Some(found), Some(given)) => same(found, given),
                (found, given) => found == given,
            };
            (!same).then(|| Difference {
                field: field.to_owned(),
                found: text(values.0),
                given: text(values.1),
            })
        },
    )
}

/// Whether every option that changes the result has the value of the run in `path`.
fn check_same(
    command: &Command,
    path: &Path,
    found: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> Result<()> {
    match difference(command, found, given) {
        None => Ok(()),
        Some(Difference {
            field,
            found,
            given,
        }) => Err(Error::OtherRun {
            path: path.to_owned(),
            field,
            found,
            given,
        }),
    }
}

/// The name of the settings file in the folder of a run's results.
pub const SETTINGS: &str = "settings.toml";

/// Writes `settings` to the folder of a run's results: a file that gives the same run again.
///
/// # Errors
/// [`Error::Io`].
pub fn write_settings(folder: &Path, settings: &BTreeMap<String, String>) -> Result<()> {
    let lines = settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let text = format!("# {} --config {SETTINGS}\n", program()) + &settings::write(lines);
    atomic::write(&folder.join(SETTINGS), text.as_bytes()).map(drop)
}

/// The settings in the folder of a run's results.
///
/// # Errors
/// Those of [`settings::read`].
pub fn read_settings(folder: &Path) -> Result<BTreeMap<String, String>> {
    Ok(settings::read(&folder.join(SETTINGS))?
        .into_iter()
        .collect())
}

/// Whether two values mean the same: 0.1 is 0.10.
fn same(a: &str, b: &str) -> bool {
    let same_number = |(a, b): (&str, &str)| {
        let (a, b) = (a.trim(), b.trim());
        match (a.parse::<u64>(), b.parse::<u64>()) {
            // As f64, large integers that differ could be equal.
            (Ok(a), Ok(b)) => a == b,
            _ => a.parse::<f64>().is_ok_and(|a| b.parse() == Ok(a)),
        }
    };
    let [parts, others] = [a, b].map(|text| text.split(','));
    let equally_many = parts.clone().count() == others.clone().count();
    a == b || (equally_many && parts.zip(others).all(same_number))
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        assert!(same("0.1", "0.10") && same("0, 0.5", "0,.5") && same("tanh", "tanh"));
        assert!(!same("0.1", "0.2") && !same("tanh", "sin") && !same("0,1", "0"));
        assert!(!same("18446744073709551615", "18446744073709551614"));
        assert!(!same("1,18446744073709551615", "1,18446744073709551614"));
        assert!(same("1, 18446744073709551615", "1,18446744073709551615"));
    }
}

//! The groups of options, parsers of their values, and errors with the names of flags.

use std::str::FromStr;

use clap::ArgGroup;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::activation::Activation;
use crate::data::Augmentation;
use crate::data::prepare::HeldOut;
use crate::device::DeviceKind;
use crate::error::{CheckpointFault, Error, FIELDS};
use crate::files::path_text;
use crate::kind::{Form, Init, LayerKind, Loss, Storage};
use crate::nn::{Layer, LayerSpec, Model, cnn};
use crate::optim::{OptimizerKind, Shape};
use crate::train::Keep;
use crate::train::grid::{Number, Values};

/// The group of the options that change the result: a resumed run keeps them.
pub const RESULT: &str = "result";
/// The group of the options that may change when a run is resumed: they change nothing, or only rounding, or the
/// length of training.
pub const FREE: &str = "free";
/// The group of the options that name files with options, or request a different action: they are not settings.
pub const REQUEST: &str = "request";

/// The three groups, for [`clap::Command::groups`]: each option names one of them.
pub fn groups() -> [ArgGroup; 3] {
    [RESULT, FREE, REQUEST].map(|name| ArgGroup::new(name).multiple(true))
}

/// The fields of the options in `group`.
pub fn members(command: &clap::Command, group: &str) -> Vec<String> {
    let mut command = command.clone();
    command.build();
    let groups = command.get_groups().filter(|found| found.get_id() == group);
    groups
        .flat_map(ArgGroup::get_args)
        .map(clap::Id::to_string)
        .collect()
}

/// The options of `command` with their flags, by the names of their fields.
pub fn flags_of(command: &clap::Command) -> Vec<(String, String)> {
    let options = command.get_arguments().filter_map(|arg| {
        let flag = format!("--{}", arg.get_long()?);
        Some((arg.get_id().to_string(), flag))
    });
    options.collect()
}

/// The options that set a field of the library and have a different name.
const OTHER_NAMES: [(&str, &str); 3] = [
    ("learning_rate", "lr"),
    ("hidden_layers", "layers"),
    ("realizations", "runs"),
];

/// An error in the form of this command line: with flags where the library names fields.
pub fn message(error: &Error) -> String {
    let text = error.to_string();
    match error {
        // In these, backticks enclose text that was typed or read from a file.
        Error::UnknownName { .. } | Error::Settings { .. } | Error::Environment { .. } => text,
        Error::Checkpoint { fault, .. } if !names_options(fault) => text,
        _ => flags(&text),
    }
}

/// Whether the message of `fault` has options in backticks. In those of all others, backticks enclose what
/// was read from the file, which may have the name of an option.
fn names_options(fault: &CheckpointFault) -> bool {
    matches!(
        fault,
        CheckpointFault::NotARun
            | CheckpointFault::Run
            | CheckpointFault::Equilibrium
            | CheckpointFault::NotEquilibrium { .. }
            | CheckpointFault::OtherValue { .. }
    )
}

/// `text` with the flags of the running command where it has fields in backticks.
pub fn flags(text: &str) -> String {
    translate(text, super::options())
}

/// `text` with the flags of `options` where it has fields in backticks. A field for which there is no
/// option becomes its words.
fn translate(text: &str, options: &[(String, String)]) -> String {
    let flag = |field: &str| {
        let mut found = options.iter().filter(|(id, _)| id == field);
        found.next().map(|(_, flag)| flag.clone())
    };
    let other = |field: &str| {
        let names = OTHER_NAMES.iter().filter(|(known, _)| *known == field);
        names.filter_map(|(_, name)| flag(name)).next()
    };
    let parts = text.split('`').enumerate();
    let translated = parts.map(|(index, part)| match index % 2 {
        0 => part.to_owned(),
        _ => match flag(part).or_else(|| other(part)) {
            Some(flag) => flag,
            None if FIELDS.contains(&part) => part.replace('_', " "),
            None => format!("`{part}`"),
        },
    });
    translated.collect()
}

/// An [`Error::InvalidValue`] of the option `field`.
pub fn invalid(field: &'static str, value: impl ToString, reason: impl Into<String>) -> Error {
    Error::InvalidValue {
        field,
        value: value.to_string(),
        reason: reason.into(),
    }
}

/// Parses [`DeviceKind`] by its name.
pub fn device_parser() -> impl TypedValueParser<Value = DeviceKind> {
    let value = |kind: &DeviceKind| {
        PossibleValue::new(kind.name()).help(match kind {
            DeviceKind::Auto => "A hardware adapter if there is one, else the processor",
            DeviceKind::Cpu => "The processor",
            DeviceKind::Gpu => "An adapter; a software adapter if there is no hardware",
        })
    };
    PossibleValuesParser::new(DeviceKind::ALL.iter().map(value))
        .try_map(|name| DeviceKind::by_name(&name))
}

/// Parses [`LayerKind`] by its name.
pub fn layer_parser() -> impl TypedValueParser<Value = LayerKind> {
    let names = LayerKind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).try_map(|name| LayerKind::by_name(&name))
}

/// Parses a list of [`LayerKind`]s.
///
/// # Errors
/// A message for clap.
pub fn parse_layers(text: &str) -> Result<Values<LayerKind>, String> {
    Values::parse_layers(text).map_err(reason)
}

/// Parses a list or a range of numbers.
///
/// # Errors
/// A message for clap.
pub fn parse_numbers<T: Number>(text: &str) -> Result<Values<T>, String> {
    // The message is clap's, with the flag.
    Values::parse("", text).map_err(reason)
}

/// The fault of a value, for a message that names the value itself.
fn reason(error: Error) -> String {
    match error {
        Error::InvalidValue { reason, .. } => reason,
        error => error.to_string(),
    }
}

/// Parses a number of samples, a share of them, or the path of a file or folder that has them.
///
/// # Errors
/// None: any text that is not a number is a path.
pub fn parse_held_out(text: &str) -> Result<HeldOut, String> {
    let samples = text.parse().map(HeldOut::Samples);
    let held_out = samples.or_else(|_| text.parse().map(HeldOut::Share));
    Ok(held_out.unwrap_or_else(|_| HeldOut::Path(path_text::from_text(text))))
}

/// Parses [`Keep`] by its name.
pub fn keep_parser() -> impl TypedValueParser<Value = Keep> {
    let names = Keep::ALL.iter().map(|keep| keep.name());
    PossibleValuesParser::new(names).try_map(|name| Keep::by_name(&name))
}

/// Parses [`Form`] by its name.
pub fn form_parser() -> impl TypedValueParser<Value = Form> {
    let names = Form::ALL.iter().map(|form| form.name());
    PossibleValuesParser::new(names).try_map(|name| Form::by_name(&name))
}

/// Parses an activation of Table 1 by its name.
pub fn activation_parser() -> impl TypedValueParser<Value = &'static Activation> {
    let names = Activation::ALL.iter().map(|activation| activation.name);
    PossibleValuesParser::new(names).try_map(|name| Activation::by_name(&name))
}

/// Parses an activation of the convolutions by its name.
pub fn conv_activation_parser() -> impl TypedValueParser<Value = &'static Activation> {
    let names = Activation::ALL.iter().map(|activation| activation.name);
    PossibleValuesParser::new(names.chain([Activation::RELU.name]))
        .try_map(|name| cnn::activation_by_name(&name))
}

/// Parses one of `losses` by its name.
pub fn loss_parser(losses: &'static [Loss]) -> impl TypedValueParser<Value = Loss> {
    let names = losses.iter().map(|loss| loss.name());
    PossibleValuesParser::new(names).try_map(|name| Loss::by_name(&name))
}

/// Parses [`Init`] by its name.
pub fn init_parser() -> impl TypedValueParser<Value = Init> {
    let names = Init::ALL.iter().map(|init| init.name());
    PossibleValuesParser::new(names).try_map(|name| Init::by_name(&name))
}

/// Parses [`Storage`] by its name.
pub fn storage_parser() -> impl TypedValueParser<Value = Storage> {
    let names = Storage::ALL.iter().map(|storage| storage.name());
    PossibleValuesParser::new(names).try_map(|name| Storage::by_name(&name))
}

/// Parses [`OptimizerKind`] by its name.
pub fn optimizer_parser() -> impl TypedValueParser<Value = OptimizerKind> {
    let names = OptimizerKind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).try_map(|name| OptimizerKind::by_name(&name))
}

/// Parses changes of training images, such as `flip,shift:4`.
///
/// # Errors
/// A message for clap that says what is wrong.
pub fn parse_augmentation(text: &str) -> Result<Augmentation, String> {
    text.parse().map_err(|error: Error| match error {
        Error::InvalidValue { value, reason, .. } => format!("{value}: {reason}"),
        other => other.to_string(),
    })
}

/// Parses a schedule of the learning rate, such as `step:10:0.5`.
///
/// # Errors
/// A message for clap that names the schedules.
pub fn parse_schedule(text: &str) -> Result<Shape, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |text: &str| text.parse::<f64>().ok();
    let found = match parts[..] {
        ["constant"] => Some(Shape::Constant),
        ["step", epochs, factor] => epochs
            .parse()
            .ok()
            .zip(number(factor))
            .map(|(epochs, factor)| Shape::Step { epochs, factor }),
        ["multi-step", milestones, factor] => {
            let milestones = milestones.split(',').map(|epoch| epoch.parse().ok());
            let milestones: Option<Vec<u32>> = milestones.collect();
            milestones
                .zip(number(factor))
                .map(|(milestones, factor)| Shape::MultiStep { milestones, factor })
        }
        ["exponential", factor] => number(factor).map(|factor| Shape::Exponential { factor }),
        ["linear", last] => number(last).map(|last| Shape::Linear { last }),
        ["cosine"] => Some(Shape::Cosine { last: 0.0 }),
        ["cosine", last] => number(last).map(|last| Shape::Cosine { last }),
        _ => None,
    };
    found.ok_or_else(|| {
        "schedules are constant, step:EPOCHS:FACTOR, multi-step:E1,E2,…:FACTOR, exponential:FACTOR, \
         linear:FINAL and cosine[:FINAL]"
            .to_owned()
    })
}

/// Hidden layers, first to last, as `--network` describes them.
#[derive(Clone, Debug)]
pub struct LayerList(Vec<LayerWords>);

/// A hidden layer; omitted parts are None.
#[derive(Clone, Debug)]
struct LayerWords {
    kind: LayerKind,
    width: usize,
    activation: Option<&'static Activation>,
    form: Option<Form>,
    dual_passage: bool,
}

impl LayerList {
    /// The layers, with this activation and this form for layers that name none.
    pub fn specs(&self, activation: &'static Activation, form: Form) -> Vec<LayerSpec> {
        let spec = |words: &LayerWords| LayerSpec {
            width: words.width,
            kind: words.kind,
            form: words.form.unwrap_or(form),
            activation: words.activation.unwrap_or(activation),
            dual_passage: words.dual_passage,
        };
        self.0.iter().map(spec).collect()
    }
}

/// The text of `--network` that describes the layers of `model`, with nothing left out.
pub fn network_text(model: &Model) -> String {
    let layer = |layer: &Layer| {
        let pass = if layer.dual_passage { ":pass" } else { "" };
        format!(
            "{}:{}:{}:{}{pass}",
            layer.kind.name(),
            layer.shape.outputs,
            layer.activation.name,
            layer.form.name()
        )
    };
    let layers: Vec<String> = model.layers.iter().map(layer).collect();
    layers.join(",")
}

/// Parses hidden layers, such as `standard:784,bregman:256:tanh:dual`.
///
/// # Errors
/// A message for clap that describes a layer.
pub fn parse_network(text: &str) -> std::result::Result<LayerList, String> {
    let layers = text.split(',').map(|text| {
        let parts: Vec<&str> = text.trim().split(':').collect();
        let (parts, dual_passage) = match &parts[..] {
            [parts @ .., "pass"] => (parts, true),
            parts => (parts, false),
        };
        let (kind, width, rest) = match parts {
            [kind, width, rest @ ..] if rest.len() <= 2 => (kind, width, rest),
            _ => {
                return Err(format!(
                    "`{text}` is not KIND:WIDTH[:ACTIVATION[:FORM]][:pass]"
                ));
            }
        };
        let width = width.parse().ok().filter(|width| *width > 0);
        let message = |error: Error| error.to_string();
        Ok(LayerWords {
            kind: LayerKind::by_name(kind).map_err(message)?,
            width: width.ok_or_else(|| format!("the width in `{text}` must be at least 1"))?,
            activation: rest
                .first()
                .map(|name| Activation::by_name(name))
                .transpose()
                .map_err(message)?,
            form: rest
                .get(1)
                .map(|name| Form::by_name(name))
                .transpose()
                .map_err(message)?,
            dual_passage,
        })
    });
    layers.collect::<std::result::Result<_, _>>().map(LayerList)
}

/// Parses two numbers with a comma between them, as in `0.05,0.95`.
///
/// # Errors
/// A message for clap if the text is not that.
pub fn parse_range<T: FromStr>(text: &str) -> Result<[T; 2], String> {
    let numbers = text
        .split_once(',')
        .and_then(|(low, high)| Some([low.trim().parse().ok()?, high.trim().parse().ok()?]));
    numbers.ok_or_else(|| {
        "two numbers with a comma between them are needed, as in 0.05,0.95".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::COMMANDS;

    /// In the messages of every command each field becomes a flag of the command, or words.
    #[test]
    fn every_field_has_a_name_in_every_command() {
        for entry in COMMANDS {
            let options = flags_of(&entry.description());
            let name = |field: &&str| translate(&format!("`{field}`"), &options);
            for field in FIELDS {
                let name = name(field);
                assert!(!name.contains(['`', '_']), "{}: {name}", entry.name);
            }
            if entry.name == "train" {
                let words = FIELDS
                    .iter()
                    .map(name)
                    .filter(|name| !name.starts_with("--"));
                assert_eq!(
                    words.collect::<Vec<_>>(),
                    [
                        "checkpoint",
                        "dual passage",
                        "features",
                        "gradient tolerance",
                        "initial",
                        "labels",
                        "layers",
                        "max gradient iterations",
                        "out",
                        "outputs",
                        "picture",
                        "problems",
                        "realization",
                        "record every",
                        "report",
                        "runs",
                        "share",
                        "targets",
                        "values",
                        "widths",
                    ],
                    "settings of the library that training has no options for"
                );
            }
        }
    }

    #[test]
    fn fields_become_flags_and_other_words_stay() {
        let options = flags_of(&COMMANDS[0].description());
        for (text, expected) in [
            ("`learning_rate` 0: bad", "--lr 0: bad"),
            ("use `device` cpu", "use --device cpu"),
            ("tensor `head.weight`", "tensor `head.weight`"),
            ("`hidden_layers` or `runs`", "--hidden-layers or runs"),
            ("no field", "no field"),
        ] {
            assert_eq!(translate(text, &options), expected);
        }
    }
}

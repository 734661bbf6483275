//! Parsers of option values, and the error of a value that cannot work.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::activation::{self, Activation};
use crate::error::Error;
use crate::gpu::shader::Storage;
use crate::nn::{Form, Init, LayerKind, Loss, cnn};

/// An [`Error::InvalidOption`].
pub fn invalid(option: &'static str, value: impl ToString, reason: impl Into<String>) -> Error {
    Error::InvalidOption {
        option,
        value: value.to_string(),
        reason: reason.into(),
    }
}

/// Parses [`LayerKind`] by its name.
pub fn layer_parser() -> impl TypedValueParser<Value = LayerKind> {
    let names = LayerKind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).try_map(|name| LayerKind::by_name(&name))
}

/// Parses [`Form`] by its name.
pub fn form_parser() -> impl TypedValueParser<Value = Form> {
    let names = Form::ALL.iter().map(|form| form.name());
    PossibleValuesParser::new(names).try_map(|name| Form::by_name(&name))
}

/// Parses an activation of Table 1 by its name.
pub fn activation_parser() -> impl TypedValueParser<Value = &'static Activation> {
    let names = activation::ALL.iter().map(|activation| activation.name);
    PossibleValuesParser::new(names).try_map(|name| activation::by_name(&name))
}

/// Parses an activation of the convolutions by its name.
pub fn conv_activation_parser() -> impl TypedValueParser<Value = &'static Activation> {
    let names = activation::ALL.iter().map(|activation| activation.name);
    PossibleValuesParser::new(names.chain([activation::RELU.name]))
        .try_map(|name| cnn::activation_by_name(&name))
}

/// Parses [`Loss`] by its name.
pub fn loss_parser() -> impl TypedValueParser<Value = Loss> {
    let names = Loss::ALL.iter().map(|loss| loss.name());
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

/// Parses two numbers with a comma between them, as in `0.05,0.95`.
///
/// # Errors
/// A message for clap if the text is not that.
pub fn parse_range(text: &str) -> std::result::Result<[f32; 2], String> {
    let numbers = text
        .split_once(',')
        .and_then(|(low, high)| Some([low.trim().parse().ok()?, high.trim().parse().ok()?]));
    numbers.ok_or_else(|| {
        "two numbers with a comma between them are needed, as in 0.05,0.95".to_owned()
    })
}

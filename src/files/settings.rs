//! Settings of a program in a TOML file: one line for each option, with the option's name.
//!
//! ```toml
//! layer = "bregman"
//! hidden-layers = 3
//! lr = 0.2
//! input-range = [0, 0.999999]
//! unfused = true
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};

/// The size of the largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Reads the settings in `path`. Names have hyphens, and values are written as on a command line.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Settings`] if it is not a settings file.
pub fn read(path: &Path) -> Result<Vec<(String, String)>> {
    let fault = |reason| Error::Settings {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    let mut reader = file.take(MAX_BYTES + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fault(format!("it has more than {MAX_BYTES} bytes")));
    }
    text_of(&bytes).and_then(parse).map_err(fault)
}

/// The text of a file, which may begin with a byte order mark.
fn text_of(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is in UTF-16; save it as UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|error| format!("it is not in UTF-8 ({error})"))
}

/// The settings in `text`, in alphabetical order.
///
/// # Errors
/// A description of the fault.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    table
        .into_iter()
        .map(|(key, value)| {
            let words = words(&value).ok_or_else(|| {
                let kind = value.type_str();
                format!("`{key}` is of type {kind}; a string, a number or true is needed")
            })?;
            Ok((key.replace('_', "-"), words))
        })
        .collect()
}

/// A value as on a command line; the values of a list are separated by commas.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(values) => {
            let words = values.iter().map(|value| match value {
                Value::Array(_) => None,
                value => words(value),
            });
            Some(words.collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// The text of a file from which [`read`] returns `settings`.
pub fn write<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let line = |(name, value): (&str, &str)| {
        let bare = format!("{name} = {value}\n");
        let as_it_is = parse(&bare).is_ok_and(|read| read == [(name.to_owned(), value.to_owned())]);
        match as_it_is {
            true => bare,
            false => format!("{name} = {}\n", Value::from(value)),
        }
    };
    settings.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let settings = [
            ("seed", "18446744073709551615"),
            ("lr", "0.2"),
            ("tiny", "1e-7"),
            ("epochs", "20"),
            ("unfused", "true"),
            ("input-range", "0,0.999999"),
            ("out-dir", "a \"b\"\\c\n = [d]"),
            ("empty", ""),
            ("range", "nan"),
        ];
        let text = write(settings);
        let read = parse(&text).expect("well-formed");
        for (name, value) in settings {
            let found = read.iter().find(|(found, _)| found == name);
            assert_eq!(
                found.map(|(_, value)| value.as_str()),
                Some(value),
                "{text}"
            );
        }
        assert!(
            text.contains("\nlr = 0.2\n") && text.contains("\nunfused = true\n"),
            "{text}"
        );
    }

    #[test]
    fn other_encodings_are_named() {
        assert_eq!(text_of(b"\xef\xbb\xbflr = 1"), Ok("lr = 1"));
        for bytes in [&b"\xff\xfel\0r\0"[..], b"\xfe\xff\0l\0r"] {
            assert!(text_of(bytes).is_err_and(|reason| reason.contains("UTF-16")));
        }
        assert!(text_of(b"\xff").is_err_and(|reason| reason.contains("UTF-8")));
    }

    #[test]
    fn lists_and_underscores_are_taken_and_tables_are_not() {
        let read = parse("input_range = [0, 0.5]").expect("well-formed");
        assert_eq!(read, [("input-range".to_owned(), "0,0.5".to_owned())]);
        for text in [
            "[a]\nb = 1",
            "a = [[1]]",
            "a = 2020-01-01",
            "a = ",
            "a = 1\na = 2",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

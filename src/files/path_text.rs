//! Paths as text, for settings, checkpoints and summaries, which hold nothing else.
//!
//! A path that is Unicode is its own text. On Unix any other is `bytes:` and its bytes, where `%FF`
//! stands for the byte 0xFF: `bytes:r%FF`. A path that begins with `bytes:` is written in the same
//! way, so that every path is read back unchanged. Windows has names that are not Unicode, too; there
//! the parts that are not are replaced by U+FFFD.

use std::fmt::Write;
use std::path::{Path, PathBuf};

const PREFIX: &str = "bytes:";

/// The text of `path`.
pub fn to_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.starts_with(PREFIX) => text.to_owned(),
        _ if cfg!(unix) => {
            let mut text = PREFIX.to_owned();
            for &byte in path.as_os_str().as_encoded_bytes() {
                match byte {
                    b'!'..=b'~' if byte != b'%' => text.push(char::from(byte)),
                    _ => write!(text, "%{byte:02X}").expect("memory"),
                }
            }
            text
        }
        _ => path.to_string_lossy().into_owned(),
    }
}

/// The path with the text `text`.
pub fn from_text(text: &str) -> PathBuf {
    let bytes = text.strip_prefix(PREFIX).and_then(bytes_of);
    bytes.and_then(path_of).unwrap_or_else(|| text.into())
}

/// The text of `path`, for serde.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(path))
}

/// The bytes that `%XX` and other characters stand for.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    let name: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes);
    Some(name.into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicode_is_its_own_text() {
        for text in [
            "a/b c",
            "ä%41",
            "",
            "C:\\x",
            "bytes",
            "bytes:%zz",
            "bytes:%4",
        ] {
            assert_eq!(from_text(text), Path::new(text));
        }
        assert_eq!(to_text(Path::new("ä%41")), "ä%41");
    }

    #[cfg(unix)]
    #[test]
    fn every_path_is_read_back() {
        let all: Vec<u8> = (1..=255).collect();
        for bytes in [&all[..], b"r\xff", b"bytes:", b"bytes:%41", b"\xff%41 \n"] {
            let path = path_of(bytes.to_vec()).expect("any bytes are a path");
            let text = to_text(&path);
            assert_eq!(from_text(&text), path, "{text}");
        }
        assert_eq!(
            to_text(&path_of(b"r\xff".to_vec()).expect("a path")),
            "bytes:r%FF"
        );
    }
}

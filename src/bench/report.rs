//! The report on an adapter: the results of each part, in a JSON file and on a page beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Limits;
use super::parts::Part;
use crate::error::{Error, Result};

/// A report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The day on which it was made, as 2026-11-25.
    pub date: String,
    /// The parts that were run, by their names.
    pub parts: BTreeMap<String, Measured>,
    /// The number of the host's logical processors.
    pub processors: usize,
    /// The version of the crate.
    pub version: String,
}

/// A part that was run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Its results, or an object whose `failed` gives the reason why there are none.
    pub found: Value,
    /// Seconds that the part took.
    pub seconds: f64,
    /// The reason why `found` is incomplete, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

impl Measured {
    /// A part without results, for `reason`.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self {
            found: serde_json::json!({ "failed": reason.into() }),
            seconds: 0.0,
            unfinished: None,
        }
    }

    /// The reason why results are missing or incomplete; none for a part that ran to its end.
    pub fn failure(&self) -> Option<&str> {
        let failed = self.found.get("failed").and_then(Value::as_str);
        failed.or(self.unfinished.as_deref())
    }
}

/// The results of the part `adapter`.
#[derive(Clone, Debug, Deserialize)]
pub struct Adapter {
    /// The adapter's name.
    pub name: String,
    /// The driver's name and version.
    pub driver: String,
    /// Whether it computes on the processor.
    pub software: bool,
    /// Its measured limits.
    pub measured: Limits,
    /// Seconds of the host for each dispatch that it encodes.
    pub seconds_to_encode_a_dispatch: f64,
}

impl Report {
    /// A report of `date` that has no parts yet.
    pub fn new(date: String) -> Self {
        Self {
            date,
            parts: BTreeMap::new(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Reads a report's JSON file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidValue`] if the file is not a report.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        serde_json::from_str(&text).map_err(|error| Error::InvalidValue {
            field: "report",
            value: path.display().to_string(),
            reason: format!("is not the JSON file of a report: {error}"),
        })
    }

    /// The results of `part`.
    ///
    /// # Errors
    /// Why there is nothing, as a sentence.
    pub fn found<T: DeserializeOwned>(&self, part: Part) -> Result<T, String> {
        let Some(measured) = self.parts.get(part.name()) else {
            return Err("Not run.".to_owned());
        };
        match measured.found.get("failed").and_then(Value::as_str) {
            Some(reason) => Err(format!("Failed: {reason}")),
            None => serde_json::from_value(measured.found.clone())
                .map_err(|error| format!("Not readable: {error}")),
        }
    }

    /// Whether any part found something.
    pub fn has_found(&self) -> bool {
        let mut parts = self.parts.values();
        parts.any(|part| part.found.get("failed").is_none())
    }

    /// The results of the part `adapter`.
    ///
    /// # Errors
    /// Why there is nothing, as a sentence.
    pub fn adapter(&self) -> Result<Adapter, String> {
        self.found(Part::Adapter)
    }

    /// The path of the JSON file in `folder`: adapter and date name it.
    pub fn path(&self, folder: &Path) -> PathBuf {
        let name = self.adapter().map(|adapter| adapter.name);
        let name = name.unwrap_or_else(|_| "unknown adapter".to_owned());
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        folder.join(format!("{}-{}.json", words.join("-"), self.date))
    }

    /// Adds the parts that an earlier report of the same day and adapter in `folder` has and this one
    /// lacks.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn add_earlier(&mut self, folder: &Path) -> Result<()> {
        let path = self.path(folder);
        if path.exists() {
            for (part, measured) in Self::load(&path)?.parts {
                self.parts.entry(part).or_insert(measured);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measured(found: Value) -> Measured {
        Measured {
            found,
            seconds: 1.0,
            unfinished: None,
        }
    }

    fn report() -> Report {
        let mut report = Report::new("2026-11-25".to_owned());
        let adapter = json!({
            "name": "Card (8 GB), new",
            "driver": "1.2",
            "software": false,
            "measured": { "fma_flops_per_second": 2e12, "copy_bytes_per_second": 3e11 },
            "seconds_to_encode_a_dispatch": 2e-6,
        });
        report.parts.insert("adapter".to_owned(), measured(adapter));
        report
    }

    #[test]
    fn a_report_is_read_as_it_was_written_and_keeps_the_earlier_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = report();
        first.parts.insert("steps".to_owned(), measured(json!([])));
        let path = first.save(folder.path()).expect("room");
        assert!(path.ends_with("card-8-gb-new-2026-11-25.json"), "{path:?}");
        assert!(path.with_extension("md").exists());
        let mut second = report();
        second
            .parts
            .insert("cnn".to_owned(), Measured::failed("no time was left"));
        second.add_earlier(folder.path()).expect("a report");
        let names: Vec<&String> = second.parts.keys().collect();
        assert_eq!(names, ["adapter", "cnn", "steps"]);
        assert_eq!(second.parts["cnn"].failure(), Some("no time was left"));
        assert!(second.has_found());
        second.parts.retain(|name, _| name == "cnn");
        assert!(!second.has_found());
        assert_eq!(
            second.found::<Vec<Value>>(Part::Cnn),
            Err("Failed: no time was left".to_owned())
        );
        assert_eq!(
            second.found::<Vec<Value>>(Part::Mnist),
            Err("Not run.".to_owned())
        );
        std::fs::write(&path, "[]").expect("room");
        assert!(matches!(
            Report::load(&path),
            Err(Error::InvalidValue { .. })
        ));
    }
}

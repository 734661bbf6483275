//! The report in Markdown, and the files of a report.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::parts::Part;
use super::profile::Dispatch;
use super::report::Report;
use super::{Limits, Row};
use crate::error::Result;
use crate::files::atomic;

/// A training of the part `mnist`.
#[derive(Deserialize)]
struct Training {
    realizations: usize,
    width: usize,
    samples: usize,
    fastest_epoch_seconds: f64,
    epochs: Vec<Epoch>,
}

#[derive(Deserialize)]
struct Epoch {
    epoch: u32,
    test_accuracy: f64,
}

/// The results of the parts `first step` and `selftest`: the fields that the page shows.
#[derive(Deserialize)]
struct FirstStep {
    seconds: f64,
}

#[derive(Deserialize)]
struct Verdict {
    passed: bool,
}

/// The results of another library's program.
#[derive(Deserialize)]
struct Peer {
    version: String,
    device: String,
    rows: Vec<PeerRow>,
}

#[derive(Deserialize)]
struct PeerRow {
    name: String,
    how: Option<String>,
    seconds: f64,
}

impl Report {
    /// Writes the JSON file and the page beside it into `folder`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = self.path(folder);
        let text = serde_json::to_string_pretty(self).expect("numbers and strings serialize");
        atomic::write(&path, (text + "\n").as_bytes())?;
        self.save_page(&path)?;
        Ok(path)
    }

    /// Writes the page beside the JSON file at `path`, with the extension `md`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn save_page(&self, path: &Path) -> Result<PathBuf> {
        let path = path.with_extension("md");
        atomic::write(&path, page(self).as_bytes())?;
        Ok(path)
    }
}

/// The page of `report`.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let mut line = |text: &str| page += &format!("{text}\n");
    let adapter = report.adapter();
    let limits = adapter.as_ref().ok().map(|adapter| adapter.measured);
    match adapter {
        Err(reason) => line(&format!("# Unknown adapter, {}\n\n{reason}\n", report.date)),
        Ok(adapter) => {
            line(&format!("# {}, {}\n", adapter.name, report.date));
            if adapter.software {
                line("A software adapter: only counts and ratios mean anything.\n");
            }
            line(&format!(
                "Driver {}. Measured limits: {:.1} GFLOP/s of FMAs, {:.1} GB/s of copying. Encoding \
                 a dispatch takes {:.2} µs of the host.\n",
                adapter.driver,
                1e-9 * adapter.measured.fma_flops_per_second,
                1e-9 * adapter.measured.copy_bytes_per_second,
                1e6 * adapter.seconds_to_encode_a_dispatch,
            ));
        }
    }
    if let Ok(FirstStep { seconds }) = report.found(Part::FirstStep) {
        line(&format!(
            "From the request for the adapter to the first finished step: {seconds:.3} s, every pipeline \
             compiled, or taken from the driver's shader cache, which is not changed.\n"
        ));
    }
    line("## Dispatches of a fused step, each by itself\n");
    line(&match report.found::<Vec<Dispatch>>(Part::Profile) {
        Ok(dispatches) => profile_table(&dispatches, limits.as_ref()),
        Err(reason) => format!("{reason}\n"),
    });
    for part in [Part::Steps, Part::Cnn, Part::Matmul, Part::Layers] {
        line(&format!("## {}\n", part.name()));
        line(&match report.found::<Vec<Row>>(part) {
            Ok(rows) => rows_table(&rows),
            Err(reason) => format!("{reason}\n"),
        });
        let measured = report.parts.get(part.name());
        if let Some(reason) = measured.and_then(|measured| measured.unfinished.as_ref()) {
            line(&format!("Not all was measured: {reason}\n"));
        }
    }
    line("## MNIST\n");
    line(&match report.found::<Vec<Training>>(Part::Mnist) {
        Ok(trainings) => trainings.iter().map(training_line).collect(),
        Err(reason) => format!("{reason}\n"),
    });
    line("## Peers\n");
    line(&peers_table(report));
    line("## Self-test\n");
    line(&match report.found(Part::Selftest) {
        Ok(Verdict { passed: true }) => "All right.".to_owned(),
        Ok(Verdict { passed: false }) => "NOT RIGHT: see the JSON file.".to_owned(),
        Err(reason) => reason,
    });
    page
}

fn rows_table(rows: &[Row]) -> String {
    let mut table =
        "| what | µs | device µs | GFLOP/s | of peak | dispatches | unfused ÷ fused |\n\
                     |---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let name = &row.name;
        let unfused = name.replace(", fused", ", unfused");
        let other = rows.iter().find(|other| other.name == unfused);
        let ratio = other
            .filter(|_| unfused != *name)
            .map_or(String::new(), |other| {
                format!("{:.2}", other.seconds / row.seconds)
            });
        let device = row
            .device_seconds
            .map_or(String::new(), |seconds| format!("{:.2}", 1e6 * seconds));
        let _ = writeln!(
            table,
            "| {name} | {:.2} | {device} | {:.1} | {:.1} % | {} | {ratio} |",
            1e6 * row.seconds,
            1e-9 * row.flops_per_second,
            100.0 * row.share_of_peak,
            row.dispatches,
        );
    }
    let rates = rows
        .iter()
        .filter_map(|row| Some(row.samples? as f64 / row.seconds));
    let rates: Vec<String> = rates.map(|rate| format!("{rate:.0}")).collect();
    if !rates.is_empty() {
        let _ = writeln!(table, "\nSamples/s: {}.", rates.join(" and "));
    }
    table
}

/// The dispatches of each case, and their sum; the share of the FMA peak of `limits` where the FLOPs are
/// known.
fn profile_table(dispatches: &[Dispatch], limits: Option<&Limits>) -> String {
    let mut table = "| network | dispatch | tile | workgroups | device µs | of peak |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    let same = |a: &Dispatch, b: &Dispatch| (&a.case, a.realizations) == (&b.case, b.realizations);
    for step in dispatches.chunk_by(same) {
        let case =
            (step[0].case.clone()).unwrap_or_else(|| format!("R = {}", step[0].realizations));
        for dispatch in step {
            let workgroups = dispatch.workgroups.map(|count| count.to_string());
            let share = limits.zip(dispatch.flops).map(|(limits, flops)| {
                let rate = flops / dispatch.device_seconds;
                format!("{:.1} %", 100.0 * rate / limits.fma_flops_per_second)
            });
            let _ = writeln!(
                table,
                "| {case} | `{}` | {} | {} | {:.2} | {} |",
                dispatch.name(),
                dispatch.tile().unwrap_or_default(),
                workgroups.unwrap_or_default(),
                1e6 * dispatch.device_seconds,
                share.unwrap_or_default(),
            );
        }
        let sum: f64 = step.iter().map(|dispatch| dispatch.device_seconds).sum();
        let _ = writeln!(
            table,
            "| {case} | sum of {} | | | {:.2} | |",
            step.len(),
            1e6 * sum
        );
    }
    table
}

fn training_line(training: &Training) -> String {
    let last = training.epochs.last();
    format!(
        "R = {}, three layers of {}, {} samples, batches of 128: {:.3} s an epoch, test accuracy \
         {:.2} % after {}.\n",
        training.realizations,
        training.width,
        training.samples,
        training.fastest_epoch_seconds,
        100.0 * last.map_or(f64::NAN, |epoch| epoch.test_accuracy),
        last.map_or(0, |epoch| epoch.epoch),
    )
}

/// The peers' rows beside ours of the same name.
fn peers_table(report: &Report) -> String {
    let ours: Vec<Row> = [Part::Steps, Part::Cnn, Part::Matmul]
        .into_iter()
        .flat_map(|part| report.found::<Vec<Row>>(part).unwrap_or_default())
        .collect();
    let mut about = String::new();
    let mut table = "| what | peer | how | theirs µs | ours µs | theirs ÷ ours |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for (part, library) in [(Part::Pytorch, "PyTorch"), (Part::Burn, "burn")] {
        let peer: Peer = match report.found(part) {
            Ok(peer) => peer,
            Err(reason) => {
                let _ = writeln!(about, "{library}: {reason}\n");
                continue;
            }
        };
        let _ = writeln!(about, "{library} {} on {}.\n", peer.version, peer.device);
        for row in peer.rows {
            let own = ours.iter().find(|own| own.name == row.name);
            let (own, ratio) = own.map_or_else(Default::default, |own| {
                let ratio = format!("{:.2}", row.seconds / own.seconds);
                (format!("{:.2}", 1e6 * own.seconds), ratio)
            });
            let _ = writeln!(
                table,
                "| {} | {library} | {} | {:.2} | {own} | {ratio} |",
                row.name,
                row.how.unwrap_or_default(),
                1e6 * row.seconds,
            );
        }
    }
    about + &table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, seconds: f64, samples: Option<usize>) -> Row {
        Row {
            name: name.to_owned(),
            seconds,
            device_seconds: None,
            flops: 2e6,
            dispatches: 8,
            flops_per_second: 2e6 / seconds,
            share_of_peak: 0.25,
            samples,
        }
    }

    #[test]
    fn a_fused_row_has_its_ratio_and_a_row_of_samples_its_rate() {
        let rows = [
            row("step a, fused", 2e-6, None),
            row("step a, unfused", 5e-6, None),
        ];
        let table = rows_table(&rows);
        assert!(
            table.contains("| step a, fused | 2.00 |  | 1000.0 | 25.0 % | 8 | 2.50 |"),
            "{table}"
        );
        assert!(
            table.contains("| step a, unfused | 5.00 |  | 400.0 | 25.0 % | 8 |  |"),
            "{table}"
        );
        assert!(!table.contains("Samples/s"));
        let table = rows_table(&[row("cnn", 1e-3, Some(32)), row("cnn 5", 4e-3, Some(160))]);
        assert!(
            table.ends_with("\nSamples/s: 32000 and 40000.\n"),
            "{table}"
        );
    }

    #[test]
    fn a_profile_has_a_sum_for_each_network_and_shares_of_the_peak() {
        let dispatch = |case: Option<&str>, kernel: &str, flops| Dispatch {
            case: case.map(str::to_owned),
            realizations: 5,
            kernel: kernel.to_owned(),
            workgroups: case.map(|_| 100),
            flops,
            device_seconds: 2e-6,
        };
        let limits = Limits {
            fma_flops_per_second: 1e12,
            copy_bytes_per_second: 1e12,
        };
        let new = Some("batch 8 × 4, R = 5");
        let table = profile_table(
            &[
                dispatch(new, "layer_forward+product/tile/small+math", Some(5e5)),
                dispatch(new, "head+loss/mse", None),
                // As earlier reports have them.
                dispatch(None, "layer_forward+tile/deep", None),
            ],
            Some(&limits),
        );
        for row in [
            "| batch 8 × 4, R = 5 | `layer_forward` | small | 100 | 2.00 | 25.0 % |",
            "| batch 8 × 4, R = 5 | `head` |  | 100 | 2.00 |  |",
            "| batch 8 × 4, R = 5 | sum of 2 | | | 4.00 | |",
            "| R = 5 | `layer_forward` | deep |  | 2.00 |  |",
            "| R = 5 | sum of 1 | | | 2.00 | |",
        ] {
            assert!(table.contains(row), "{row}:\n{table}");
        }
    }
}

//! The report in Markdown, and the files of a report.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::parts::Part;
use super::profile::Dispatch;
use super::report::Report;
use super::units::Units;
use super::{Limits, Row, unfused_over_fused};
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
    passed: Option<bool>,
    /// The check that was begun last when the self-test was cut off; others may have run beside it.
    running: Option<String>,
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
    /// None for a way that failed.
    seconds: Option<f64>,
    failed: Option<String>,
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
    let mut section = |title: &str, part: Part, text: Result<String, String>| {
        line(&format!("## {title}\n"));
        line(&text.unwrap_or_else(|reason| format!("{reason}\n")));
        if let Some(note) = unfinished(report, part) {
            line(&note);
        }
    };
    let profile = report.found::<Vec<Dispatch>>(Part::Profile);
    let profile = profile.map(|dispatches| profile_table(&dispatches, limits.as_ref()));
    let title = "Dispatches of a fused step, each by itself";
    section(title, Part::Profile, profile);
    let rows = |part| Ok(rows_table(&report.found::<Vec<Row>>(part)?));
    section("Training steps", Part::Steps, rows(Part::Steps));
    section("The CNN", Part::Cnn, rows(Part::Cnn));
    section("Matrix products", Part::Matmul, rows(Part::Matmul));
    let units = report.found::<Units>(Part::MatrixUnits);
    let units = units.map(|units| units_text(&units));
    section("Matrix units", Part::MatrixUnits, units);
    let mnist = report.found::<Vec<Training>>(Part::Mnist);
    let mnist = mnist.map(|trainings| trainings.iter().map(training_line).collect());
    section("MNIST", Part::Mnist, mnist);
    let selftest = report.found(Part::Selftest).map(|verdict| match verdict {
        Verdict {
            passed: Some(true), ..
        } => "All right.\n".to_owned(),
        Verdict {
            passed: Some(false),
            ..
        } => "NOT RIGHT: see the JSON file.\n".to_owned(),
        Verdict { running, .. } => match running {
            Some(check) => format!("No verdict: the check `{check}` was begun last.\n"),
            None => "No verdict.\n".to_owned(),
        },
    });
    section("Self-test", Part::Selftest, selftest);
    section("Layers", Part::Layers, rows(Part::Layers));
    line("## Other libraries\n");
    line(&peers_table(report));
    page
}

/// The sentence about a part that has a part of its results.
fn unfinished(report: &Report, part: Part) -> Option<String> {
    let reason = report.parts.get(part.name())?.unfinished.as_ref()?;
    Some(format!("**Not all was measured:** {reason}.\n"))
}

fn rows_table(rows: &[Row]) -> String {
    let mut table =
        "| what | µs | device µs | GFLOP/s | of peak | dispatches | unfused ÷ fused |\n\
                     |---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let name = &row.name;
        let ratio =
            unfused_over_fused(row, rows).map_or(String::new(), |ratio| format!("{ratio:.2}"));
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

/// What the adapter lists of its matrix units, and their rates.
fn units_text(units: &Units) -> String {
    let mut text = match units.shapes.is_empty() {
        true => "The adapter lists no products of matrix units.\n".to_owned(),
        false => format!(
            "Products (m × n × k) that the adapter lists: {}.\n",
            units.shapes.join(", ")
        ),
    };
    if let Some(note) = &units.note {
        let _ = writeln!(text, "\n{note}");
    }
    if !units.rows.is_empty() {
        let _ = write!(text, "\n{}", rows_table(&units.rows));
    }
    text
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
        if let Some(note) = unfinished(report, part) {
            let _ = writeln!(about, "{library}: {note}");
        }
        for row in peer.rows {
            let own = ours.iter().find(|own| own.name == row.name);
            let ratio = |own: &Row| Some(format!("{:.2}", row.seconds? / own.seconds));
            let _ = writeln!(
                table,
                "| {} | {library} | {} | {} | {} | {} |",
                row.name,
                row.how.unwrap_or_default(),
                match row.seconds {
                    Some(seconds) => format!("{:.2}", 1e6 * seconds),
                    None => format!(
                        "failed: {}",
                        row.failed.unwrap_or_default().replace('|', "/")
                    ),
                },
                own.map_or(String::new(), |own| format!("{:.2}", 1e6 * own.seconds)),
                own.and_then(ratio).unwrap_or_default(),
            );
        }
    }
    about + &table
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bench::Measured;

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

    fn report(parts: &[(Part, Value, Option<&str>)]) -> Report {
        let mut report = Report::new("2026-11-25".to_owned());
        for (part, found, unfinished) in parts {
            let measured = Measured {
                found: found.clone(),
                seconds: 1.0,
                unfinished: unfinished.map(str::to_owned),
            };
            report.parts.insert(part.name().to_owned(), measured);
        }
        report
    }

    #[test]
    fn matrix_units_have_their_products_and_rates_or_a_sentence() {
        let none = "The adapter lists no products of matrix units.\n";
        assert_eq!(units_text(&Units::default()), none);
        let shapes = ["8 × 8 × 8 f16 → f32", "8 × 8 × 8 f16 → f16"];
        let units = Units {
            shapes: shapes.map(str::to_owned).to_vec(),
            rows: vec![row("products", 2e-6, None)],
            note: Some("Subgroups differ.".to_owned()),
            ..Units::default()
        };
        let text = units_text(&units);
        let listed =
            "lists: 8 × 8 × 8 f16 → f32, 8 × 8 × 8 f16 → f16.\n\nSubgroups differ.\n\n| what |";
        assert!(text.contains(listed), "{text}");
        assert!(
            text.contains("| products | 2.00 |  | 1000.0 | 25.0 % | 8 |"),
            "{text}"
        );
    }

    #[test]
    fn a_part_that_was_cut_off_says_so_under_its_rows() {
        let rows = json!([row("step a, fused", 2e-6, None)]);
        let peer = json!({ "version": "1", "device": "card", "rows": [
            { "name": "step a, fused", "how": "eager", "seconds": 4e-6 },
            { "name": "step a, fused", "how": "compiled", "failed": "no | compiler" },
        ]});
        let running = json!({ "running": "head" });
        let cut = Some("cut off after 20 s");
        let page = page(&report(&[
            (Part::Steps, rows, cut),
            (Part::Pytorch, peer, cut),
            (Part::Selftest, running, cut),
            (Part::Burn, json!({ "failed": "cut off after 9 s" }), None),
        ]));
        let note = "**Not all was measured:** cut off after 20 s.";
        assert_eq!(page.matches(note).count(), 3, "{page}");
        for text in [
            "| step a, fused | PyTorch | eager | 4.00 | 2.00 | 2.00 |",
            "| step a, fused | PyTorch | compiled | failed: no / compiler | 2.00 |  |",
            "No verdict: the check `head` was begun last.",
            "burn: Failed: cut off after 9 s",
            "## The CNN\n\nNot run.",
        ] {
            assert!(page.contains(text), "{text}:\n{page}");
        }
    }
}

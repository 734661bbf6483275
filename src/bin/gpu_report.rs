//! Finds out in one go what an adapter can do with this crate, and writes it down.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use bregman::activation::TANH;
use bregman::bench::{self, Case, Row, Steps};
use bregman::data::{self, Request};
use bregman::error::{Error, Result};
use bregman::executor::{Sgd, Splits};
use bregman::gpu::shader::Storage;
use bregman::gpu::{Gpu, GpuExecutor, PlanOptions, Selection};
use bregman::nn::{Form, Init, LayerKind, Loss, Model};
use bregman::selftest;
use bregman::train::{self, Schedule, Silent};
use clap::Parser;
use serde_json::{Value, json};

/// Measure an adapter: limits, first step, training steps, the CNN, matrix products, MNIST, PyTorch
/// beside it where a Python has it, burn where it was built, layers, and the self-test with its
/// agreement of fused, unfused and float64.
///
/// Each part runs in a process of its own, with a limit on its time; one that fails or hangs leaves
/// the others standing. All of it ends within nine minutes, and two files say what came of it.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Adapter, by any part of its name; else the first hardware adapter, or a software one
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// Folder for the report
    #[arg(long, value_name = "DIR", default_value = "benches/results")]
    out_dir: PathBuf,
    /// Folder of MNIST's files
    #[arg(long, value_name = "DIR", default_value = ".")]
    data_dir: PathBuf,
    /// The script that measures PyTorch
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benches/peers/gpu_torch.py"
    )]
    torch_script: PathBuf,
    /// The program that measures burn
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benches/peers/rust/target/release/burn_wgpu"
    )]
    burn: PathBuf,
    /// Run these parts, and keep the others of a report of this day that is there already
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    parts: Option<Vec<String>>,
    /// Seconds that all parts together may take
    #[arg(long, value_name = "S", default_value_t = 520)]
    seconds: u64,
    /// Write the page of this report's JSON file again, beside it
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Run this part alone and print its JSON
    #[arg(long, value_name = "PART")]
    part: Option<String>,
}

/// The parts by name, most wanted first, and the seconds that each may take.
const PARTS: [(&str, u64); 11] = [
    ("adapter", 20),
    ("first step", 20),
    ("profile", 20),
    ("steps", 90),
    ("cnn", 30),
    ("matmul", 45),
    ("mnist", 60),
    ("pytorch", 120),
    ("burn", 60),
    ("layers", 90),
    ("selftest", 300),
];

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match (&options.part, &options.page) {
        (Some(part), _) => run_part(part, &options).map(|value| say(&value.to_string(), true)),
        (None, Some(file)) => page_again(file),
        (None, None) => report(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"), false);
            ExitCode::FAILURE
        }
    }
}

/// To standard output or error; if that is closed there is nobody left to tell.
fn say(line: &str, output: bool) {
    let _ = match output {
        true => writeln!(std::io::stdout().lock(), "{line}"),
        false => writeln!(std::io::stderr().lock(), "{line}"),
    };
}

fn selection(options: &Options) -> Selection {
    let variable = std::env::var("WGPU_ADAPTER_NAME").ok();
    Selection {
        name: options
            .adapter
            .clone()
            .or(variable.filter(|name| !name.is_empty())),
        allow_software: true,
    }
}

fn run_part(part: &str, options: &Options) -> Result<Value> {
    let mut gpu = pollster::block_on(Gpu::request(&selection(options)))?;
    let software = gpu.summary().software;
    let rounds = if software { 2 } else { 5 };
    let usual = if software { [32, 64] } else { [128, 784] };
    match part {
        "adapter" => {
            let limits = bench::limits(&mut gpu, rounds)?;
            let summary = gpu.summary();
            Ok(json!({
                "name": summary.name,
                "backend": summary.backend,
                "driver": summary.driver,
                "software": summary.software,
                "limits": format!("{:?}", gpu.limits()),
                "measured": limits,
                "seconds_to_encode_a_dispatch": bench::encoding(&gpu)?,
            }))
        }
        "first step" => {
            drop(gpu);
            let case = Case::bregman(usual[0], usual[1]);
            let seconds = bench::first_step(&selection(options), &case)?;
            Ok(json!({ "case": case.name("step", true), "seconds": seconds }))
        }
        "profile" => {
            let mut rows = Vec::new();
            for realizations in if software { &[1][..] } else { &[1, 5] } {
                let mut case = Case::bregman(usual[0], usual[1]);
                case.realizations = *realizations;
                for (kernel, seconds) in case.profile(&gpu)?.unwrap_or_default() {
                    rows.push(json!({
                        "realizations": realizations,
                        "kernel": kernel,
                        "device_seconds": seconds,
                    }));
                }
            }
            Ok(json!(rows))
        }
        "steps" => {
            let limits = bench::limits(&mut gpu, rounds)?;
            let mut rows = Rows::default();
            let cases = Case::all(software, false).into_iter();
            for case in cases.chain(Case::halves(&gpu)) {
                for mut steps in case.steps(&gpu)? {
                    rows.push(steps.row(&limits, rounds)?);
                }
            }
            Ok(rows.all())
        }
        "cnn" => {
            let limits = bench::limits(&mut gpu, rounds)?;
            let mut rows = Rows::default();
            // Five realizations take a software adapter minutes.
            let all = if software { &[1][..] } else { &[1, 5] };
            for &realizations in all {
                rows.push(Steps::cnn(&gpu, realizations)?.row(&limits, rounds)?);
            }
            Ok(rows.all())
        }
        "matmul" => {
            let limits = bench::limits(&mut gpu, rounds)?;
            let mut rows = Rows::default();
            for size in if software { &[64][..] } else { &[1024, 4096] } {
                for target in bench::matmul(&gpu, *size)? {
                    rows.push(target.row(&mut gpu, &limits, rounds)?);
                }
            }
            Ok(rows.all())
        }
        "layers" => {
            let limits = bench::limits(&mut gpu, rounds)?;
            let mut rows = Rows::default();
            for case in Case::all(software, false) {
                for target in case.layer(&gpu)? {
                    rows.push(target.row(&mut gpu, &limits, rounds)?);
                }
            }
            Ok(rows.all())
        }
        "mnist" => mnist(&gpu, options),
        "selftest" => {
            let report = selftest::run(&mut gpu, false, &mut |_| {})?;
            Ok(json!(report))
        }
        _ => Err(unknown_part(part)),
    }
}

/// Refuses a name that is no part's.
fn check_part(name: &str) -> Result<()> {
    match PARTS.iter().any(|(part, _)| *part == name) {
        true => Ok(()),
        false => Err(unknown_part(name)),
    }
}

fn unknown_part(name: &str) -> Error {
    Error::UnknownName {
        kind: "part",
        name: name.to_owned(),
        known: PARTS.map(|(name, _)| name).join(", "),
    }
}

/// Rows of a part, of which all so far are printed after each: whoever stops it keeps them.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn push(&mut self, row: Row) {
        self.0.push(row);
        say(&json!(self.0).to_string(), true);
    }

    fn all(self) -> Value {
        json!(self.0)
    }
}

/// Three layers of 784 in batches of 128, at R = 1 and 5; on a software adapter a sample of it.
fn mnist(gpu: &Gpu, options: &Options) -> Result<Value> {
    let loaded = data::load(
        &Request {
            dataset: Some("mnist".to_owned()),
            data_dir: Some(options.data_dir.clone()),
            ..Request::default()
        },
        &mut |_| {},
    )?;
    let software = gpu.summary().software;
    let (width, samples, epochs) = if software {
        (64, 512, 1)
    } else {
        (784, 60_000, 10)
    };
    let (mut train, mut test) = (loaded.train, loaded.test);
    train.truncate(samples);
    test.truncate(samples);
    let mut rows = Vec::new();
    for realizations in [1, 5] {
        let widths = [784, width, width, width];
        let (kind, loss) = (LayerKind::Bregman, Loss::CrossEntropy);
        let model = Model::new(kind, Form::Dual, &TANH, loss, &widths, 10)?;
        let sgd = Sgd {
            batch_size: 128,
            learning_rate: 0.2,
        };
        let schedule = Schedule {
            epochs,
            seed: 0,
            realizations,
            samples: train.len(),
            batch_size: sgd.batch_size,
            validation: false,
        };
        let splits = Splits {
            train: train.clone(),
            validation: None,
            test: test.clone(),
        };
        let parameters: Vec<_> = (0..realizations as u64)
            .map(|seed| Init::Random.parameters(&model, seed))
            .collect();
        let plan = PlanOptions {
            realizations,
            sgd,
            fused: true,
            storage: Storage::F32,
        };
        let epochs = pollster::block_on(async {
            let gpu = gpu.clone();
            let mut executor = GpuExecutor::new(gpu, &model, &splits, &parameters, plan).await?;
            train::train(&mut executor, &schedule, &mut Silent).await
        })?;
        let fastest = epochs
            .iter()
            .map(|e| e.seconds)
            .fold(f64::INFINITY, f64::min);
        rows.push(json!({
            "realizations": realizations,
            "width": width,
            "samples": train.len(),
            "fastest_epoch_seconds": fastest,
            "epochs": epochs,
        }));
    }
    Ok(json!(rows))
}

/// Runs every part in a process of its own and writes what they say.
fn report(options: &Options) -> Result<()> {
    let start = Instant::now();
    let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    std::fs::create_dir_all(&options.out_dir).map_err(Error::io("create", &options.out_dir))?;
    let mut parts = serde_json::Map::new();
    let wanted = options.parts.as_deref();
    for name in wanted.unwrap_or_default() {
        check_part(name)?;
    }
    for (part, limit) in PARTS {
        // The adapter names the report.
        let named = |wanted: &[String]| part == "adapter" || wanted.iter().any(|name| name == part);
        if !wanted.is_none_or(named) {
            continue;
        }
        let left = options.seconds.saturating_sub(start.elapsed().as_secs());
        let began = Instant::now();
        let found = if left < 5 {
            json!({ "failed": "no time was left" })
        } else {
            let mut command = match part {
                "pytorch" => {
                    let mut command = Command::new("python3");
                    command.arg(&options.torch_script);
                    command
                }
                "burn" => {
                    let mut command = Command::new(&options.burn);
                    command.arg("--report");
                    if parts["adapter"]["found"]["software"] == true {
                        command.arg("software");
                    }
                    command
                }
                _ => {
                    let mut command = Command::new(&program);
                    command.args(["--part", part, "--data-dir"]);
                    command.arg(&options.data_dir);
                    if let Some(name) = &options.adapter {
                        command.args(["--adapter", name]);
                    }
                    command
                }
            };
            child(
                &mut command,
                &options.out_dir,
                Duration::from_secs(limit.min(left)),
            )
        };
        let seconds = began.elapsed().as_secs_f64();
        let state = match found.get("failed") {
            Some(reason) => format!("failed: {reason}"),
            None => "done".to_owned(),
        };
        say(&format!("{part}: {state}, {seconds:.1} s"), false);
        parts.insert(
            part.to_owned(),
            json!({ "seconds": seconds, "found": found }),
        );
        if part == "adapter" && wanted.is_some() {
            let mut kept = earlier(&options.out_dir, &parts);
            kept.append(&mut parts);
            parts = kept;
        }
        // After every part: whoever stops this keeps what there is.
        save(&options.out_dir, &parts)?;
    }
    say(&format!("wrote {}", options.out_dir.display()), false);
    Ok(())
}

/// The name of a report of this day, without an extension.
fn stem(parts: &serde_json::Map<String, Value>) -> String {
    let adapter = &parts["adapter"]["found"];
    let name = adapter["name"].as_str().unwrap_or("unknown adapter");
    format!("{}-{}", file_name(name), today())
}

/// The parts of a report of this day and adapter, none if there is none.
fn earlier(
    folder: &Path,
    parts: &serde_json::Map<String, Value>,
) -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(folder.join(format!("{}.json", stem(parts))));
    let report: Option<Value> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
    let parts = report.and_then(|report| report["parts"].as_object().cloned());
    parts.unwrap_or_default()
}

/// Writes what is known so far, as JSON and as a page.
fn save(folder: &Path, parts: &serde_json::Map<String, Value>) -> Result<()> {
    let date = today();
    let stem = stem(parts);
    let json = json!({
        "date": date,
        "version": env!("CARGO_PKG_VERSION"),
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "parts": parts,
    });
    let text = serde_json::to_string_pretty(&json).expect("numbers and strings serialize");
    let write = |extension: &str, text: &str| {
        let path = folder.join(format!("{stem}.{extension}"));
        std::fs::write(&path, text).map_err(Error::io("write", &path))
    };
    write("json", &(text + "\n"))?;
    write("md", &page(&json))
}

/// The JSON that a command prints, or why there is none.
fn child(command: &mut Command, folder: &Path, limit: Duration) -> Value {
    let failed = |reason: String| json!({ "failed": reason });
    // To files, so that no full pipe stops it.
    let [out, err] = ["part.out", "part.err"].map(|name| folder.join(name));
    let files = [&out, &err].map(std::fs::File::create);
    let [Ok(stdout), Ok(stderr)] = files else {
        return failed(format!("cannot write to {}", folder.display()));
    };
    let spawned = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) => return failed(format!("{}: {e}", command.get_program().display())),
    };
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if start.elapsed() < limit => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    let complaint = std::fs::read_to_string(&err).unwrap_or_default();
    for file in [&out, &err] {
        let _ = std::fs::remove_file(file);
    }
    let last = |text: &str| text.trim().lines().next_back().unwrap_or("").to_owned();
    let found = serde_json::from_str::<Value>(&last(&text));
    match (status, found) {
        // If it was stopped or failed: what it had found by then, as it says so line by line.
        (_, Ok(found)) => found,
        (Some(status), Err(e)) if status.success() => failed(e.to_string()),
        (None, Err(_)) => failed(format!("stopped after {} s", limit.as_secs())),
        (Some(status), Err(_)) => failed(format!("{status}: {}", last(&complaint))),
    }
}

/// A name fit for a file.
fn file_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// The date in Greenwich, 2026-11-25 (Hinnant's days-to-civil).
fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400) + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

fn page_again(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| Error::InvalidValue {
        field: "page",
        value: file.display().to_string(),
        reason: format!("the JSON file of a report: {e}"),
    })?;
    let path = file.with_extension("md");
    std::fs::write(&path, page(&json)).map_err(Error::io("write", &path))
}

/// What became of a part that has no rows.
fn outcome(part: &Value) -> String {
    match part["found"]["failed"].as_str() {
        Some(reason) => format!("Failed: {reason}"),
        None => "Not run.".to_owned(),
    }
}

/// The report for people.
fn page(json: &Value) -> String {
    let parts = &json["parts"];
    let adapter = &parts["adapter"]["found"];
    let mut page = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(page, "{text}");
    };
    let name = adapter["name"].as_str().unwrap_or("unknown adapter");
    line(&format!(
        "# {name}, {}\n",
        json["date"].as_str().unwrap_or("")
    ));
    if adapter["software"] == true {
        line("A software adapter: only counts and ratios mean anything.\n");
    }
    line(&format!(
        "Driver {}. Measured limits: {:.1} GFLOP/s of FMAs, {:.1} GB/s of copying. Encoding a \
         dispatch takes {:.2} µs of the host.\n",
        adapter["driver"].as_str().unwrap_or("unknown"),
        1e-9 * number(&adapter["measured"]["fma_flops_per_second"]),
        1e-9 * number(&adapter["measured"]["copy_bytes_per_second"]),
        1e6 * number(&adapter["seconds_to_encode_a_dispatch"]),
    ));
    let first = &parts["first step"]["found"];
    line(&format!(
        "From nothing to the first finished step, pipelines compiled: {:.3} s.\n",
        number(&first["seconds"])
    ));
    for part in ["steps", "cnn", "matmul", "layers"] {
        line(&format!("## {part}\n"));
        let Some(rows) = parts[part]["found"].as_array() else {
            line(&format!("{}\n", outcome(&parts[part])));
            continue;
        };
        let mut rates = Vec::new();
        line("| what | µs | device µs | GFLOP/s | of peak | dispatches | unfused ÷ fused |");
        line("|---|---|---|---|---|---|---|");
        for row in rows {
            let name = row["name"].as_str().unwrap_or("");
            let unfused = name.replace(", fused", ", unfused");
            let other = rows.iter().find(|other| other["name"] == unfused.as_str());
            let ratio = match other.filter(|_| unfused != name) {
                Some(other) => {
                    format!("{:.2}", number(&other["seconds"]) / number(&row["seconds"]))
                }
                None => String::new(),
            };
            let device = match row["device_seconds"].as_f64() {
                Some(seconds) => format!("{:.2}", 1e6 * seconds),
                None => String::new(),
            };
            line(&format!(
                "| {name} | {:.2} | {device} | {:.1} | {:.1} % | {} | {ratio} |",
                1e6 * number(&row["seconds"]),
                1e-9 * number(&row["flops_per_second"]),
                100.0 * number(&row["share_of_peak"]),
                row["dispatches"],
            ));
            if part == "cnn" {
                let realizations = name.rsplit(' ').next().and_then(|r| r.parse().ok());
                let samples = 32.0 * realizations.unwrap_or(f64::NAN);
                rates.push(format!("{:.0}", samples / number(&row["seconds"])));
            }
        }
        line("");
        if !rates.is_empty() {
            line(&format!("Samples/s: {}.\n", rates.join(" and ")));
        }
    }
    line("## Dispatches of a step, three layers\n");
    match parts["profile"]["found"].as_array() {
        None => line(&format!("{}\n", outcome(&parts["profile"]))),
        Some(rows) => {
            line("| R | kernel | tile | device µs |");
            line("|---|---|---|---|");
            for row in rows {
                let files: Vec<&str> = row["kernel"].as_str().unwrap_or("").split('+').collect();
                let tile = files
                    .iter()
                    .find_map(|file| file.strip_prefix("product/tile/"));
                line(&format!(
                    "| {} | `{}` | {} | {:.2} |",
                    row["realizations"],
                    files[0],
                    tile.unwrap_or(""),
                    1e6 * number(&row["device_seconds"]),
                ));
            }
            line("");
        }
    }
    line("## MNIST\n");
    match parts["mnist"]["found"].as_array() {
        None => line(&format!("{}\n", outcome(&parts["mnist"]))),
        Some(rows) => {
            for row in rows {
                let last = row["epochs"].as_array().and_then(|epochs| epochs.last());
                line(&format!(
                    "R = {}, three layers of {}, {} samples, batches of 128: {:.3} s an epoch, test \
                     accuracy {:.2} % after {}.",
                    row["realizations"],
                    row["width"],
                    row["samples"],
                    number(&row["fastest_epoch_seconds"]),
                    100.0 * last.map_or(f64::NAN, |last| number(&last["test_accuracy"])),
                    last.map_or(Value::Null, |last| last["epoch"].clone()),
                ));
            }
            line("");
        }
    }
    line("## Peers\n");
    line(&peers_table(parts));
    line("## Self-test\n");
    let selftest = &parts["selftest"]["found"];
    let unfinished = outcome(&parts["selftest"]);
    line(match selftest["passed"].as_bool() {
        Some(true) => "All right.",
        Some(false) => "NOT RIGHT: see the JSON file.",
        None => &unfinished,
    });
    page
}

/// The peers' steps beside ours of the same name.
fn peers_table(parts: &Value) -> String {
    let ours = |name: &str| {
        let all = ["steps", "cnn", "matmul"].map(|part| parts[part]["found"].as_array());
        let mut all = all.into_iter().flatten().flatten();
        all.find(|row| row["name"] == name)
            .map(|row| number(&row["seconds"]))
    };
    let mut about = String::new();
    let mut table = "| what | peer | how | theirs µs | ours µs | theirs ÷ ours |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for (part, peer) in [("pytorch", "PyTorch"), ("burn", "burn")] {
        let found = &parts[part]["found"];
        let Some(rows) = found["rows"].as_array() else {
            let _ = writeln!(about, "{peer}: {}\n", outcome(&parts[part]));
            continue;
        };
        let _ = writeln!(
            about,
            "{peer} {} on {}.\n",
            found["version"].as_str().unwrap_or(""),
            found["device"].as_str().unwrap_or("")
        );
        for row in rows {
            let name = row["name"].as_str().unwrap_or("");
            let theirs = number(&row["seconds"]);
            let (ours, ratio) = match ours(name) {
                Some(ours) => (
                    format!("{:.2}", 1e6 * ours),
                    format!("{:.2}", theirs / ours),
                ),
                None => (String::new(), String::new()),
            };
            let how = row["how"].as_str().unwrap_or("");
            let _ = writeln!(
                table,
                "| {name} | {peer} | {how} | {:.2} | {ours} | {ratio} |",
                1e6 * theirs
            );
        }
    }
    about + &table
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

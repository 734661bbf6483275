//! Trains a Bregman network to 98 % test accuracy on MNIST in 20 epochs, as its options stand.

#[path = "train_mnist/device.rs"]
mod device;
#[path = "train_mnist/equilibrium.rs"]
mod equilibrium;
#[path = "train_mnist/follow.rs"]
mod follow;
#[path = "train_mnist/layers.rs"]
mod layers;
#[path = "train_mnist/network.rs"]
mod network;
#[path = "train_mnist/options.rs"]
mod options;
#[path = "train_mnist/pictures.rs"]
mod pictures;
#[path = "train_mnist/report.rs"]
mod report;

#[path = "train_mnist/survive.rs"]
mod survive;

use std::path::Path;
use std::process::ExitCode;

use bregman::atomic_file;
use bregman::checkpoint::{self, Checkpoint, CheckpointFault, Run};
use bregman::data::{self, Request};
use bregman::device::Device;
use bregman::error::{Error, Result};
use bregman::executor::{Executor, Sgd, Split, Splits};
use bregman::gpu;
use bregman::nn::{LayerKind, Model};
use bregman::train::{self, Position, Schedule, Summary};

use bregman::cli::args::invalid;
use bregman::cli::say::{print, say, thousands};
use bregman::cli::stop::{self, STOPPED};
use options::{Options, Resolved};
use report::{CHECKPOINT, Downloads, Progress};
use survive::{Ended, Keeper};

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Options::parse().and_then(|options| pollster::block_on(run(&options))) {
        Ok(Ended::Whole) => ExitCode::SUCCESS,
        Ok(Ended::Stopped) => ExitCode::from(STOPPED),
        Err(error) => {
            say(format_args!("error: {error}"));
            match error {
                // As clap's own exit code for usage errors.
                Error::InvalidOption { .. } | Error::UnknownName { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn run(options: &Options) -> Result<Ended> {
    if let Some(threads) = options.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build_global().map_err(|error| Error::Threads {
            threads,
            message: error.to_string(),
        })?;
    }
    if options.list_adapters {
        let adapters = gpu::adapters().await;
        if adapters.is_empty() {
            match std::env::var("WGPU_BACKEND") {
                Ok(backends) => say(format_args!("no adapters with WGPU_BACKEND={backends}")),
                Err(_) => say("no adapters: there is no Vulkan, Metal or DX12 driver here"),
            }
        }
        let lines: Vec<String> = adapters
            .iter()
            .map(|adapter| format!("{adapter}\n"))
            .collect();
        print(&lines.concat())?;
        return Ok(Ended::Whole);
    }

    if options.equilibrium {
        return equilibrium::run(options).await.map(|()| Ended::Whole);
    }
    let checkpoints = network::load(options)?;
    if options.describe {
        let (splits, _) = load_data(options, checkpoints.as_deref())?;
        let network = network::build(options, checkpoints, &splits.train)?;
        print(&network::table(&network.model))?;
        return Ok(Ended::Whole);
    }
    let device = Device::choose(options.device, options.adapter.clone()).await?;
    let (splits, dataset) = load_data(options, checkpoints.as_deref())?;
    let network = match &options.run {
        Some((_, run)) => network::resumed(run, splits.train.len().div_ceil(options.batch_size)),
        None => network::build(options, checkpoints, &splits.train)?,
    };
    if let Some(folder) = &options.out_dir {
        atomic_file::remove_stale(folder);
        report::check_writable(folder)?;
    }
    if let Some(path) = &options.save {
        checkpoint::check_writable(path, options.realizations)?;
    }

    say(format_args!("device: {}", device.description));
    if let Some(warning) = &device.warning {
        say(format_args!("warning: {warning}"));
    }
    let model = network.model.clone();
    say(format_args!("network: {}", network::describe(&model)));
    note_without_effect(options, device.kind());

    let resolved = Resolved::new(options, &model, &dataset, device.kind(), device.adapter());
    let (kind, adapter) = (device.kind(), device.adapter());
    // A batch never exceeds the samples: nothing is laid out for more.
    let most = splits.train.len().max(splits.test.len());
    let sgd = Sgd {
        batch_size: options.batch_size.min(most),
        learning_rate: options.lr,
    };
    let schedule = Schedule {
        epochs: options.epochs,
        seed: options.seed,
        realizations: options.realizations,
        samples: splits.train.len(),
        batch_size: sgd.batch_size,
        validation: splits.validation.is_some(),
    };
    let settings = options.resolved_settings(&model, &dataset);
    let mut position = Position::default();
    let mut keeper = Keeper {
        path: options.out_dir.as_ref().map(|dir| dir.join(CHECKPOINT)),
        every: options.checkpoint_every,
        run: Run {
            model: model.clone(),
            dataset: dataset.clone(),
            data_sha256: splits.sha256(),
            device: adapter.clone().unwrap_or_else(|| kind.to_owned()),
            options: settings.clone(),
            seed: options.seed,
            position: Position::default(),
            parameters: Vec::new(),
        },
        saved: None,
    };
    if let Some((path, run)) = &options.run {
        position = resumed(path, run, &keeper.run, &schedule)?;
        let own = keeper.path.as_ref() == Some(path);
        keeper.saved = own.then_some(position.epochs.len());
    }
    // The executor takes the data; the pictures show them.
    let test = options.out_dir.as_ref().map(|_| splits.test.clone());
    let mut executor = device::executor(
        device,
        network,
        splits,
        sgd,
        !options.unfused,
        options.storage,
    )
    .await?;

    let (epochs, test_accuracies) = if options.eval_only {
        (
            Vec::new(),
            train::evaluate(&mut executor, Split::Test).await?,
        )
    } else {
        let mut progress = Progress::new(
            schedule,
            sgd.learning_rate,
            &model,
            options.out_dir.as_deref(),
        );
        stop::listen();
        let ended = keeper
            .train(&mut executor, &schedule, &mut position, &mut progress)
            .await?;
        if ended == Ended::Stopped {
            return Ok(ended);
        }
        let last = position.epochs.last().map(|epoch| epoch.test_accuracies);
        (position.epochs.iter().collect(), last.unwrap_or_default())
    };
    // A disk that is full for one of these may have room for the others: each is tried.
    let parameters = match (&options.save, &options.out_dir) {
        (None, None) => Vec::new(),
        _ => executor.parameters().await?,
    };
    let saved = match &options.save {
        Some(path) => checkpoint::save(path, &model, &dataset, &parameters),
        None => Ok(Vec::new()),
    };
    for path in saved.iter().flatten() {
        say(format_args!("saved {}", path.display()));
    }
    let summary = Summary::new(resolved, dataset, kind, adapter, epochs, test_accuracies);
    let written = options.out_dir.as_ref().map_or(Ok(()), |folder| {
        report::write_results(folder, &summary, &settings)?;
        if let (Some(parameters), Some(test)) = (parameters.first(), &test) {
            let caption = report::caption(&summary, options);
            pictures::write(folder, &model, parameters, &summary.epochs, test, &caption)?;
        }
        say(format_args!("results in {}", folder.display()));
        Ok(())
    });
    let printed = if options.json {
        print(&(report::json(&summary) + "\n"))
    } else {
        print_result(&summary, &model, kind)
    };
    saved.and(written).and(printed).map(|()| Ended::Whole)
}

/// Where the run in `path` goes on, if it is `now`, with the same data.
fn resumed(path: &Path, run: &Run, now: &Run, schedule: &Schedule) -> Result<Position> {
    let position = run.position.clone();
    if run.data_sha256 != now.data_sha256 {
        return Err(Error::OtherRun {
            path: path.to_owned(),
            option: "data with the sha256".to_owned(),
            found: run.data_sha256.clone(),
            given: now.data_sha256.clone(),
        });
    }
    if position.steps > schedule.steps() {
        return Err(Error::Checkpoint {
            path: path.to_owned(),
            fault: CheckpointFault::Metadata {
                key: "step",
                value: position.steps.to_string(),
                reason: format!("an epoch has {} steps", schedule.steps()),
            },
        });
    }
    let place = match position.steps {
        0 => String::new(),
        steps => format!(" and {steps} of {} steps", schedule.steps()),
    };
    say(format_args!(
        "resuming {} after {} epochs{place}",
        path.display(),
        position.epochs.len()
    ));
    if run.device != now.device {
        say(format_args!(
            "note: the run was on {}, and goes on on {}: it is the same network, rounded otherwise",
            run.device, now.device
        ));
    }
    Ok(position)
}

/// The one line on standard output.
fn print_result(summary: &Summary<Resolved>, model: &Model, kind: &str) -> Result<()> {
    let trained = match summary.samples_per_second {
        Some(rate) => format!(
            ", {} epochs in {} of training, {rate:.0} samples/s",
            summary.epochs.len(),
            bregman::cli::say::duration(summary.seconds),
        ),
        None => String::new(),
    };
    print(&format!(
        "test accuracy {} on {} ({} on {kind}{trained})\n",
        bregman::cli::say::percent(&summary.test_accuracies),
        summary.dataset,
        model.kind.name(),
    ))
}

/// The data, split, and its name for reports.
fn load_data(options: &Options, checkpoints: Option<&[Checkpoint]>) -> Result<(Splits, String)> {
    // Evaluation needs no training files.
    let train_limit = if options.eval_only {
        Some(0)
    } else {
        options.limit_train
    };
    let request = Request {
        // A checkpoint is evaluated on, or trained further with, what it was trained on.
        dataset: options
            .dataset
            .clone()
            .or(checkpoints.map(|c| c[0].dataset.clone())),
        data_dir: options.data_dir.clone(),
        limit: Some((
            train_limit.unwrap_or(usize::MAX),
            options.limit_test.unwrap_or(usize::MAX),
        )),
    };
    let data::Loaded {
        mut train,
        test,
        notes,
    } = {
        let mut downloads = Downloads::default();
        data::load(&request, &mut |progress| downloads.show(progress))?
    };
    for note in notes {
        say(format_args!("note: {note}"));
    }
    if options.eval_only {
        // A data set to train on is never empty.
        train = test.clone();
        train.truncate(1);
    }
    if train.name == "digits" && options.data_dir.is_some() {
        say("note: --data-dir has no effect: digits are drawn, not read; see --dataset");
    }
    let limits = [
        ("--limit-train", train_limit, "training", train.len()),
        ("--limit-test", options.limit_test, "test", test.len()),
    ];
    for (option, limit, which, there) in limits {
        if limit.is_some_and(|limit| limit > there) {
            say(format_args!(
                "note: {option}: there are {there} {which} samples; all are used"
            ));
        }
    }
    let validation = match options.validation {
        Some(held_out) if held_out >= train.len() => {
            let reason = format!(
                "of {} training samples at least one must be left",
                train.len()
            );
            return Err(invalid("--validation", held_out, reason));
        }
        Some(held_out) => Some(train.split_off(held_out)),
        None => None,
    };
    let mut parts = vec![format!("{} test samples", thousands(test.len()))];
    if let Some(validation) = &validation {
        parts.insert(0, format!("{} validation", thousands(validation.len())));
    }
    if !options.eval_only {
        parts.insert(0, format!("{} training", thousands(train.len())));
    }
    say(format_args!("data: {} ({})", train.name, parts.join(", ")));
    let name = train.name.clone();
    Ok((
        Splits {
            train,
            validation,
            test,
        },
        name,
    ))
}

/// Says which of the options given do nothing here.
fn note_without_effect(options: &Options, device: &str) {
    let note = |option: &str, reason: &str| {
        say(format_args!("note: {option} has no effect: {reason}"));
    };
    if options.unfused && device == "cpu" {
        note("--unfused", "it chooses between kernels for adapters");
    }
    if options.given("threads") && device == "gpu" {
        note("--threads", "the adapter does the work");
    }
    if options.given("init") && options.load.is_some() {
        note("--init", "the parameters are those loaded");
    }
    for (name, option) in [
        ("cnn", "--cnn"),
        ("conv_activation", "--conv-activation"),
        ("dropout", "--dropout"),
    ] {
        if options.given(name) && options.load.is_some() {
            note(option, "the network is the one loaded");
        }
    }
    if options.given("form") && options.layer != LayerKind::Bregman {
        note("--form", "only Bregman layers have two forms");
    }
    for (name, option) in [("epochs", "--epochs"), ("lr", "--lr"), ("init", "--init")] {
        if options.eval_only && options.given(name) {
            note(option, "--eval-only trains nothing");
        }
    }
}

//! Training of one Bregman layer at its limit of infinite depth.

use std::path::PathBuf;
use std::sync::Arc;

use super::load::{Data, load_data};
use super::network::{Cells, MAX_SAMPLES, aligned};
use super::options::{Options, Resolved};
use super::prepare::{batch_size, check_vacant, claim, course, note_without_effect};
use super::report::{Results, evaluated};
use crate::bilevel::equilibrium::{AnyEquilibrium, Equilibrium, Solver, checkpoint};
use crate::cli::progress::Progress;
use crate::cli::say::{announce_device, plural, print, say, thousands, warn};
use crate::cli::{Ended, stop};
use crate::data::Split;
use crate::device::Device;
use crate::error::Result;
use crate::files::atomic;
use crate::memory;
use crate::optim::Sgd;
use crate::train::events::MetricsFile;
use crate::train::{self, Position};

/// Trains, evaluates or prints the layer that `options` describe.
///
/// # Errors
/// Those of the data, the checkpoint, the device and of training.
pub async fn run(options: &Options) -> Result<Ended> {
    let solver = Solver {
        tolerance: options.tolerance,
        max_iterations: options.max_iterations,
        ..Solver::DEFAULT
    };
    let mut options = options.clone();
    let saved = match &options.load {
        Some(path) => Some(checkpoint::load(path, solver)?),
        None => None,
    };
    if let Some((_, _, dataset)) = &saved {
        options.dataset.get_or_insert_with(|| dataset.clone());
    }
    let device = match options.describe {
        true => None,
        false => Some(Device::choose(options.device, options.adapter.clone()).await?),
    };
    let Data {
        splits,
        name: dataset,
        ..
    } = load_data(&options, None)?;
    let (equilibrium, parameters) = match saved {
        Some((equilibrium, parameters, _)) => (equilibrium, Some(parameters)),
        None => {
            let shape = [splits.train.features(), options.width, splits.train.classes];
            check_memory(&options, shape)?;
            let mut equilibrium =
                Equilibrium::new(options.activation, options.loss, shape, solver)?;
            if let Some([low, high]) = options.input_range {
                equilibrium.model = equilibrium.model.with_input_range(low, high)?;
            }
            (equilibrium, None)
        }
    };
    let Some(device) = device else {
        print(&table(&equilibrium))?;
        return Ok(Ended::Whole);
    };
    let _lock = claim(&options)?;
    if let Some(path) = saved_when_stopped(&options).filter(|_| !options.eval_only) {
        atomic::check_writable(&path)?;
    }
    let parameters = parameters.unwrap_or_else(|| equilibrium.initial(options.seed.first()));

    announce_device(&device);
    say(format_args!("network: {}", describe(&equilibrium)));
    let (kind, adapter) = (device.kind(), device.adapter());
    note_without_effect(&options, kind);
    let model = equilibrium.model.clone();
    let results = Results {
        resolved: Resolved::new(&options, &model, &dataset, kind, adapter.clone()),
        settings: options.resolved_settings(&model, &dataset),
        model,
        dataset,
        kind,
        adapter,
        data_sha256: splits.sha256(),
        splits: Arc::clone(&splits),
    };
    if !options.eval_only {
        let folder = options.out_dir.as_deref();
        check_vacant(&options, folder, &results.settings, &results.data_sha256)?;
    }
    let sgd = Sgd {
        batch_size: batch_size(&options, &splits),
        learning_rate: options.learning_rates().first(),
    };
    let course = course(&options, &splits, 1);
    let schedule = course.schedule;
    let executor =
        AnyEquilibrium::new(device.gpu, &equilibrium, (*splits).clone(), parameters, sgd);
    let mut executor = executor.await?;

    let width = equilibrium.width();
    let mut position = Position::default();
    let outcomes = if options.eval_only {
        let outcomes = evaluated(&train::evaluate(&mut executor, Split::Test).await?);
        say(format_args!("  {}", executor.take_report().describe(width)));
        outcomes
    } else {
        stop::listen();
        let mut progress = Progress::new(schedule, false);
        // Its metrics stay if the run is stopped or killed.
        let mut so_far = match &options.out_dir {
            Some(folder) => Some(MetricsFile::begin(folder, &position)?),
            None => None,
        };
        for epoch in 1..=schedule.epochs {
            train::train_course(
                &mut executor,
                &course,
                &mut position,
                &mut progress,
                epoch,
                &stop::requested,
            )
            .await?;
            if position.epochs.len() < epoch as usize {
                break;
            }
            if let (Some(file), Some(metrics)) = (&mut so_far, position.epochs.last())
                && let Err(error) = file.add(&metrics)
            {
                warn(&error);
                so_far = None;
            }
            say(format_args!("  {}", executor.take_report().describe(width)));
        }
        course.outcomes(&position)
    };
    let is_whole = options.eval_only
        || position.epochs.len() == schedule.epochs as usize
        || course.is_over(&position);
    let place = match is_whole {
        true => options.save.clone(),
        false => saved_when_stopped(&options),
    };
    if let Some(path) = &place {
        let parameters = course.networks(&mut executor, &position).await?;
        let parameters = parameters.into_iter().flatten();
        for parameters in parameters.take(1) {
            checkpoint::save(path, &equilibrium, &results.dataset, &parameters)?;
            say(format_args!("saved {}", path.display()));
        }
    }
    if !is_whole {
        say(format_args!(
            "stopped in epoch {}, after {} of {}; {}",
            position.epochs.len() + 1,
            position.steps,
            plural(schedule.steps(), "step"),
            match &place {
                Some(_) if position.kept.iter().any(Option::is_some) => {
                    "the network of the best epoch is saved, and --load trains it further"
                }
                Some(_) => "the network is saved as it was then, and --load trains it further",
                None => {
                    "nothing was saved: --save or --out-dir keeps the network of a run that is \
                     stopped"
                }
            }
        ));
        return Ok(Ended::Stopped);
    }
    results.report_saved(&options, &position, outcomes, &[])
}

/// The name of the network of a run that was stopped, in the folder of its results.
const STOPPED: &str = "network.safetensors";

/// The file for the network of a run that is stopped: that of `save`, else one in the folder of the results;
/// none if there is neither.
fn saved_when_stopped(options: &Options) -> Option<PathBuf> {
    let folder = options.out_dir.as_ref();
    let in_folder = folder.map(|folder| folder.join(STOPPED));
    options.save.clone().or(in_folder)
}

/// Refuses, before anything is allocated, a layer that cannot fit into this machine's memory: U, V and
/// the head, their gradients, W and its factors, and what is kept of a batch.
fn check_memory(options: &Options, shape: [usize; 3]) -> Result<()> {
    let [features, width, outputs] = shape.map(|n| n as u128);
    let square = width.saturating_mul(width);
    let others = width.saturating_mul(features + outputs + 1);
    let batch = options.batch_size.min(MAX_SAMPLES) as u128;
    let numbers = square
        .saturating_mul(4)
        .saturating_add(others.saturating_mul(2))
        .saturating_add(batch.saturating_mul(width.saturating_mul(3)));
    memory::check(numbers.saturating_mul(4))
}

/// The table of the layer.
fn table(equilibrium: &Equilibrium) -> String {
    let (model, n) = (&equilibrium.model, equilibrium.width());
    let (features, outputs) = (model.inputs(), model.head.outputs);
    let name = format!("equilibrium, {}", model.activation_name());
    let rows = [
        ("pixels", features, 0, 0),
        ("Ux + b", n, n * features + n, 2 * n * features),
        (&name, n, n * n, 2 * n * n),
        ("linear", outputs, n * outputs + outputs, 2 * n * outputs),
    ];
    let sum = |of: fn(&(&str, usize, usize, usize)) -> usize| rows.iter().map(of).sum::<usize>();
    let (parameters, flops) = (sum(|row| row.2), sum(|row| row.3));
    let mut cells: Vec<Cells> = rows
        .iter()
        .map(|&(layer, output, parameters, flops)| {
            let [parameters, flops] = [parameters, flops].map(thousands);
            [layer.to_owned(), output.to_string(), parameters, flops]
        })
        .collect();
    let all = "all, with one iteration".to_owned();
    cells.push([all, String::new(), thousands(parameters), thousands(flops)]);
    aligned(cells)
}

/// One line on the layer.
fn describe(equilibrium: &Equilibrium) -> String {
    let (model, solver) = (&equilibrium.model, &equilibrium.solver);
    format!(
        "{} → {} ↺ → {}, equilibrium, {}, λ(W) in [{:.2}, {:.2}], tolerance {:e}, at most {} \
         iterations",
        model.inputs(),
        equilibrium.width(),
        model.head.outputs,
        model.activation_name(),
        -(2.0 - f64::from(equilibrium.delta)) * model.layers[0].activation.sigma,
        -equilibrium.delta,
        solver.tolerance,
        solver.max_iterations,
    )
}

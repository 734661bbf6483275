//! Training of one Bregman layer at its limit of infinite depth.

use super::options::{Options, Resolved};
use super::prepare::{announce_device, load_data, schedule, sgd};
use super::report::Results;
use crate::bilevel::equilibrium::{AnyEquilibrium, Equilibrium, Solver, checkpoint};
use crate::cli::Ended;
use crate::cli::progress::Progress;
use crate::cli::say::say;
use crate::data::Split;
use crate::device::Device;
use crate::error::Result;
use crate::executor::Executor;
use crate::files::atomic;
use crate::train::{self, Position, events};

/// Trains or evaluates the layer that `options` describe.
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
    let device = Device::choose(options.device, options.adapter.clone()).await?;
    let (splits, dataset) = load_data(&options, None)?;
    let (equilibrium, parameters) = match saved {
        Some((equilibrium, parameters, _)) => (equilibrium, parameters),
        None => {
            let shape = [splits.train.features(), options.width, splits.train.classes];
            let mut equilibrium =
                Equilibrium::new(options.activation, options.loss, shape, solver)?;
            if let Some([low, high]) = options.input_range {
                equilibrium.model = equilibrium.model.with_input_range(low, high)?;
            }
            let parameters = equilibrium.initial(options.seed);
            (equilibrium, parameters)
        }
    };
    if let Some(folder) = &options.out_dir {
        events::check_writable(folder)?;
    }
    if let Some(path) = &options.save {
        atomic::check_writable(path)?;
    }

    announce_device(&device);
    say(format_args!("network: {}", describe(&equilibrium)));
    let (kind, adapter) = (device.kind(), device.adapter());
    let model = equilibrium.model.clone();
    let results = Results {
        resolved: Resolved::new(&options, &model, &dataset, kind, adapter.clone()),
        settings: options.resolved_settings(&model, &dataset),
        model,
        dataset,
        kind,
        adapter,
        test: None,
    };
    let (sgd, schedule) = (sgd(&options, &splits), schedule(&options, &splits, 1));
    let executor = AnyEquilibrium::new(device.gpu, &equilibrium, splits, parameters, sgd);
    let mut executor = executor.await?;

    let width = equilibrium.width();
    let mut position = Position::default();
    let test_accuracies = if options.eval_only {
        let accuracies = train::evaluate(&mut executor, Split::Test).await?;
        say(format_args!("  {}", executor.take_report().describe(width)));
        accuracies
    } else {
        let mut progress = Progress::new(schedule);
        for epoch in 1..=schedule.epochs {
            train::train_until(
                &mut executor,
                &schedule,
                &mut position,
                &mut progress,
                epoch,
                &|| false,
            )
            .await?;
            say(format_args!("  {}", executor.take_report().describe(width)));
        }
        let last = position.epochs.last();
        last.map(|epoch| epoch.test_accuracies).unwrap_or_default()
    };
    if let Some(path) = &options.save {
        let parameters = executor.parameters().await?;
        checkpoint::save(path, &equilibrium, &results.dataset, &parameters[0])?;
        say(format_args!("saved {}", path.display()));
    }
    results.report_saved(&options, &position, test_accuracies, &[])
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
        model.activation.name,
        -(2.0 - f64::from(equilibrium.delta)) * model.activation.sigma,
        -equilibrium.delta,
        solver.tolerance,
        solver.max_iterations,
    )
}

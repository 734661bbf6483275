//! Training of one Bregman layer at its limit.

use std::ops::Range;
use std::sync::Arc;

use bregman::atomic_file;
use bregman::bilevel::equilibrium::{
    CpuEquilibrium, Equilibrium, GpuEquilibrium, Gradient, Solver, SolverReport, checkpoint,
};
use bregman::device::Device;
use bregman::error::Result;
use bregman::executor::{BatchMetrics, Executor, Sgd, Split};
use bregman::nn::Parameters;
use bregman::train::{self, Position, Schedule, Summary};

use crate::options::{Options, Resolved};
use crate::report::{self, Progress};
use crate::{load_data, print_result};
use bregman::cli::say::{print, say};

/// The layer on either kind of device.
enum AnyEquilibrium {
    Cpu(Box<CpuEquilibrium>),
    Gpu(Box<GpuEquilibrium>),
}

impl AnyEquilibrium {
    fn take_report(&mut self) -> SolverReport {
        match self {
            Self::Cpu(executor) => executor.take_report(),
            Self::Gpu(executor) => executor.take_report(),
        }
    }
}

impl Executor for AnyEquilibrium {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        match self {
            Self::Cpu(executor) => executor.train_steps(orders, steps, progress).await,
            Self::Gpu(executor) => executor.train_steps(orders, steps, progress).await,
        }
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        match self {
            Self::Cpu(executor) => executor.evaluate(split).await,
            Self::Gpu(executor) => executor.evaluate(split).await,
        }
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        match self {
            Self::Cpu(executor) => executor.parameters().await,
            Self::Gpu(executor) => executor.parameters().await,
        }
    }
}

/// Trains, or evaluates, what `options` say.
///
/// # Errors
/// Those of the data, the checkpoint, the device and of training.
pub async fn run(options: &Options) -> Result<()> {
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
        report::check_writable(folder)?;
    }
    if let Some(path) = &options.save {
        atomic_file::check_writable(path)?;
    }

    say(format_args!("device: {}", device.description));
    if let Some(warning) = &device.warning {
        say(format_args!("warning: {warning}"));
    }
    let model = equilibrium.model.clone();
    let width = equilibrium.width();
    say(format_args!(
        "network: {} → {width} ↺ → {}, equilibrium, {}, λ(W) in [{:.2}, {:.2}], tolerance {:e}, at \
         most {} iterations",
        model.inputs(),
        model.head.outputs,
        model.activation.name,
        -(2.0 - f64::from(equilibrium.delta)) * model.activation.sigma,
        -equilibrium.delta,
        solver.tolerance,
        solver.max_iterations,
    ));
    let settings = options.resolved_settings(&model, &dataset);
    let (kind, adapter) = (device.kind(), device.adapter());
    let resolved = Resolved::new(&options, &model, &dataset, kind, device.adapter());
    let most = splits.train.len().max(splits.test.len());
    let sgd = Sgd {
        batch_size: options.batch_size.min(most),
        learning_rate: options.lr,
    };
    let schedule = Schedule {
        epochs: options.epochs,
        seed: options.seed,
        realizations: 1,
        samples: splits.train.len(),
        batch_size: sgd.batch_size,
        validation: splits.validation.is_some(),
    };
    let mut executor = match device.gpu {
        None => {
            let splits = Arc::new(splits);
            let way = Gradient::Implicit;
            let executor = CpuEquilibrium::new(&equilibrium, splits, parameters, sgd, way)?;
            AnyEquilibrium::Cpu(Box::new(executor))
        }
        Some(gpu) => {
            let executor = GpuEquilibrium::new(gpu, &equilibrium, &splits, &parameters, sgd);
            AnyEquilibrium::Gpu(Box::new(executor.await?))
        }
    };

    let mut position = Position::default();
    let test_accuracies = if options.eval_only {
        let accuracies = train::evaluate(&mut executor, Split::Test).await?;
        say(format_args!("  {}", executor.take_report().describe(width)));
        accuracies
    } else {
        let mut progress = Progress::new(schedule, options.lr, &model, options.out_dir.as_deref());
        for epoch in 1..=schedule.epochs {
            let stop = &|| false;
            train::train_until(
                &mut executor,
                &schedule,
                &mut position,
                &mut progress,
                epoch,
                stop,
            )
            .await?;
            say(format_args!("  {}", executor.take_report().describe(width)));
        }
        let last = position.epochs.last();
        last.map(|epoch| epoch.test_accuracies).unwrap_or_default()
    };
    if let Some(path) = &options.save {
        let parameters = executor.parameters().await?;
        checkpoint::save(path, &equilibrium, &dataset, &parameters[0])?;
        say(format_args!("saved {}", path.display()));
    }
    let summary = Summary::new(
        resolved,
        dataset,
        kind,
        adapter,
        position.epochs.iter().collect(),
        test_accuracies,
    );
    if let Some(folder) = &options.out_dir {
        report::write_results(folder, &summary, &settings)?;
        say(format_args!("results in {}", folder.display()));
    }
    if options.json {
        print(&(report::json(&summary) + "\n"))
    } else {
        print_result(&summary, &model, kind)
    }
}

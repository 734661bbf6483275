//! Trains every cell of the paper's Table 2: 7 networks × 3 layers, mean and standard deviation.

mod deep;
mod figures;
mod options;
mod recipe;
mod report;
use bregman::cli::stop;
mod train;

use std::process::ExitCode;
use std::time::Instant;

use bregman::data::{self, Loaded, Request};
use bregman::error::{Error, Result};
use bregman::executor::Splits;
use bregman::nn::LayerKind;
use bregman::train::mean;

use options::Options;
use recipe::{Recipe, Row};
use report::{Cell, Results, Trial, percent, say};
use train::Device;

/// Samples held out of the training set to choose recipes by.
const VALIDATION: usize = 10_000;
/// What `--quick` takes of the training and of the test set.
const QUICK: (usize, usize) = (2_000, 1_000);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match pollster::block_on(run(&Options::read())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say(format_args!(
                "stopped; what was kept is in the folder of the results; go on with\n  {}",
                stop::command_line(std::env::args().skip(1))
            ));
            ExitCode::from(stop::STOPPED)
        }
        Err(error) => {
            say(format_args!("error: {error}"));
            match error {
                Error::InvalidOption { .. } | Error::UnknownName { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Makes what was asked for; false if it was asked to stop before.
async fn run(options: &Options) -> Result<bool> {
    options.check()?;
    let device = Device::choose(options.device).await?;
    say(format_args!("device: {}", device.description()));
    stop::listen();
    if options.figures {
        let whole = deep::train(options, &device).await?;
        figures::draw(&options.out_dir)?;
        return Ok(whole);
    }
    for row in &options.rows() {
        let mut loaded = None;
        if options.grid {
            if !grid(options, row, &device, &mut loaded).await? {
                return Ok(false);
            }
            continue;
        }
        for &layer in &options.layers() {
            let whole = if options.learning_rates {
                rates(options, row, layer, &device, &mut loaded).await?
            } else {
                cell(options, row, layer, &device, &mut loaded).await?
            };
            if !whole {
                return Ok(false);
            }
        }
    }
    // Written even if nothing was left to train: a table of what there is.
    let results = Results::read(&options.out_dir)?;
    results.write(&options.out_dir)?;
    report::print(&results.markdown())?;
    Ok(true)
}

/// The data of a row, loaded when its first cell is trained.
fn data<'a>(options: &Options, row: &Row, loaded: &'a mut Option<Loaded>) -> Result<&'a Loaded> {
    if loaded.is_none() {
        let request = Request {
            dataset: Some(row.dataset.to_owned()),
            data_dir: options.data_dir.clone(),
            limit: options.quick.then_some(QUICK),
        };
        let found = data::load(&request, &mut |_| {})?;
        for note in &found.notes {
            say(format_args!("note: {note}"));
        }
        *loaded = Some(found);
    }
    Ok(loaded.as_ref().expect("loaded above"))
}

/// Trains a cell, unless it is there; to one with fewer runs only those that lack are added. False if it
/// was asked to stop before its end.
async fn cell(
    options: &Options,
    row: &'static Row,
    layer: LayerKind,
    device: &Device,
    loaded: &mut Option<Loaded>,
) -> Result<bool> {
    let recipe = Recipe::of(row, options);
    let runs = options.runs();
    let name = format!("{} {}", row.name, layer.name());
    let mut cell = Results::read(&options.out_dir)?
        .cell(row, layer)
        .cloned()
        .filter(|cell| cell.recipe == recipe)
        .unwrap_or_else(|| Cell::new(row, layer, recipe));
    if cell.runs >= runs {
        say(format_args!(
            "{name}: done before, {}",
            percent(&cell.accuracies)
        ));
        return Ok(true);
    }
    let data = data(options, row, loaded)?;
    let splits = Splits {
        train: cell.recipe.training_set(data.train.clone()),
        validation: None,
        test: data.test.clone(),
    };
    let model = cell.recipe.model(layer, &data.train)?;
    let seeds = cell.runs as u64..runs as u64;
    let checkpoint = format!("{}-{}.safetensors", row.name, layer.name());
    let checkpoint = options.out_dir.join(checkpoint);
    let kept = Some(checkpoint.as_path());
    let training = train::train(&name, &model, &cell.recipe, splits, seeds, device, kept);
    let trained = training.await.inspect_err(|_| {
        if checkpoint.exists() {
            let path = checkpoint.display();
            say(format_args!(
                "{path} is intact; the same command goes on from it"
            ));
        }
    })?;
    let Some(trained) = trained else {
        return Ok(false);
    };
    cell.add(&trained.accuracies, trained.seconds);
    cell.device = device.description().to_owned();
    cell.test_images = data.test.len();
    say(format_args!(
        "{name}: {} ({runs} runs, paper {:.2} %), {:.0} s",
        percent(&cell.accuracies),
        100.0 * cell.paper,
        cell.seconds,
    ));
    // Read again: another process may have finished other cells meanwhile.
    let mut results = Results::read(&options.out_dir)?;
    results.add(cell);
    results.write(&options.out_dir)?;
    // The cell is done. A checkpoint that stays is of runs that no one asks for again.
    let _ = std::fs::remove_file(&checkpoint);
    Ok(true)
}

/// Trains a row's network once at each learning rate, and reports the accuracy on the validation
/// split. False if it was asked to stop before the last.
async fn rates(
    options: &Options,
    row: &'static Row,
    layer: LayerKind,
    device: &Device,
    loaded: &mut Option<Loaded>,
) -> Result<bool> {
    for learning_rate in recipe::LEARNING_RATES {
        let recipe = Recipe::of(row, options).at_constant(learning_rate);
        let name = format!("{} {} at {learning_rate}", row.name, layer.name());
        if Results::read(&options.out_dir)?.has_rate(row, layer, &recipe) {
            continue;
        }
        let data = data(options, row, loaded)?;
        let trial = validate(&name, row, layer, recipe, device, data).await?;
        let Some(trial) = trial else {
            return Ok(false);
        };
        let mut results = Results::read(&options.out_dir)?;
        results.add_rate(trial);
        results.write(&options.out_dir)?;
    }
    Ok(true)
}

/// Trains a Bregman network by each recipe of a row's grid, and reports the accuracy on the
/// validation split. False if it was asked to stop before the last.
async fn grid(
    options: &Options,
    row: &'static Row,
    device: &Device,
    loaded: &mut Option<Loaded>,
) -> Result<bool> {
    for settings in row.grid() {
        let recipe = Recipe::with(row, &settings, options);
        if Results::read(&options.out_dir)?.has_trial(row, &recipe) {
            continue;
        }
        let name = format!("{}, {}", row.name, recipe.describe());
        let data = data(options, row, loaded)?;
        let trial = validate(&name, row, LayerKind::Bregman, recipe, device, data).await?;
        let Some(trial) = trial else {
            return Ok(false);
        };
        let mut results = Results::read(&options.out_dir)?;
        results.add_trial(trial);
        results.write(&options.out_dir)?;
    }
    Ok(true)
}

/// Trains one network on what is left of the training set without the validation split; the
/// accuracy on that, unless it was asked to stop. The test set stays out of all choices.
async fn validate(
    name: &str,
    row: &Row,
    layer: LayerKind,
    recipe: Recipe,
    device: &Device,
    data: &Loaded,
) -> Result<Option<Trial>> {
    let mut train = data.train.clone();
    let held_out = train.split_off(VALIDATION.min(train.len() / 5));
    let splits = Splits {
        train: recipe.training_set(train),
        validation: None,
        test: held_out,
    };
    let started = Instant::now();
    let model = recipe.model(layer, &data.train)?;
    let accuracy = match train::train(name, &model, &recipe, splits, 0..1, device, None).await {
        Ok(None) => return Ok(None),
        Ok(Some(trained)) => trained.accuracies.last().map(|accuracies| mean(accuracies)),
        Err(Error::Diverged { .. }) => None,
        Err(error) => return Err(error),
    };
    let seconds = started.elapsed().as_secs_f64();
    let result = accuracy.map_or("diverged".to_owned(), |accuracy| percent(&[accuracy]));
    say(format_args!("{name}: validation {result}, {seconds:.0} s"));
    Ok(Some(Trial {
        row: row.name.to_owned(),
        layer: layer.name().to_owned(),
        validation_accuracy: accuracy,
        seconds,
        recipe,
    }))
}

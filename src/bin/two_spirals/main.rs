//! Trains the paper's networks on two spirals, thousands of runs at once, and draws its Figures 4 to
//! 6. Bregman layers end at half the loss of standard ones, as in the paper.

mod figures;
mod keep;
mod options;
mod report;
mod results;
use bregman::cli::stop;
mod train;

use std::process::ExitCode;

use bregman::atomic_file;
use bregman::data::spirals::Spirals;
use bregman::device::Device;
use bregman::error::{Error, Result};

use options::Options;
use report::{print, say};
use results::Row;
use train::Trainer;

/// Points of a class, in the training set and in the test set.
const PER_CLASS: usize = 500;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Options::read().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(stop::STOPPED),
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

/// Makes all figures; false if it was asked to stop before.
fn run(options: &Options) -> Result<bool> {
    let device = pollster::block_on(Device::choose(options.device, options.adapter.clone()))?;
    let results = options.out_dir.join("results.json");
    atomic_file::check_writable(&results)?;
    atomic_file::remove_stale(&options.out_dir);
    say(format_args!("device: {}", device.description));
    if let Some(warning) = &device.warning {
        say(format_args!("warning: {warning}"));
    }
    let data = Spirals::draw(PER_CLASS, options.seed).map(|s| s.within(options.activation));
    let mut trainer = Trainer::new(device, data, options);
    figures::check_kept(options, &trainer)?;
    stop::listen();
    let mut rows: Vec<Row> = Vec::new();
    for figure in options.figures() {
        match figures::make(figure, options, &mut trainer)? {
            Some(of_figure) => rows.extend(of_figure),
            None => return Ok(false),
        }
    }
    let json = serde_json::to_string_pretty(&rows).expect("numbers and strings serialize");
    atomic_file::write(&results, (json + "\n").as_bytes())?;
    print(&results::tables(&rows))?;
    say(format_args!("results in {}", options.out_dir.display()));
    Ok(true)
}

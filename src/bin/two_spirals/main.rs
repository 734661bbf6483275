//! Trains the paper's networks on two spirals, thousands of runs at once, and draws its Figures 4 to
//! 6. Bregman layers end at half the loss of standard ones, as in the paper.

mod figures;
mod options;
mod report;
mod results;
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            match error {
                // As clap's own exit code for usage errors.
                Error::InvalidOption { .. } | Error::UnknownName { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let device = pollster::block_on(Device::choose(options.device, options.adapter.clone()))?;
    let results = options.out_dir.join("results.json");
    atomic_file::check_writable(&results)?;
    say(&format!("device: {}", device.description));
    if let Some(warning) = &device.warning {
        say(&format!("warning: {warning}"));
    }
    let data = Spirals::draw(PER_CLASS, options.seed).map(|s| s.within(options.activation));
    let mut trainer = Trainer::new(device, data);
    let mut rows: Vec<Row> = Vec::new();
    for figure in options.figures() {
        rows.extend(figures::make(figure, options, &mut trainer)?);
    }
    let json = serde_json::to_string_pretty(&rows).expect("numbers and strings serialize");
    atomic_file::write(&results, (json + "\n").as_bytes())?;
    print(&results::tables(&rows))?;
    say(&format!("results in {}", options.out_dir.display()));
    Ok(())
}

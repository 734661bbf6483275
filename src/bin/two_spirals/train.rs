//! Sweeps on the device that was chosen, checked before they are believed.

use std::time::Instant;

use bregman::data::spirals::Spirals;
use bregman::device::Device;
use bregman::error::{Error, Result};
use bregman::gpu::ops::sweep::MAX_LAYERS;
use bregman::nn::Model;
use bregman::selftest::checks::Checks;
use bregman::selftest::sweeps::first_steps;
use bregman::sweep::{self, Record, Sweep};

use crate::report::{Progress, say};

/// The device, and the points.
pub struct Trainer {
    device: Device,
    /// Those to train on.
    pub data: Spirals,
    /// Those to test on.
    pub test: Spirals,
    /// The networks whose first steps were checked, by their description.
    checked: Vec<(bool, String)>,
}

/// What sweeps gave, and how fast.
pub struct Trained {
    /// By sweep.
    pub records: Vec<Record>,
    /// Of all of them together.
    pub steps_per_second: f64,
    /// The device that trained them: "cpu", or the adapter's name.
    pub device: String,
}

impl Trainer {
    /// On `device`, with training and test points.
    pub fn new(device: Device, [data, test]: [Spirals; 2]) -> Self {
        Self {
            device,
            data,
            test,
            checked: Vec::new(),
        }
    }

    /// Trains all runs of `sweeps`.
    ///
    /// # Errors
    /// Those of [`sweep::cpu::train`] and [`sweep::gpu::train`]; [`Error::Gpu`] if the adapter's
    /// first steps are not the reference's.
    pub fn train(&mut self, name: &str, sweeps: &[Sweep]) -> Result<Trained> {
        let layers = sweeps.iter().map(|s| s.model.layers.len()).max();
        let on_gpu = self.device.gpu.is_some() && layers.is_some_and(|l| l <= MAX_LAYERS);
        if self.device.gpu.is_some() && !on_gpu {
            say(&format!(
                "note: {name} has more than {MAX_LAYERS} layers and is trained on the processor"
            ));
        }
        for sweep in sweeps {
            self.check(on_gpu, &sweep.model)?;
        }
        let steps = |s: &Sweep| s.steps(self.data.len()) * s.runs.len() as u64;
        let total: u64 = sweeps.iter().map(steps).sum();
        let progress = Progress::new(name, total);
        let start = Instant::now();
        let records = match &mut self.device.gpu {
            Some(gpu) if on_gpu => {
                let mut records = Vec::new();
                for sweep in sweeps {
                    let clock = || start.elapsed();
                    let mut told = |steps| progress.add(steps);
                    let training = sweep::gpu::train(gpu, sweep, &self.data, &clock, &mut told);
                    records.push(pollster::block_on(training)?);
                }
                records
            }
            _ => sweep::cpu::train(sweeps, &self.data, &|steps| progress.add(steps))?,
        };
        let seconds = start.elapsed().as_secs_f64();
        progress.finish();
        let steps_per_second = total as f64 / seconds.max(1e-9);
        say(&format!(
            "{name}: {total} steps in {seconds:.1} s, {steps_per_second:.3e} steps/s"
        ));
        let adapter = self.device.adapter().filter(|_| on_gpu);
        Ok(Trained {
            records,
            steps_per_second,
            device: adapter.unwrap_or_else(|| "cpu".to_owned()),
        })
    }

    /// The first 20 steps of 8 runs of `model`, against the reference.
    fn check(&mut self, on_gpu: bool, model: &Model) -> Result<()> {
        let described = format!(
            "{} {} {} {} {}",
            model.kind.name(),
            model.form.name(),
            model.activation.name,
            model.loss.name(),
            model.layers.len()
        );
        let key = (on_gpu, described);
        if self.checked.contains(&key) {
            return Ok(());
        }
        let mut checks = Checks::new(false);
        checks.begin(&key.1);
        let start = Instant::now();
        first_steps(
            model,
            &mut checks,
            &mut |sweep, data| match &mut self.device.gpu {
                Some(gpu) if on_gpu => pollster::block_on(sweep::gpu::train(
                    gpu,
                    sweep,
                    data,
                    &|| start.elapsed(),
                    &mut |_| {},
                )),
                _ => {
                    let sweeps = [sweep.clone()];
                    sweep::cpu::train(&sweeps, data, &|_| {}).map(|mut records| records.remove(0))
                }
            },
        )?;
        let row = checks.into_rows().remove(0);
        if let Some(failure) = row.failure {
            // On the processor it is a fault of this program's own.
            assert!(on_gpu, "{failure}");
            return Err(Error::Gpu {
                operation: "checking the first 20 steps of 8 runs".to_owned(),
                message: failure,
            });
        }
        say(&format!(
            "checked against float64: 20 steps of 8 runs, {} layers of {}, {:.3} of the error \
             allowed",
            model.layers.len(),
            model.kind.name(),
            row.worst
        ));
        self.checked.push(key);
        Ok(())
    }
}

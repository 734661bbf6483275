//! Sweeps on the device that was chosen, checked before they are believed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bregman::data::spirals::Spirals;
use bregman::device::Device;
use bregman::error::{Error, Result};
use bregman::gpu::ops::sweep::MAX_LAYERS;
use bregman::nn::Model;
use bregman::selftest::checks::Checks;
use bregman::selftest::sweeps::first_steps;
use bregman::sweep::{self, Record, Sweep};

use crate::keep::{self, Kept, Settings};
use crate::options::{Choice, Options};
use crate::report::{Progress, say};
use bregman::cli::stop;

/// How long training goes on at least before it is saved.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// And how many times as long as saving took.
const SAVING: u32 = 20;

/// The device, and the points.
pub struct Trainer {
    device: Device,
    /// Those to train on.
    pub data: Spirals,
    /// Those to test on.
    pub test: Spirals,
    /// Where checkpoints are, and whether to go on from them.
    folder: PathBuf,
    resume: bool,
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
    pub fn new(device: Device, [data, test]: [Spirals; 2], options: &Options) -> Self {
        Self {
            device,
            data,
            test,
            folder: options.out_dir.clone(),
            resume: options.resume,
            checked: Vec::new(),
        }
    }

    /// What is kept of the `sweeps` of `figure`, if the run is to go on from that.
    ///
    /// # Errors
    /// Those of [`Kept::load`].
    pub fn kept(
        &self,
        figure: Choice,
        settings: &Settings,
        sweeps: &[Sweep],
    ) -> Result<Option<Kept>> {
        let path = keep::path(&self.folder, figure);
        match self.resume && path.exists() {
            true => Kept::load(&path, settings, sweeps).map(Some),
            false => Ok(None),
        }
    }

    /// Trains all runs of the `sweeps` of `figure`, or what is left of them, and keeps them in a
    /// file; none if the program was asked to stop.
    ///
    /// # Errors
    /// Those of [`sweep::cpu::resume`], [`sweep::gpu::resume`] and [`Self::kept`]; [`Error::Gpu`] if
    /// the adapter's first steps are not the reference's; [`Error::Io`] if what is stopped cannot be
    /// saved.
    pub fn train(
        &mut self,
        figure: Choice,
        settings: &Settings,
        sweeps: &[Sweep],
    ) -> Result<Option<Trained>> {
        let name = format!("figure {}", figure.name());
        let layers = sweeps.iter().map(|s| s.model.layers.len()).max();
        let on_gpu = self.device.gpu.is_some() && layers.is_some_and(|l| l <= MAX_LAYERS);
        let adapter = self.device.adapter().filter(|_| on_gpu);
        let device = adapter.unwrap_or_else(|| "cpu".to_owned());
        let kept = self.kept(figure, settings, sweeps)?;
        let mut kept = kept.unwrap_or_else(|| Kept::new(sweeps, &device));
        let steps = |s: &Sweep| s.steps(self.data.len()) * s.runs.len() as u64;
        let total: u64 = sweeps.iter().map(steps).sum();
        let left = |records: &[Record]| -> u64 {
            let pairs = sweeps.iter().zip(records);
            let of = |(s, r): (&Sweep, &Record)| {
                s.steps(self.data.len()) / u64::from(s.epochs) * r.run_epochs()
            };
            total - pairs.map(of).sum::<u64>()
        };
        let rest = left(&kept.records);
        if rest < total {
            let done = 100 * (total - rest) / total;
            say(format_args!("{name}: {done} % done before"));
        }
        if rest > 0 {
            if self.device.gpu.is_some() && !on_gpu {
                say(format_args!(
                    "note: {name} has more than {MAX_LAYERS} layers and is trained on the processor"
                ));
            }
            if kept.device != device {
                say(format_args!(
                    "note: {name} was on {}, and goes on on {device}: it is rounded otherwise",
                    kept.device
                ));
                kept.device = device;
            }
            for sweep in sweeps {
                self.check(on_gpu, &sweep.model)?;
            }
            let progress = Progress::new(&name, rest);
            let whole =
                self.train_and_save(figure, settings, sweeps, &mut kept, on_gpu, &progress)?;
            progress.finish();
            if !whole {
                return Ok(None);
            }
        }
        let steps_per_second = total as f64 / kept.seconds.max(1e-9);
        say(format_args!(
            "{name}: {total} steps in {:.1} s, {steps_per_second:.3e} steps/s",
            kept.seconds
        ));
        Ok(Some(Trained {
            records: kept.records,
            steps_per_second,
            device: kept.device,
        }))
    }

    /// Trains until all is done or the program is asked to stop, and saves now and then; whether all
    /// is done.
    fn train_and_save(
        &mut self,
        figure: Choice,
        settings: &Settings,
        sweeps: &[Sweep],
        kept: &mut Kept,
        on_gpu: bool,
        progress: &Progress,
    ) -> Result<bool> {
        let path = keep::path(&self.folder, figure);
        let mut stretch = SAVE_EVERY;
        loop {
            let start = Instant::now();
            let stop = || stop::requested() || start.elapsed() >= stretch;
            match &mut self.device.gpu {
                Some(gpu) if on_gpu => {
                    for (sweep, record) in sweeps.iter().zip(&mut kept.records) {
                        let clock = || start.elapsed();
                        let mut told = |steps| progress.add(steps);
                        let training = sweep::gpu::resume(
                            gpu, sweep, &self.data, record, &stop, &clock, &mut told,
                        );
                        pollster::block_on(training)?;
                    }
                }
                _ => sweep::cpu::resume(sweeps, &self.data, &mut kept.records, &stop, &|steps| {
                    progress.add(steps);
                })?,
            }
            let trained = start.elapsed();
            kept.seconds += trained.as_secs_f64();
            let mut pairs = sweeps.iter().zip(&kept.records);
            let whole = pairs.all(|(s, r)| r.done.iter().all(|&done| done == s.epochs));
            let saved = kept.save(&path, settings);
            stretch = SAVE_EVERY.max(SAVING * (start.elapsed() - trained));
            if !whole && stop::requested() {
                saved?;
                let again = std::env::args().skip(1).filter(|word| word != "--resume");
                say(format_args!(
                    "stopped in figure {}; saved {}; resume with\n  {}",
                    figure.name(),
                    path.display(),
                    stop::command_line(again.chain(["--resume".to_owned()]))
                ));
                return Ok(false);
            }
            // Training goes on, and the next one may find room.
            if let Err(error) = saved {
                say(format_args!("warning: {error}"));
            }
            if whole {
                return Ok(true);
            }
        }
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
        say(format_args!(
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

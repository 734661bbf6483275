//! Sweeps on a device, checked against the reference before they are believed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::saved::{self, Description, Saved};
use super::settings::{Points, Settings};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::ops::sweep::MAX_LAYERS;
use crate::nn::Model;
use crate::selftest::checks::Checks;
use crate::selftest::sweeps::{first_steps, own_points};
use crate::sweep::{self, Record, Samples, Sweep};

/// The shortest stretch of training between two saves.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// A stretch takes at least this many times as long as saving did.
const SAVING: u32 = 20;

/// The treatment of sweeps that are saved in the folder of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Those of other settings are kept, so that training is refused; those of the same settings are trained
    /// again.
    Keep,
    /// Training continues from them.
    Resume,
    /// All are trained again.
    Replace,
}

/// What happens while figures are trained. `Display` gives a message for the user, except for
/// the three progress events.
#[derive(Debug)]
pub enum Event<'a> {
    /// There is no file to resume from.
    NothingSaved {
        /// The folder that was searched.
        folder: &'a Path,
    },
    /// Training of a figure starts from the beginning, although a part of it is saved.
    NotResumed {
        /// The figure's name.
        figure: &'a str,
    },
    /// Training of a figure continues from a file.
    Resumed {
        /// The figure's name.
        figure: &'a str,
        /// Steps done before, in per cent.
        percent: u64,
    },
    /// A figure of networks that are too deep for the adapter.
    OnProcessor {
        /// The figure's name.
        figure: &'a str,
    },
    /// A figure continues on a different device.
    Moved {
        /// The figure's name.
        figure: &'a str,
        /// The earlier device.
        from: &'a str,
        /// The device from now on.
        to: &'a str,
    },
    /// The first steps of a network agree with the reference.
    Checked {
        /// The network.
        model: &'a Model,
        /// The largest error, as a fraction of what is allowed.
        error: f64,
    },
    /// Progress: training of a figure begins.
    Begun {
        /// The figure's name.
        figure: &'a str,
        /// Steps left, of all runs together.
        steps: u64,
    },
    /// Progress: more steps are done.
    Steps(u64),
    /// Progress: training of the figure has ended or stopped.
    Ended,
    /// A figure could not be saved; training continues.
    NotSaved(&'a Error),
    /// All steps of a figure are done.
    Trained {
        /// The figure's name.
        figure: &'a str,
        /// Its steps, of all runs together.
        steps: u64,
        /// Seconds that they took.
        seconds: f64,
    },
    /// Training was asked to stop, and the figure is saved.
    Stopped {
        /// The figure's name.
        figure: &'a str,
        /// Its file.
        saved: &'a Path,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NothingSaved { folder } => write!(
                f,
                "there is no checkpoint in {}: starting from the beginning",
                folder.display()
            ),
            Self::NotResumed { figure } => write!(
                f,
                "note: a part of figure {figure} is saved; `resume` continues from there, without it \
                 training begins anew"
            ),
            Self::Resumed { figure, percent } => {
                write!(f, "figure {figure}: {percent} % done before")
            }
            Self::OnProcessor { figure } => write!(
                f,
                "note: figure {figure} has more than {MAX_LAYERS} layers and is trained on the \
                 processor"
            ),
            Self::Moved { figure, from, to } => write!(
                f,
                "note: figure {figure} was trained on {from} and continues on {to}, where rounding \
                 is different"
            ),
            Self::Checked { model, error } => write!(
                f,
                "checked against float64: 20 steps of 8 runs, {} layers of {}, {error:.3} of the \
                 error allowed",
                model.layers.len(),
                model.kind_name()
            ),
            Self::Begun { figure, steps } => write!(f, "figure {figure}: {steps} steps"),
            Self::Steps(steps) => write!(f, "{steps} steps more"),
            Self::Ended => write!(f, "training ends"),
            Self::NotSaved(error) => write!(f, "warning: {error}"),
            Self::Trained {
                figure,
                steps,
                seconds,
            } => write!(
                f,
                "figure {figure}: {steps} steps in {seconds:.1} s, {:.3e} steps/s",
                per_second(steps, seconds)
            ),
            Self::Stopped { figure, saved } => {
                write!(f, "stopped in figure {figure}; saved {}", saved.display())
            }
        }
    }
}

/// How a caller follows training and stops it. Both functions are called from any thread.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Called for every event.
    pub tell: &'a (dyn Fn(Event<'_>) + Sync),
    /// Whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// A device that trains the sweeps of figures, and the folder where they are saved.
pub struct Trainer<'a> {
    device: Device,
    points: &'a Points,
    folder: PathBuf,
    /// The treatment of sweeps that are saved in the folder.
    earlier: Earlier,
    watch: Watch<'a>,
    /// The networks whose first steps were checked, by their description.
    checked: Vec<(bool, String)>,
}

/// Trained sweeps.
#[derive(Clone, Debug)]
pub struct Trained {
    /// One record of each sweep.
    pub records: Vec<Record>,
    /// Steps of all sweeps together.
    pub steps: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// The device that trained them: "cpu", or the adapter's name.
    pub device: String,
}

fn per_second(steps: u64, seconds: f64) -> f64 {
    steps as f64 / seconds.max(1e-9)
}

impl<'a> Trainer<'a> {
    /// Trains on `device` and saves in `folder`; continues from what is there if `earlier` says so.
    pub fn new(
        device: Device,
        points: &'a Points,
        folder: &Path,
        earlier: Earlier,
        watch: Watch<'a>,
    ) -> Self {
        Self {
            device,
            points,
            folder: folder.to_owned(),
            earlier,
            watch,
            checked: Vec::new(),
        }
    }

    /// The saved `sweeps` of a figure, if training is to continue from there.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Checkpoint`]; [`Error::OtherRun`] for different settings.
    pub fn saved(&self, settings: &Settings, sweeps: &[Sweep]) -> Result<Option<Saved>> {
        let path = saved::path(&self.folder, settings.figure);
        match self.earlier == Earlier::Resume && path.exists() {
            true => Saved::load(&path, &settings.described(), sweeps).map(Some),
            false => Ok(None),
        }
    }

    /// Trains the `sweeps` of a figure from their beginning or from where they are saved, and saves
    /// them; none if training was stopped.
    ///
    /// # Errors
    /// Those of [`sweep::cpu::resume`], [`sweep::gpu::resume`] and [`Self::saved`]; [`Error::Gpu`] if
    /// the adapter's first steps are not the reference's; [`Error::Io`] if sweeps that are stopped
    /// cannot be saved.
    pub fn train(&mut self, settings: &Settings, sweeps: &[Sweep]) -> Result<Option<Trained>> {
        let figure = settings.figure;
        let tell = self.watch.tell;
        let samples = self.points.train().len();
        let layers = sweeps.iter().map(|s| s.model.layers.len()).max();
        let on_gpu = self.device.gpu.is_some() && layers.is_some_and(|l| l <= MAX_LAYERS);
        let adapter = self.device.adapter().filter(|_| on_gpu);
        let device = adapter.unwrap_or_else(|| "cpu".to_owned());
        let saved = self.saved(settings, sweeps)?;
        let mut saved = saved.unwrap_or_else(|| Saved::new(sweeps, &device));
        let steps = |s: &Sweep| s.steps(samples) * s.runs.len() as u64;
        let total: u64 = sweeps.iter().map(steps).sum();
        let left = |records: &[Record]| -> u64 {
            let pairs = sweeps.iter().zip(records);
            let of =
                |(s, r): (&Sweep, &Record)| s.steps(samples) / u64::from(s.epochs) * r.run_epochs();
            total - pairs.map(of).sum::<u64>()
        };
        let rest = left(&saved.records);
        if rest < total {
            let percent = 100 * (total - rest) / total;
            tell(Event::Resumed { figure, percent });
        }
        if rest > 0 {
            if self.device.gpu.is_some() && !on_gpu {
                tell(Event::OnProcessor { figure });
            }
            if saved.device != device {
                tell(Event::Moved {
                    figure,
                    from: &saved.device,
                    to: &device,
                });
                saved.device = device;
            }
            for sweep in sweeps {
                self.check(on_gpu, &sweep.model)?;
            }
            tell(Event::Begun {
                figure,
                steps: rest,
            });
            let whole = self.train_and_save(settings, sweeps, &mut saved, on_gpu);
            tell(Event::Ended);
            if !whole? {
                tell(Event::Stopped {
                    figure,
                    saved: &saved::path(&self.folder, figure),
                });
                return Ok(None);
            }
        }
        tell(Event::Trained {
            figure,
            steps: total,
            seconds: saved.seconds,
        });
        Ok(Some(Trained {
            steps: total,
            seconds: saved.seconds,
            records: saved.records,
            device: saved.device,
        }))
    }

    /// Trains until all is done or until it is to stop, and saves at intervals and at the end;
    /// whether all is done.
    fn train_and_save(
        &mut self,
        settings: &Settings,
        sweeps: &[Sweep],
        saved: &mut Saved,
        on_gpu: bool,
    ) -> Result<bool> {
        let Watch { tell, stop: asked } = self.watch;
        let path = saved::path(&self.folder, settings.figure);
        let described: Description = settings.described();
        let samples = self.points.train();
        let mut stretch = SAVE_EVERY;
        loop {
            let start = Instant::now();
            let stop = || asked() || start.elapsed() >= stretch;
            match &mut self.device.gpu {
                Some(gpu) if on_gpu => {
                    for (sweep, record) in sweeps.iter().zip(&mut saved.records) {
                        let clock = || start.elapsed();
                        let mut told = |steps| tell(Event::Steps(steps));
                        let training = sweep::gpu::resume(
                            gpu, sweep, samples, record, &stop, &clock, &mut told,
                        );
                        pollster::block_on(training)?;
                    }
                }
                _ => sweep::cpu::resume(sweeps, samples, &mut saved.records, &stop, &|steps| {
                    tell(Event::Steps(steps));
                })?,
            }
            let trained = start.elapsed();
            saved.seconds += trained.as_secs_f64();
            let mut pairs = sweeps.iter().zip(&saved.records);
            let whole = pairs.all(|(s, r)| r.done.iter().all(|&done| done == s.epochs));
            let written = saved.save(&path, &described);
            stretch = SAVE_EVERY.max(SAVING * (start.elapsed() - trained));
            if !whole && asked() {
                return written.map(|_| false);
            }
            // The next save may find room on the disk.
            if let Err(error) = written {
                tell(Event::NotSaved(&error));
            }
            if whole {
                return Ok(true);
            }
        }
    }

    /// Compares the first 20 steps of 8 runs of `model` with the reference, and runs on points of their own
    /// with the same runs alone.
    fn check(&mut self, on_gpu: bool, model: &Model) -> Result<()> {
        let described = format!(
            "{} {} {} {} {}",
            model.kind_name(),
            model.form_name(),
            model.activation_name(),
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
        let mut train = |sweep: &Sweep, samples: Samples<'_>| match &mut self.device.gpu {
            Some(gpu) if on_gpu => pollster::block_on(sweep::gpu::train(
                gpu,
                sweep,
                samples,
                &|| start.elapsed(),
                &mut |_| {},
            )),
            _ => {
                let sweeps = [sweep.clone()];
                sweep::cpu::train(&sweeps, samples, &|_| {}).map(|mut records| records.remove(0))
            }
        };
        first_steps(model, &mut checks, &mut train)?;
        own_points(model, &mut checks, &mut train)?;
        let row = checks.into_rows().remove(0);
        if let Some(failure) = row.failure {
            // On the processor it would be a fault of this crate.
            assert!(on_gpu, "{failure}");
            return Err(Error::Gpu {
                operation: "checking the first 20 steps of 8 runs".to_owned(),
                message: failure,
            });
        }
        (self.watch.tell)(Event::Checked {
            model,
            error: row.worst,
        });
        self.checked.push(key);
        Ok(())
    }
}

//! Optimizers, schedules of the learning rate, and the settings in which realizations may differ.
//!
//! g is the gradient of the mean loss with respect to a parameter w, λ the weight decay, μ the momentum,
//! η the learning rate of the step and t the step's number, from 1. The formulas are PyTorch's, so that
//! results can be compared with `torch.optim`:
//!
//! | optimizer | step |
//! |---|---|
//! | SGD | g ← g + λw; v ← μv + g; w ← w − ηv, or w ← w − η(g + μv) with Nesterov's momentum |
//! | Adam | g ← g + λw; m ← β₁m + (1 − β₁)g; s ← β₂s + (1 − β₂)g²; w ← w − η (m / (1 − β₁ᵗ)) / (√(s / (1 − β₂ᵗ)) + ε) |
//! | AdamW | w ← w − ηλw, then as Adam without λw in g |
//!
//! v, m and s are the *moments*; they start at 0. All parameters are updated in this way, including biases and M;
//! after its update M is projected onto the simplex. With a largest gradient norm c, all gradients of a
//! realization are first multiplied by min(1, c / (G + 10⁻⁶)), where G is the root of the sum of their
//! squares.

use std::fmt;

use crate::data::{Augmentation, Dataset};
use crate::error::{Error, Result, at_least_one};
use crate::kind::names;

/// The optimizers by their names.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptimizerKind {
    /// Stochastic gradient descent, with momentum if it has any.
    Sgd,
    /// Adam.
    Adam,
    /// AdamW.
    AdamW,
}

names!(
    OptimizerKind,
    "optimizer",
    Sgd = "sgd",
    Adam = "adam",
    AdamW = "adamw"
);

/// The rule by which a gradient changes a parameter.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent; the momentum μ belongs to each run.
    Sgd {
        /// Whether the momentum is Nesterov's.
        nesterov: bool,
    },
    /// Adam (Kingma and Ba, 2015), and AdamW (Loshchilov and Hutter, 2019).
    Adam {
        /// β₁ and β₂, in [0, 1).
        betas: [f64; 2],
        /// ε, positive.
        epsilon: f32,
        /// Whether the weight decay is decoupled from the gradient, as in AdamW.
        decoupled: bool,
    },
}

impl Rule {
    /// Adam with PyTorch's defaults: betas 0.9 and 0.999, epsilon 10⁻⁸.
    pub const ADAM: Self = Self::Adam {
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        decoupled: false,
    };

    /// AdamW with PyTorch's defaults. Its weight decay of 0.01 is a setting of each run.
    pub const ADAMW: Self = Self::Adam {
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        decoupled: true,
    };
}

/// How the learning rate changes from step to step, as a factor of a run's own rate.
///
/// t is the number of steps since warm-up, T their total, e the number of whole epochs since warm-up.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// 1.
    Constant,
    /// factor^⌊e / epochs⌋.
    Step {
        /// Epochs between two changes, at least 1.
        epochs: u32,
        /// The factor of the rate at each change, positive.
        factor: f64,
    },
    /// factor to the power of the number of milestones ≤ e.
    MultiStep {
        /// Epochs at which the rate changes, increasing.
        milestones: Vec<u32>,
        /// The factor of the rate at each change, positive.
        factor: f64,
    },
    /// factor^e.
    Exponential {
        /// The factor of the rate in each epoch, positive.
        factor: f64,
    },
    /// The factor of the phase that e lies in; the last phase has no end.
    Phases(Vec<Phase>),
    /// 1 − (1 − last) t / T.
    Linear {
        /// The factor that the schedule tends to, from 0 to 1.
        last: f64,
    },
    /// last + (1 − last)(1 + cos(π t / T)) / 2.
    Cosine {
        /// The factor that the schedule tends to, from 0 to 1.
        last: f64,
    },
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => write!(f, "constant"),
            Self::Step { epochs, factor } => write!(f, "step:{epochs}:{factor}"),
            Self::MultiStep { milestones, factor } => {
                let milestones: Vec<String> = milestones.iter().map(u32::to_string).collect();
                write!(f, "multi-step:{}:{factor}", milestones.join(","))
            }
            Self::Exponential { factor } => write!(f, "exponential:{factor}"),
            Self::Phases(phases) => {
                let phase = |p: &Phase| format!("{}×{}", p.epochs, p.factor);
                let phases: Vec<String> = phases.iter().map(phase).collect();
                write!(f, "phases:{}", phases.join(","))
            }
            Self::Linear { last } => write!(f, "linear:{last}"),
            Self::Cosine { last } => write!(f, "cosine:{last}"),
        }
    }
}

/// Epochs that share a factor of the learning rate.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Number of epochs.
    pub epochs: u32,
    /// The factor, positive.
    pub factor: f64,
}

/// A schedule of the learning rate: the factor of a run's own rate in each step.
///
/// In the formulas t is the number of steps since warm-up, T their total, and e the number of whole epochs
/// since warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct RateSchedule {
    /// Its shape after warm-up.
    #[doc(hidden)]
    pub shape: Shape,
    /// Epochs in which the factor rises linearly to 1, at least 0; they may be a fraction.
    #[doc(hidden)]
    pub warm_up: f64,
}

impl RateSchedule {
    /// The same rate in every step.
    pub const CONSTANT: Self = Self {
        shape: Shape::Constant,
        warm_up: 0.0,
    };

    /// factor^⌊e / epochs⌋: `epochs` at least 1, `factor` positive.
    #[must_use]
    pub fn step(epochs: u32, factor: f64) -> Self {
        Shape::Step { epochs, factor }.into()
    }

    /// `factor` to the power of the number of `milestones` ≤ e, which are increasing epochs.
    #[must_use]
    pub fn multi_step(milestones: impl Into<Vec<u32>>, factor: f64) -> Self {
        let milestones = milestones.into();
        Shape::MultiStep { milestones, factor }.into()
    }

    /// factor^e, `factor` positive.
    #[must_use]
    pub fn exponential(factor: f64) -> Self {
        Shape::Exponential { factor }.into()
    }

    /// 1 − (1 − last) t / T, `last` from 0 to 1.
    #[must_use]
    pub fn linear(last: f64) -> Self {
        Shape::Linear { last }.into()
    }

    /// (1 + cos(π t / T)) / 2, which tends to 0.
    #[must_use]
    pub fn cosine() -> Self {
        Shape::Cosine { last: 0.0 }.into()
    }

    /// The same shape after `epochs` epochs of warm-up.
    #[must_use]
    pub fn after_warm_up(mut self, epochs: f64) -> Self {
        self.warm_up = epochs;
        self
    }

    /// Whether the rate depends on the number of epochs of the whole run.
    pub fn has_horizon(&self) -> bool {
        matches!(self.shape, Shape::Linear { .. } | Shape::Cosine { .. })
    }

    /// The steps of warm-up where an epoch has `steps`.
    fn warm_up_steps(&self, steps: u64) -> u64 {
        (self.warm_up * steps as f64).round() as u64
    }

    /// The factor of the learning rate in step `number`, from 0, of a run of `epochs` epochs of `steps`
    /// steps.
    pub fn factor(&self, number: u64, steps: u64, epochs: u32) -> f64 {
        let warm_up = self.warm_up_steps(steps);
        if number < warm_up {
            return (number + 1) as f64 / warm_up as f64;
        }
        let done = number - warm_up;
        let epoch = done / steps.max(1);
        let total = (u64::from(epochs) * steps).saturating_sub(warm_up).max(1);
        let share = (done as f64 / total as f64).min(1.0);
        match &self.shape {
            Shape::Constant => 1.0,
            Shape::Step { epochs, factor } => {
                factor.powi((epoch / u64::from(*epochs).max(1)) as i32)
            }
            Shape::MultiStep { milestones, factor } => {
                let passed = milestones.iter().filter(|&&at| u64::from(at) <= epoch);
                factor.powi(passed.count() as i32)
            }
            Shape::Exponential { factor } => factor.powi(epoch as i32),
            Shape::Phases(phases) => {
                let mut end = 0;
                let at = phases.iter().find(|phase| {
                    end += u64::from(phase.epochs);
                    epoch < end
                });
                at.or(phases.last()).map_or(1.0, |phase| phase.factor)
            }
            Shape::Linear { last } => 1.0 - (1.0 - last) * share,
            Shape::Cosine { last } => {
                let wave = (1.0 + (std::f64::consts::PI * share).cos()) / 2.0;
                last + (1.0 - last) * wave
            }
        }
    }

    /// Fails unless the schedule fits a run of `epochs` epochs of `steps` steps.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for factors, epochs and a warm-up that cannot work.
    pub fn check(&self, steps: u64, epochs: u32) -> Result<()> {
        let fault = |reason: &str| {
            Err(Error::InvalidValue {
                field: "schedule",
                value: self.shape.to_string(),
                reason: reason.to_owned(),
            })
        };
        let positive = |factor: f64| (factor as f32).is_finite() && factor > 0.0;
        match &self.shape {
            Shape::Step { epochs: 0, .. } => return fault("the epochs must be at least 1"),
            Shape::Step { factor, .. }
            | Shape::MultiStep { factor, .. }
            | Shape::Exponential { factor }
                if !positive(*factor) =>
            {
                return fault("the factor must be finite and positive");
            }
            Shape::Phases(phases) if phases.is_empty() => return fault("there is no phase"),
            Shape::Phases(phases) if !phases.iter().all(|phase| positive(phase.factor)) => {
                return fault("the factors must be finite and positive");
            }
            Shape::MultiStep { milestones, .. }
                if milestones.is_empty() || !milestones.is_sorted_by(|a, b| a < b) =>
            {
                return fault("the epochs of the changes must increase");
            }
            Shape::Linear { last } | Shape::Cosine { last } if !(0.0..=1.0).contains(last) => {
                return fault("the final factor must be from 0 to 1");
            }
            _ => {}
        }
        at_least_one(&[("epochs", epochs as usize)])?;
        let total = u64::from(epochs) * steps;
        let last = self.factor(total.saturating_sub(1), steps, epochs);
        if !(last as f32).is_finite() {
            return fault("the learning rate becomes infinite");
        }
        let finite = self.warm_up.is_finite() && self.warm_up >= 0.0;
        if !finite || self.warm_up_steps(steps) >= total {
            return Err(Error::InvalidValue {
                field: "warm_up",
                value: self.warm_up.to_string(),
                reason: format!(
                    "must be at least 0 and shorter than the run of {epochs} epoch{}",
                    if epochs == 1 { "" } else { "s" }
                ),
            });
        }
        Ok(())
    }
}

impl From<Shape> for RateSchedule {
    fn from(shape: Shape) -> Self {
        Self {
            shape,
            warm_up: 0.0,
        }
    }
}

/// The settings in which realizations that are trained side by side may differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunSettings {
    /// The seed of dropout. A [`Trainer`](crate::trainer::Trainer) also draws the initial parameters and the
    /// order of the samples from it; executors are given both.
    pub seed: u64,
    /// The learning rate η, finite and positive.
    pub learning_rate: f32,
    /// The momentum μ of SGD, in [0, 1).
    pub momentum: f32,
    /// The weight decay λ, at least 0.
    pub weight_decay: f32,
}

/// An optimizer with its settings, by PyTorch's names and defaults.
///
/// ```
/// use bregman::optim::Optimizer;
///
/// let momentum = Optimizer::sgd(0.1).momentum(0.9).nesterov();
/// let adam = Optimizer::adam_w(1e-3).betas(0.9, 0.99);
/// assert_eq!(adam.run.weight_decay, 0.01);
/// # let _ = momentum;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// How gradients change parameters.
    #[doc(hidden)]
    pub rule: Rule,
    /// The settings of a run, with seed 0.
    pub run: RunSettings,
    /// A setting that was passed and that the rule does not have.
    misplaced: Option<&'static str>,
}

impl Optimizer {
    fn new(rule: Rule, learning_rate: f32, weight_decay: f32) -> Self {
        Self {
            rule,
            run: RunSettings {
                seed: 0,
                learning_rate,
                momentum: 0.0,
                weight_decay,
            },
            misplaced: None,
        }
    }

    /// Fails if a setting was passed that belongs to a different optimizer.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn check(&self) -> Result<()> {
        match self.misplaced {
            None => Ok(()),
            Some(field) => Err(Error::InvalidValue {
                field,
                value: "given".to_owned(),
                reason: match self.rule {
                    Rule::Sgd { .. } => "SGD has none; Adam and AdamW do",
                    Rule::Adam { .. } => "Adam and AdamW have none; SGD does",
                }
                .to_owned(),
            }),
        }
    }

    /// Stochastic gradient descent, without momentum.
    #[must_use]
    pub fn sgd(learning_rate: f32) -> Self {
        Self::new(Rule::Sgd { nesterov: false }, learning_rate, 0.0)
    }

    /// Adam, with betas 0.9 and 0.999 and ε = 10⁻⁸.
    #[must_use]
    pub fn adam(learning_rate: f32) -> Self {
        Self::new(Rule::ADAM, learning_rate, 0.0)
    }

    /// AdamW, with betas 0.9 and 0.999, ε = 10⁻⁸ and weight decay 0.01.
    #[must_use]
    pub fn adam_w(learning_rate: f32) -> Self {
        Self::new(Rule::ADAMW, learning_rate, 0.01)
    }

    /// The momentum μ of SGD.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.run.momentum = momentum;
        self
    }

    /// Makes the momentum of SGD Nesterov's.
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        match &mut self.rule {
            Rule::Sgd { nesterov } => *nesterov = true,
            Rule::Adam { .. } => self.misplaced = Some("nesterov"),
        }
        self
    }

    /// The weight decay λ.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f32) -> Self {
        self.run.weight_decay = weight_decay;
        self
    }

    /// β₁ and β₂ of Adam and AdamW.
    #[must_use]
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        match &mut self.rule {
            Rule::Adam { betas, .. } => *betas = [first, second],
            Rule::Sgd { .. } => self.misplaced = Some("betas"),
        }
        self
    }

    /// ε of Adam and AdamW.
    #[must_use]
    pub fn epsilon(mut self, value: f32) -> Self {
        match &mut self.rule {
            Rule::Adam { epsilon, .. } => *epsilon = value,
            Rule::Sgd { .. } => self.misplaced = Some("epsilon"),
        }
        self
    }
}

/// Plain stochastic gradient descent at one constant learning rate: the shortest [`Recipe`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Number of samples of a mini-batch. The last batch of an epoch may be smaller; its gradient is the
    /// mean over its own samples.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: f32,
}

/// How an executor trains R realizations of a network.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Number of samples of a mini-batch. The last batch of an epoch may be smaller; its gradient is the
    /// mean over its own samples.
    pub batch_size: usize,
    /// How gradients change parameters.
    pub rule: Rule,
    /// The largest norm of a realization's gradient.
    pub clip_norm: Option<f32>,
    /// Random changes of the training images.
    pub augmentation: Option<Augmentation>,
    /// The schedule of the learning rates.
    pub schedule: RateSchedule,
    /// Number of epochs of the whole run, which some schedules depend on.
    pub epochs: u32,
    /// Number of training steps that were done before, if training is continued.
    pub first_step: u64,
    /// The settings of each realization; if there is one only, realization r has them with `seed + r`.
    pub runs: Vec<RunSettings>,
}

/// The numbers of one step of one realization.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct StepRates {
    /// η.
    pub learning_rate: f32,
    /// μ.
    pub momentum: f32,
    /// λ.
    pub weight_decay: f32,
    /// 1 − β₁ᵗ and 1 − β₂ᵗ; 1 for SGD.
    pub corrections: [f32; 2],
}

impl From<Sgd> for Recipe {
    fn from(sgd: Sgd) -> Self {
        Self {
            batch_size: sgd.batch_size,
            rule: Rule::Sgd { nesterov: false },
            clip_norm: None,
            augmentation: None,
            schedule: RateSchedule::CONSTANT,
            epochs: 1,
            first_step: 0,
            runs: vec![RunSettings {
                seed: 0,
                learning_rate: sgd.learning_rate,
                momentum: 0.0,
                weight_decay: 0.0,
            }],
        }
    }
}

impl Recipe {
    /// The settings of realization `r`.
    pub fn run(&self, r: usize) -> RunSettings {
        match self.runs[..] {
            [all] => RunSettings {
                seed: all.seed.wrapping_add(r as u64),
                ..all
            },
            _ => self.runs[r],
        }
    }

    /// Number of steps of an epoch of `samples` samples.
    pub fn steps(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch_size) as u64
    }

    /// Number of tensors of moments for each parameter tensor.
    pub fn moments(&self) -> usize {
        match self.rule {
            Rule::Sgd { .. } => usize::from(self.runs.iter().any(|run| run.momentum > 0.0)),
            Rule::Adam { .. } => 2,
        }
    }

    /// Whether a step of realization `r` is w ← w − ηg, so that no gradient need be stored.
    pub fn is_plain(&self, r: usize) -> bool {
        let run = self.run(r);
        let by_gradient = run.momentum == 0.0 && run.weight_decay == 0.0;
        matches!(self.rule, Rule::Sgd { .. }) && by_gradient && self.clip_norm.is_none()
    }

    /// The factor of the learning rates in step `number`, counted from the run's first, where an epoch
    /// has `steps`.
    pub fn factor(&self, number: u64, steps: u64) -> f32 {
        self.schedule.factor(number, steps, self.epochs) as f32
    }

    /// 1 − β₁ᵗ and 1 − β₂ᵗ in step `number`, computed in f64: a product of t rounded factors would drift.
    pub fn corrections(&self, number: u64) -> [f32; 2] {
        match self.rule {
            Rule::Sgd { .. } => [1.0; 2],
            Rule::Adam { betas, .. } => betas.map(|beta: f64| {
                let power = i32::try_from(number + 1).unwrap_or(i32::MAX);
                (1.0 - beta.powi(power)) as f32
            }),
        }
    }

    /// The numbers of step `number` of realization `r`.
    pub fn rates(&self, r: usize, number: u64, steps: u64) -> StepRates {
        let run = self.run(r);
        StepRates {
            learning_rate: run.learning_rate * self.factor(number, steps),
            momentum: run.momentum,
            weight_decay: run.weight_decay,
            corrections: self.corrections(number),
        }
    }

    /// Fails unless `realizations` of a network can be trained with these settings.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the field, its value and what would be right.
    pub fn check(&self, realizations: usize) -> Result<()> {
        at_least_one(&[
            ("batch_size", self.batch_size),
            ("realizations", realizations),
        ])?;
        let check = |field, value: f32, right: bool, reason: &str| match right {
            true => Ok(()),
            false => Err(Error::InvalidValue {
                field,
                value: value.to_string(),
                reason: reason.to_owned(),
            }),
        };
        if self.runs.len() != 1 && self.runs.len() != realizations {
            return Err(Error::Shape {
                operation: "settings of the realizations".to_owned(),
                expected: vec![realizations],
                found: vec![self.runs.len()],
            });
        }
        let positive = |x: f32| x.is_finite() && x > 0.0;
        for run in &self.runs {
            let rate = run.learning_rate;
            let reason = "a learning rate must be finite and positive";
            check("learning_rate", rate, positive(rate), reason)?;
            let momentum = run.momentum;
            let right = (0.0..1.0).contains(&momentum);
            check(
                "momentum",
                momentum,
                right,
                "must be at least 0 and below 1",
            )?;
            let decay = run.weight_decay;
            let right = decay.is_finite() && decay >= 0.0;
            check(
                "weight_decay",
                decay,
                right,
                "must be finite and at least 0",
            )?;
        }
        match self.rule {
            Rule::Sgd { nesterov } => {
                let plain = self.runs.iter().find(|run| run.momentum == 0.0);
                if let Some(run) = plain.filter(|_| nesterov) {
                    let reason = "Nesterov's momentum needs a momentum above 0";
                    check("momentum", run.momentum, false, reason)?;
                }
            }
            Rule::Adam { betas, epsilon, .. } => {
                for beta in betas {
                    let right = beta >= 0.0 && (beta as f32) < 1.0;
                    check(
                        "betas",
                        beta as f32,
                        right,
                        "must be at least 0 and below 1",
                    )?;
                }
                let reason = "must be finite and positive";
                // An adapter may take a smaller one for 0.
                let right = positive(epsilon) && epsilon.is_normal();
                check("epsilon", epsilon, right, reason)?;
                for run in &self.runs {
                    let reason = "Adam has betas instead of a momentum";
                    check("momentum", run.momentum, run.momentum == 0.0, reason)?;
                }
            }
        }
        if let Some(norm) = self.clip_norm {
            let reason = "must be finite and positive";
            check("clip_norm", norm, positive(norm), reason)?;
        }
        Ok(())
    }

    /// [`Self::check`], and whether the schedule fits epochs of `train`, and the augmentation its samples.
    ///
    /// # Errors
    /// Those of [`Self::check`], [`RateSchedule::check`] and [`Augmentation::check`].
    pub fn check_run(&self, realizations: usize, train: &Dataset) -> Result<()> {
        self.check(realizations)?;
        self.schedule.check(self.steps(train.len()), self.epochs)?;
        let augmentation = self.augmentation;
        augmentation.map_or(Ok(()), |augmentation| augmentation.check(train))
    }

    /// The epoch, from 0, of step `number`, counted from the run's first, where an epoch has `steps`.
    pub fn epoch(&self, number: u64, steps: u64) -> u32 {
        (number / steps.max(1)) as u32
    }
}

impl Sgd {
    /// Fails unless `realizations` of a network can be trained with these settings.
    ///
    /// # Errors
    /// Those of [`Recipe::check`].
    pub fn check(&self, realizations: usize) -> Result<()> {
        Recipe::from(*self).check(realizations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(shape: Shape, warm_up: f64) -> Vec<f64> {
        let schedule = RateSchedule { shape, warm_up };
        schedule
            .check(2, 4)
            .expect("a schedule of four epochs of two steps");
        (0..8).map(|number| schedule.factor(number, 2, 4)).collect()
    }

    #[test]
    fn factors_follow_the_formulas() {
        assert_eq!(factors(Shape::Constant, 0.0), [1.0; 8]);
        assert_eq!(
            factors(Shape::Constant, 1.5)[..4],
            [1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0]
        );
        let step = Shape::Step {
            epochs: 2,
            factor: 0.5,
        };
        assert_eq!(
            factors(step.clone(), 0.0),
            [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
        );
        // The schedule's own time starts after warm-up.
        assert_eq!(factors(step, 1.0), [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]);
        let multi = Shape::MultiStep {
            milestones: vec![1, 3],
            factor: 0.5,
        };
        assert_eq!(
            factors(multi, 0.0),
            [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
        );
        let exponential = Shape::Exponential { factor: 0.5 };
        assert_eq!(
            factors(exponential, 0.0),
            [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
        );
        let phases = [(1, 2.0), (2, 0.5)].map(|(epochs, factor)| Phase { epochs, factor });
        assert_eq!(
            factors(Shape::Phases(phases.to_vec()), 0.0),
            [2.0, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
        );
        let linear = Shape::Linear { last: 0.5 };
        assert_eq!(
            factors(linear, 0.0),
            [1.0, 0.9375, 0.875, 0.8125, 0.75, 0.6875, 0.625, 0.5625]
        );
        let cosine = factors(Shape::Cosine { last: 0.0 }, 0.0);
        assert_eq!([cosine[0], cosine[4]], [1.0, 0.5]);
        assert!(cosine.is_sorted_by(|a, b| a > b), "{cosine:?}");
        // Warm-up, then a cosine over the six steps that are left.
        let warm = factors(Shape::Cosine { last: 0.1 }, 1.0);
        assert_eq!([warm[0], warm[1], warm[2], warm[5]], [0.5, 1.0, 1.0, 0.55]);
    }

    #[test]
    fn schedules_that_cannot_work_are_refused() {
        let field = |shape, warm_up| match (RateSchedule { shape, warm_up }).check(2, 4) {
            Err(Error::InvalidValue { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        let milestones = |milestones: &[u32]| Shape::MultiStep {
            milestones: milestones.to_vec(),
            factor: 0.1,
        };
        for shape in [
            Shape::Step {
                epochs: 0,
                factor: 0.1,
            },
            Shape::Step {
                epochs: 1,
                factor: 0.0,
            },
            Shape::Exponential { factor: -0.1 },
            Shape::Exponential { factor: f64::NAN },
            Shape::Linear { last: 1.5 },
            Shape::Cosine { last: -0.1 },
            milestones(&[]),
            milestones(&[2, 2]),
        ] {
            assert_eq!(field(shape, 0.0), "schedule");
        }
        for warm_up in [-1.0, f64::NAN, 4.0] {
            assert_eq!(field(Shape::Constant, warm_up), "warm_up");
        }
    }

    #[test]
    fn recipes_that_cannot_work_are_refused() {
        let good = Recipe::from(Sgd {
            batch_size: 3,
            learning_rate: 0.1,
        });
        assert!(good.check(2).is_ok());
        let adam = Recipe {
            rule: Rule::ADAM,
            ..good.clone()
        };
        assert!(adam.check(2).is_ok());
        let of_run = |change: fn(&mut RunSettings)| {
            let mut recipe = good.clone();
            change(&mut recipe.runs[0]);
            recipe
        };
        let rule = |betas, epsilon| Recipe {
            rule: Rule::Adam {
                betas,
                epsilon,
                decoupled: false,
            },
            ..good.clone()
        };
        let with_momentum = Recipe {
            rule: Rule::ADAM,
            ..of_run(|run| run.momentum = 0.9)
        };
        for (recipe, expected) in [
            (of_run(|run| run.learning_rate = 0.0), "learning_rate"),
            (of_run(|run| run.momentum = 1.0), "momentum"),
            (of_run(|run| run.momentum = -0.1), "momentum"),
            (of_run(|run| run.weight_decay = -0.1), "weight_decay"),
            (
                Recipe {
                    rule: Rule::Sgd { nesterov: true },
                    ..good.clone()
                },
                "momentum",
            ),
            (with_momentum, "momentum"),
            (rule([1.0, 0.9], 1e-8), "betas"),
            (rule([0.9, -0.1], 1e-8), "betas"),
            (rule([0.9, 0.9], 0.0), "epsilon"),
            (
                Recipe {
                    clip_norm: Some(0.0),
                    ..good.clone()
                },
                "clip_norm",
            ),
            (
                Recipe {
                    batch_size: 0,
                    ..good.clone()
                },
                "batch_size",
            ),
        ] {
            match recipe.check(1) {
                Err(Error::InvalidValue { field, .. }) => assert_eq!(field, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
        let two = Recipe {
            runs: vec![good.runs[0]; 2],
            ..good
        };
        assert!(matches!(two.check(3), Err(Error::Shape { .. })));
    }

    #[test]
    fn bias_corrections_do_not_drift() {
        let recipe = Recipe {
            rule: Rule::ADAM,
            ..Recipe::from(Sgd {
                batch_size: 1,
                learning_rate: 1.0,
            })
        };
        assert_eq!(recipe.corrections(0), [0.1, 0.001]);
        let [first, second] = recipe.corrections(9_999);
        assert_eq!(first, 1.0);
        assert!((f64::from(second) - (1.0 - 0.999f64.powi(10_000))).abs() < 1e-7);
    }
}

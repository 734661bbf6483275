//! Every proposition of Sections 2 to 5 on samples: the corrected ones hold, and what is wrong or
//! out of a hypothesis fails, as it must.

mod convergence;
mod majorants;
mod operators;

use serde::Serialize;

use super::sampler::Sampler;
use crate::activation::{self, Activation};

/// What f64 makes of an inequality between sums of some d² products, relative to the largest: 10²
/// roundings of 10² times the sum that is left.
const ROUNDING: f64 = 1e-12;

/// Dual variables that points are drawn from: |ρ⁻¹| up to here, where 1 − ρ is no longer coarse.
const SPREAD: f64 = 4.0;

/// Layers after which a network counts as having converged or not.
const DEPTH: usize = 2_000;

/// A claim, what was sampled of it, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The proposition, and the activation that it was checked for if it is about one.
    pub name: String,
    /// What was drawn and measured.
    pub sampled: &'static str,
    /// How many times.
    pub samples: usize,
    /// The worst violation.
    pub worst: f64,
    /// What rounding, or the depth, may make of a claim that holds.
    pub bound: f64,
    /// Whether the claim held on all samples.
    pub holds: bool,
    /// Whether it should have.
    pub expected: bool,
}

/// A measurement of a claim.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    samples: usize,
    worst: f64,
}

impl Measured {
    fn add(&mut self, violation: f64) {
        self.samples += 1;
        // NaN is as bad as can be.
        let violation = if violation.is_nan() {
            f64::MAX
        } else {
            violation
        };
        self.worst = self.worst.max(violation);
    }
}

/// A claim that holds as long as its violation stays within a bound.
struct Claim {
    name: &'static str,
    sampled: &'static str,
    bound: f64,
    expected: fn(&Activation) -> bool,
}

impl Claim {
    fn row(&self, activation: Option<&Activation>, measured: Measured) -> Row {
        let Measured { samples, worst } = measured;
        let subject = activation.unwrap_or(&activation::IDENTITY);
        Row {
            name: match activation {
                Some(activation) => format!("{}: {}", self.name, activation.name),
                None => self.name.to_owned(),
            },
            sampled: self.sampled,
            samples,
            worst,
            bound: self.bound,
            holds: worst <= self.bound,
            expected: (self.expected)(subject),
        }
    }
}

/// How much is sampled.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Random problems a claim.
    pub problems: u32,
    /// Random arguments of a function of one variable.
    pub arguments: u32,
    /// Their seed.
    pub seed: u64,
}

impl Effort {
    /// What the command samples.
    pub const FULL: Self = Self {
        problems: 40,
        arguments: 4_000,
        seed: 0,
    };

    fn samplers(self) -> impl Iterator<Item = Sampler> {
        (0..self.problems).map(move |draw| Sampler::new(self.seed, draw))
    }
}

/// All propositions, in the paper's order.
pub fn check(effort: Effort) -> Vec<Row> {
    let each = |check: fn(Effort, &'static Activation) -> Vec<Row>| {
        activation::ALL.iter().flat_map(move |a| check(effort, a))
    };
    let mut rows = majorants::proposition_3_1(effort);
    rows.extend(operators::euclidean_potentials(effort));
    rows.extend(each(majorants::proposition_4_1));
    rows.extend(each(operators::proposition_4_2));
    rows.extend(each(operators::proposition_4_3));
    rows.extend(each(majorants::layers));
    rows.extend(each(convergence::theorem_5_1));
    rows.extend(each(convergence::missed_hypotheses));
    rows.extend(operators::convexity(effort));
    rows.extend(each(convergence::forgotten_input));
    rows
}

/// Where φ is flattest, φ″ = σ: there the threshold on τ is met exactly.
fn flattest(activation: &Activation) -> f64 {
    let at = |a| (activation.rho)(a);
    let curvature = |z| 1.0 / (activation.rho_slope)(z);
    // softplus only tends to it.
    let candidates = [at(0.0), at(36.0)];
    let flat = |z: &f64| curvature(*z) - activation.sigma < 1e-9;
    *candidates
        .iter()
        .find(|z| flat(z))
        .unwrap_or(&candidates[0])
}

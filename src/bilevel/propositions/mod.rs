//! The propositions of Sections 2 to 5 on samples: the corrected ones hold, and those that are wrong or lack a
//! hypothesis fail, as expected.

mod convergence;
mod majorants;
mod operators;

use serde::Serialize;

use super::sampler::Sampler;
use crate::activation::Activation;

/// The rounding error of an inequality between sums of about d² products, relative to the result:
/// 10² roundings of terms that are 10² times as large.
const ROUNDING: f64 = 1e-12;

/// The largest |ρ⁻¹| of the drawn points. Up to here f64 resolves 1 − ρ well.
const SPREAD: f64 = 4.0;

/// The number of layers after which a network must have converged.
const DEPTH: usize = 2_000;

/// One checked claim: what was sampled, the worst violation, the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The proposition, and the activation if it is about one.
    pub name: String,
    /// The random problems and the measurement, in words.
    pub sampled: &'static str,
    /// The number of samples.
    pub samples: usize,
    /// The worst violation.
    pub worst: f64,
    /// The largest violation that rounding, or a finite depth, explains.
    pub bound: f64,
    /// Whether the claim held on all samples.
    pub holds: bool,
    /// Whether the claim should hold.
    pub expected: bool,
}

/// The number of samples of a claim, and the worst violation.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    samples: usize,
    worst: f64,
}

impl Measured {
    fn add(&mut self, violation: f64) {
        self.samples += 1;
        // NaN counts as the largest violation.
        let violation = if violation.is_nan() {
            f64::MAX
        } else {
            violation
        };
        self.worst = self.worst.max(violation);
    }
}

/// A claim that holds if its worst violation is within a bound.
struct Claim {
    name: &'static str,
    sampled: &'static str,
    bound: f64,
    expected: fn(&Activation) -> bool,
}

impl Claim {
    fn row(&self, activation: Option<&Activation>, measured: Measured) -> Row {
        let Measured { samples, worst } = measured;
        let subject = activation.unwrap_or(&Activation::IDENTITY);
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

/// The number of samples.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Random problems for each claim.
    pub problems: u32,
    /// Random arguments for each function of one variable.
    pub arguments: u32,
    /// Their seed.
    pub seed: u64,
}

impl Effort {
    /// The samples of `bregman theory`.
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
        Activation::ALL.iter().flat_map(move |a| check(effort, a))
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

/// The point where φ is flattest, φ″ = σ, and the threshold on τ is met exactly.
fn flattest(activation: &Activation) -> f64 {
    let at = |a| (activation.rho)(a);
    let curvature = |z| 1.0 / (activation.rho_slope)(z);
    // φ″ of softplus only tends to σ.
    let candidates = [at(0.0), at(36.0)];
    let flat = |z: &f64| curvature(*z) - activation.sigma < 1e-9;
    *candidates
        .iter()
        .find(|z| flat(z))
        .unwrap_or(&candidates[0])
}

//! Every proposition of Sections 2 to 5 on samples: the corrected ones hold, and what is wrong or
//! out of a hypothesis fails, as it must.

use nalgebra::{DMatrix, DVector};
use serde::Serialize;

use super::limit::Tied;
use super::prox::{
    self, CLAMPED_SINE, EXAMPLE_3_1, EXAMPLE_3_2, Formula, Potential, prox_objective,
};
use super::sampler::Sampler;
use super::{Definition, Geometry, Majorant, Minimization, Problem, Quadratic};
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
    let mut rows = proposition_3_1(effort);
    rows.extend(euclidean_potentials(effort));
    for check in [
        proposition_4_1,
        proposition_4_2,
        proposition_4_3,
        layers,
        theorem_5_1,
        missed_hypotheses,
    ] {
        rows.extend(activation::ALL.iter().flat_map(|a| check(effort, a)));
    }
    rows.extend(convexity(effort));
    rows.extend(
        activation::ALL
            .iter()
            .flat_map(|a| forgotten_input(effort, a)),
    );
    rows
}

/// A Q that majorises its tangent: λ(A) from `low` to `high`, C negative semidefinite and 0 along
/// A's top eigenvector, so that f curves there as much as Q does.
fn quadratic(sampler: &mut Sampler, len: usize, low: f64, high: f64) -> Quadratic {
    let a = sampler.symmetric(len, low, high);
    let top = top_eigenvector(&a);
    let project = DMatrix::identity(len, len) - &top * top.transpose();
    let c = &project * sampler.symmetric(len, -1.0, 0.0) * &project;
    Quadratic {
        a,
        c: 0.5 * (&c + c.transpose()),
        d: sampler.vector(len, -1.0, 1.0),
    }
}

fn top_eigenvector(symmetric: &DMatrix<f64>) -> DVector<f64> {
    let eigen = symmetric.clone().symmetric_eigen();
    eigen
        .eigenvectors
        .column(eigen.eigenvalues.imax())
        .into_owned()
}

/// The worst violation of F ≥ f by `majorant` among `points`, and of the other bullets.
fn violation(majorant: &Majorant, points: &[DVector<f64>]) -> f64 {
    let f = majorant.quadratic.tangent();
    let found = Definition::check(|z| f.value(z), |z, v| majorant.value(z, v), points);
    found.majorization.max(found.touching).max(found.convexity)
}

fn proposition_3_1(effort: Effort) -> Vec<Row> {
    const LEN: usize = 5;
    let measure = |low: f64, high: f64| {
        let mut measured = Measured::default();
        for mut sampler in effort.samplers() {
            let largest = sampler.uniform(0.5, 3.0);
            let quadratic = quadratic(&mut sampler, LEN, -0.5 * largest, largest);
            let majorant = Majorant {
                tau: sampler.uniform(low, high) / quadratic.curvature(),
                quadratic,
                geometry: Geometry::Euclidean,
            };
            let points: Vec<_> = (0..12).map(|_| sampler.vector(LEN, -2.0, 2.0)).collect();
            measured.add(violation(&majorant, &points));
        }
        measured
    };
    let mut converges = Measured::default();
    for mut sampler in effort.samplers() {
        let h = sampler.symmetric(LEN, 0.2, 2.0);
        let quadratic = Quadratic {
            c: DMatrix::zeros(LEN, LEN),
            a: h,
            d: sampler.vector(LEN, -1.0, 1.0),
        };
        let problem = Problem {
            smooth: quadratic.tangent(),
            potential: Potential::Indicator([-1.0, 1.0]),
            scale: 1.0,
        };
        let majorant = Majorant {
            tau: sampler.uniform(1.0, 1.95) / quadratic.curvature(),
            quadratic,
            geometry: Geometry::Euclidean,
        };
        let start = sampler.vector(LEN, -1.0, 1.0);
        let steps = Minimization::new(&problem, &majorant, start);
        for step in steps.take(DEPTH / 2) {
            converges.samples += 1;
            // Backwards by a rounding, at most.
            let rise = -step.decrease / (1.0 + step.objective.abs());
            converges.worst = converges.worst.max(rise);
            if step.step == DEPTH / 2 {
                converges.worst = converges.worst.max(step.residual);
            }
        }
    }
    vec![
        Claim {
            name: "Prop. 3.1 for τ ≤ 1/λ_max(A)",
            sampled: "F(z; v) ≥ f(z), = at v, convex: random A, C, d, τ; 144 pairs each",
            bound: ROUNDING,
            expected: |_| true,
        }
        .row(None, measure(0.1, 1.0)),
        Claim {
            name: "Prop. 3.1 as printed, 1/λ_max(A) < τ < 2/λ_max(A)",
            sampled: "the same",
            bound: ROUNDING,
            expected: |_| false,
        }
        .row(None, measure(1.05, 2.0)),
        Claim {
            name: "Forward-backward for τ < 2/λ_max(H)",
            sampled: "rise of f + g in each of 1,000 steps, residual after them",
            bound: ROUNDING,
            expected: |_| true,
        }
        .row(None, converges),
    ]
}

/// Sec. 3: what the Euclidean proximity operators of the potentials are.
fn euclidean_potentials(effort: Effort) -> Vec<Row> {
    let measure = |potential: Potential, activation: &Activation| {
        let mut measured = Measured::default();
        let mut sampler = Sampler::new(effort.seed, 0);
        for _ in 0..effort.arguments {
            let v = sampler.uniform(-8.0, 8.0);
            let solved = prox::prox(Geometry::Euclidean, potential, 1.0, v);
            measured.add((solved - (activation.rho)(v)).abs() / (1.0 + v.abs()));
        }
        measured
    };
    // The derivative is off by some roundings of v, the solution by no more, since σ ≥ 1.
    let bound = 16.0 * f64::EPSILON;
    let sampled = "|solver − ρ(v)| / (1 + |v|), v ∈ [−8, 8]";
    let formula = |name, formula: &'static Formula, activation| {
        let expected = |_: &Activation| true;
        let claim = Claim {
            name,
            sampled,
            bound,
            expected,
        };
        claim.row(None, measure(Potential::Formula(formula), activation))
    };
    let mut rows = vec![
        formula(
            "Example 3.1: prox_g = isru",
            &EXAMPLE_3_1,
            &activation::ISRU,
        ),
        formula(
            "Example 3.2: prox_g = scaled-arctan",
            &EXAMPLE_3_2,
            &activation::SCALED_ARCTAN,
        ),
        formula(
            "prox_g = sin clamped to ±π/2",
            &CLAMPED_SINE,
            &activation::SIN,
        ),
    ];
    let claim = Claim {
        name: "Sec. 3, prox_g = ρ for g = φ − t²/2",
        sampled,
        bound,
        expected: |_| true,
    };
    let each = |a: &'static Activation| claim.row(Some(a), measure(Potential::OfActivation(a), a));
    rows.extend(activation::ALL.iter().map(each));
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

fn proposition_4_1(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    const LEN: usize = 5;
    // What τ is a part of: σ/‖A‖₂ or σ/λ_max(A).
    let measure = |lowest: f64, [low, high]: [f64; 2], by_norm: bool| {
        let mut measured = Measured::default();
        for mut sampler in effort.samplers() {
            let largest = sampler.uniform(0.5, 3.0);
            let quadratic = quadratic(&mut sampler, LEN, lowest * largest, largest);
            let norm = largest * lowest.abs().max(1.0);
            let mut majorant = Majorant {
                quadratic,
                geometry: Geometry::Bregman(activation),
                tau: 1.0,
            };
            let threshold = match by_norm {
                true => activation.sigma / norm,
                false => majorant.largest_tau(),
            };
            majorant.tau = threshold * sampler.uniform(low, high);
            let mut points: Vec<_> = (0..10)
                .map(|_| sampler.point(activation, LEN, SPREAD))
                .collect();
            // Along A's top eigenvector at φ's flattest point nothing is to spare.
            let flat = DVector::from_element(LEN, flattest(activation));
            points.push(&flat + 0.05 * top_eigenvector(&majorant.quadratic.a));
            points.push(flat);
            measured.add(violation(&majorant, &points));
        }
        measured
    };
    let claim = |name, expected| Claim {
        name,
        sampled: "F(z; v) ≥ f(z), = at v, convex: random A, C, d, τ; 144 pairs each",
        bound: ROUNDING,
        expected,
    };
    vec![
        claim("Prop. 4.1, τ ≤ σ/‖A‖₂", |_| true)
            .row(Some(activation), measure(-0.5, [0.1, 1.0], true)),
        claim("Prop. 4.1, σ/‖A‖₂ < τ ≤ σ/λ_max(A)", |_| true)
            .row(Some(activation), measure(-3.0, [0.4, 1.0], false)),
        claim(
            "Prop. 4.1 past its threshold, τ ≥ 1.05 σ/λ_max(A)",
            |_| false,
        )
        .row(Some(activation), measure(-0.5, [1.05, 1.5], false)),
    ]
}

fn proposition_4_2(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let geometry = Geometry::Bregman(activation);
    let potential = Potential::Indicator(activation.range);
    let mut sampler = Sampler::new(effort.seed, 0);
    let (mut solver, mut value) = (Measured::default(), Measured::default());
    for _ in 0..effort.arguments {
        let v = sampler.uniform(-8.0, 8.0);
        let tau = sampler.uniform(0.1, 10.0);
        let rho = (activation.rho)(v);
        let solved = prox::prox(geometry, potential, tau, v);
        solver.add((solved - rho).abs() / (1.0 + v.abs()));
        let least = prox_objective(geometry, potential, tau, v, rho);
        for _ in 0..4 {
            let other = (activation.rho)(v + sampler.uniform(-2.0, 2.0));
            let at_other = prox_objective(geometry, potential, tau, v, other);
            value.add((least - at_other) / (1.0 + least.abs()));
        }
    }
    vec![
        Claim {
            name: "Prop. 4.2, prox^φ_{τι} = ρ",
            sampled: "|solver − ρ(v)| / (1 + |v|), v ∈ [−8, 8]",
            // As in Sec. 3.
            bound: 16.0 * f64::EPSILON,
            expected: |_| true,
        }
        .row(Some(activation), solver),
        Claim {
            name: "Prop. 4.2, no other point is lower",
            sampled: "rise of φ(u) − uv from u to ρ(v), by φ alone",
            bound: 64.0 * f64::EPSILON,
            expected: |_| true,
        }
        .row(Some(activation), value),
    ]
}

fn proposition_4_3(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let Activation {
        rho, rho_inv, phi, ..
    } = *activation;
    let geometry = Geometry::Bregman(activation);
    let mut sampler = Sampler::new(effort.seed, 0);
    let (mut integral, mut convex) = (Measured::default(), Measured::default());
    for _ in 0..effort.arguments {
        let ends = [(); 2].map(|()| rho(sampler.uniform(-SPREAD, SPREAD)));
        let [s, t] = ends;
        let difference = phi(t) - phi(s);
        let scale = 1.0 + phi(t).abs() + phi(s).abs();
        // By parts, since ρ is smooth where ρ⁻¹ is steep.
        let [from, to] = [rho_inv(s), rho_inv(t)];
        let by_parts = t * to - s * from - integrate(rho, from, to);
        integral.add((difference - by_parts).abs() / scale);
        let [s, t] = ends.map(|end| DVector::from_element(1, end));
        let least = 0.5 * activation.sigma * (&s - &t).norm_squared();
        convex.add((least - geometry.distance(&s, &t)) / scale);
    }
    let mut steep = Measured::default();
    for end in activation.range.into_iter().filter(|end| end.is_finite()) {
        steep.add(1.0 / rho_inv(end).abs());
    }
    vec![
        Claim {
            name: "Prop. 4.3, ∇φ = ρ⁻¹",
            sampled: "φ(t) − φ(s) against the integral of ρ⁻¹, |ρ⁻¹| ≤ 4",
            bound: ROUNDING,
            expected: |_| true,
        }
        .row(Some(activation), integral),
        Claim {
            name: "φ is strongly convex with σ of Table 1",
            sampled: "½σ(u − v)² − D_φ(u, v), |ρ⁻¹| ≤ 4",
            bound: ROUNDING,
            expected: |_| true,
        }
        .row(Some(activation), convex),
        Claim {
            name: "φ is Legendre",
            sampled: "1/|φ′| at the finite ends of dom φ",
            // 1/tan of π/2 as f64 has it.
            bound: 1e-16,
            expected: |activation| activation.name != "sin",
        }
        .row(Some(activation), steep),
    ]
}

/// ∫ f from s to t, by Gauss and Legendre's five points on each of 64 parts.
fn integrate(f: fn(f64) -> f64, s: f64, t: f64) -> f64 {
    const PARTS: u32 = 64;
    const NODES: [(f64, f64); 5] = [
        (0.0, 128.0 / 225.0),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (0.906_179_845_938_664, 0.236_926_885_056_189_08),
        (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    ];
    let half = (t - s) / f64::from(2 * PARTS);
    let middles = (0..PARTS).map(|part| s + half * f64::from(2 * part + 1));
    let part = |middle: f64| -> f64 {
        let node = |(x, weight): (f64, f64)| weight * f(middle + half * x);
        NODES.into_iter().map(node).sum()
    };
    half * middles.map(part).sum::<f64>()
}

/// Eqs. 10 and 17: the layer, against the values of what it minimises.
fn layers(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    const LEN: usize = 4;
    let measure = |geometry: Geometry| {
        let mut measured = Measured::default();
        for mut sampler in effort.samplers() {
            let quadratic = quadratic(&mut sampler, LEN, -1.0, 2.0);
            let majorant = Majorant {
                quadratic,
                geometry,
                tau: sampler.uniform(0.1, 0.5),
            };
            // τg is what has the activation for its proximity operator.
            let potential = match geometry {
                Geometry::Euclidean => Potential::OfActivation(activation),
                Geometry::Bregman(_) => Potential::Indicator(activation.range),
            };
            let value = |z: &DVector<f64>, v: &DVector<f64>| {
                let g: f64 = z.iter().map(|&t| potential.value(t)).sum();
                majorant.value(z, v) + g / majorant.tau
            };
            let layer = majorant.layer();
            for _ in 0..8 {
                let v = sampler.point(activation, LEN, SPREAD);
                let dual = v.map(|t| geometry.gradient(t));
                let next = layer.pre_activation(&v, &dual).map(activation.rho);
                let least = value(&next, &v);
                for size in [1e-3, 0.1, 1.0] {
                    let there = next.map(|t| {
                        (activation.rho)((activation.rho_inv)(t) + sampler.uniform(-size, size))
                    });
                    measured.add((least - value(&there, &v)) / (1.0 + least.abs()));
                }
            }
        }
        measured
    };
    let claim = |name| Claim {
        name,
        sampled: "rise of F(·; v) + g from a random point to the layer's output",
        bound: ROUNDING,
        expected: |_| true,
    };
    let mut identity = Measured::default();
    for mut sampler in effort.samplers() {
        let z = sampler.point(activation, LEN, SPREAD);
        let back = z.map(activation.rho_inv).map(activation.rho);
        identity.add((z - back).amax());
    }
    vec![
        claim("Eq. 10, argmin F + g = ρ(Wz + b)")
            .row(Some(activation), measure(Geometry::Euclidean)),
        claim("Eq. 17, argmin F + g = ρ(ρ⁻¹(z) + Wz + b)")
            .row(Some(activation), measure(Geometry::Bregman(activation))),
        Claim {
            name: "Eq. 21, the identity for W = 0, b = 0",
            sampled: "|ρ(ρ⁻¹(z)) − z|",
            bound: 16.0 * f64::EPSILON,
            expected: |_| true,
        }
        .row(Some(activation), identity),
    ]
}

/// A tied, symmetric network with this spectrum, and a start inside its range.
fn tied(
    sampler: &mut Sampler,
    activation: &'static Activation,
    [low, high]: [f64; 2],
) -> (Tied, DVector<f64>) {
    let len = 2 + (sampler.uniform(0.0, 3.0) as usize) * 4;
    let tied = Tied {
        activation,
        weight: sampler.symmetric(len, low, high),
        bias: sampler.vector(len, -1.0, 1.0),
    };
    let start = sampler.point(activation, len, SPREAD);
    (tied, start)
}

/// Σ of the magnitudes of E's terms, which its roundings are a part of.
fn energy_scale(tied: &Tied, z: &DVector<f64>) -> f64 {
    let magnitudes = z.map(f64::abs);
    let quadratic = 0.5 * magnitudes.dot(&(tied.weight.map(f64::abs) * &magnitudes));
    1.0 + quadratic + tied.bias.map(f64::abs).dot(&magnitudes)
}

/// The largest rise of E from one layer to the next, over `depth` layers, relative to its terms.
fn largest_rise(tied: &Tied, start: &DVector<f64>, depth: usize) -> f64 {
    let mut worst: f64 = 0.0;
    let mut last = tied.energy(start);
    for z in tied.layers(start).skip(1).take(depth) {
        let energy = tied.energy(&z);
        worst = worst.max((energy - last) / energy_scale(tied, &z));
        last = energy;
    }
    worst
}

/// ‖z⁽ᴸ⁾ − z⁽ᴸ⁻¹⁾‖∞ at L = [`DEPTH`].
fn last_move(tied: &Tied, start: &DVector<f64>) -> f64 {
    let mut layers = tied.layers(start).skip(DEPTH - 1);
    let last = [(); 2].map(|()| layers.next());
    let [Some(before), Some(after)] = last else {
        unreachable!("a network without end");
    };
    (after - before).amax()
}

fn is_bounded(activation: &Activation) -> bool {
    activation.range.iter().all(|end| end.is_finite())
}

const DESCENT: &str = "rise of E from layer to layer, 200 layers, relative to its terms";
const CONVERGENCE: &str = "‖z′ − z‖∞ after 2,000 layers";

/// A unit that drifts to an end of its range by c a layer has an algebraic tail at worst (arctan):
/// it moves by c/(1 + (cl)²) ≤ 1/(2l) at layer l.
const STILL_MOVING: f64 = 0.5 / DEPTH as f64;

fn theorem_5_1(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let sigma = activation.sigma;
    let mut descent = Measured::default();
    let mut convergence = Measured::default();
    for mut sampler in effort.samplers() {
        let high = sampler.uniform(-0.5, 1.0) * sigma;
        let (network, start) = tied(&mut sampler, activation, [-2.0 * sigma, high]);
        descent.add(largest_rise(&network, &start, 200));
        // arcsinh is slow where z is large: h = 1/cosh z.
        let high = if is_bounded(activation) {
            high
        } else {
            -0.5 * sigma
        };
        let (network, start) = tied(&mut sampler, activation, [-1.9 * sigma, high]);
        convergence.add(last_move(&network, &start));
    }
    vec![
        Claim {
            name: "Theorem 5.1, descent for λ_min(W) ≥ −2σ",
            sampled: DESCENT,
            bound: 1e-13,
            expected: |_| true,
        }
        .row(Some(activation), descent),
        Claim {
            name: "Theorem 5.1, convergence for λ_min(W) ≥ −1.9σ",
            sampled: CONVERGENCE,
            bound: STILL_MOVING,
            expected: |_| true,
        }
        .row(Some(activation), convergence),
    ]
}

/// Theorem 5.1 without one of its hypotheses at a time.
fn missed_hypotheses(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let sigma = activation.sigma;
    let mut untied = Measured::default();
    let mut asymmetric = Measured::default();
    let mut too_large = Measured::default();
    let mut unbounded = Measured::default();
    for mut sampler in effort.samplers() {
        // Layers in turn from two networks, each of which would converge.
        let (odd, start) = tied(&mut sampler, activation, [-1.9 * sigma, -0.1 * sigma]);
        let len = start.len();
        let even = Tied {
            activation,
            weight: sampler.symmetric(len, -1.9 * sigma, -0.1 * sigma),
            bias: sampler.vector(len, -1.0, 1.0),
        };
        let mut z = start.clone();
        let mut moved = 0.0;
        for layer in 0..DEPTH {
            let network = if layer % 2 == 0 { &even } else { &odd };
            let next = network.limit(&z, 1);
            moved = (&next - &z).amax();
            z = next;
        }
        untied.add(moved);

        let mut turning = odd.clone();
        let skew = sampler.matrix(len);
        turning.weight += (&skew - skew.transpose()) * sigma;
        asymmetric.add(largest_rise(&turning, &start, 100));

        // Around a fixed point where φ is near its flattest, the steps overshoot.
        let (mut network, start) = tied(&mut sampler, activation, [-2.6 * sigma, -0.1 * sigma]);
        let middle = DVector::from_element(start.len(), flattest(activation));
        network.bias = -&network.weight * middle;
        too_large.add(largest_rise(&network, &start, 200));

        let (network, start) = tied(&mut sampler, activation, [-1.9 * sigma, 0.3 * sigma]);
        let [half, whole] = [200, 400].map(|layers| network.energy(&network.limit(&start, layers)));
        unbounded.add(half - whole);
    }
    let mut rows = vec![
        Claim {
            name: "Theorem 5.1, layers that differ",
            sampled: CONVERGENCE,
            bound: STILL_MOVING,
            expected: |_| false,
        }
        .row(Some(activation), untied),
        Claim {
            name: "Theorem 5.1, W not symmetric",
            sampled: "rise of E from layer to layer, 100 layers, relative to its terms",
            bound: 1e-13,
            expected: |_| false,
        }
        .row(Some(activation), asymmetric),
        Claim {
            name: "Theorem 5.1, τ too large: λ_min(W) = −2.6σ",
            sampled: DESCENT,
            bound: 1e-13,
            expected: |_| false,
        }
        .row(Some(activation), too_large),
    ];
    if !is_bounded(activation) {
        let claim = Claim {
            name: "Theorem 5.1, unbounded range and λ_max(W) > 0",
            sampled: "fall of E from layer 200 to layer 400",
            bound: STILL_MOVING,
            expected: |_| false,
        };
        rows.push(claim.row(Some(activation), unbounded));
    }
    if activation.name == "identity" {
        let mut cycle = Measured::default();
        for mut sampler in effort.samplers() {
            let (network, start) = tied(&mut sampler, activation, [-2.0, -0.1]);
            cycle.add(last_move(&network, &start));
        }
        let claim = Claim {
            name: "Theorem 5.1, convergence at λ_min(W) = −2σ",
            sampled: CONVERGENCE,
            bound: STILL_MOVING,
            expected: |_| false,
        };
        rows.push(claim.row(Some(activation), cycle));
    }
    rows
}

/// Sec. 5 calls the g of Examples 3.1 and 3.2 nonconvex. Here a claim holds if a violation of
/// convexity is found.
fn convexity(effort: Effort) -> Vec<Row> {
    let formulas = [&EXAMPLE_3_1, &EXAMPLE_3_2];
    let row = |formula: &'static Formula| {
        let mut found = Measured::default();
        let mut sampler = Sampler::new(effort.seed, 0);
        let g = Potential::Formula(formula);
        for _ in 0..effort.arguments {
            let [s, t] = [(); 2].map(|()| sampler.uniform(-1.0, 1.0));
            let chord = 0.5 * (g.value(s) + g.value(t));
            found.add(g.value(0.5 * (s + t)) - chord);
        }
        let name = match formula.name {
            "Example 3.1" => "Sec. 5, the g of Example 3.1 is nonconvex",
            _ => "Sec. 5, the g of Example 3.2 is nonconvex",
        };
        let claim = Claim {
            name,
            sampled: "g above its chords, in the middle; nonconvex if above the bound",
            bound: 1e-15,
            expected: |_| false,
        };
        let mut row = claim.row(None, found);
        row.holds = row.worst > row.bound;
        row
    };
    formulas.map(row).to_vec()
}

/// The literal limit of Problem 2.1, for negative definite W.
fn forgotten_input(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let sigma = activation.sigma;
    let mut measured = Measured::default();
    for mut sampler in effort.samplers() {
        // Well inside: a start's trace fades like (1 − 0.3)ᴸ where φ″ is near σ, and slower outside.
        let (network, start) = tied(&mut sampler, activation, [-1.5 * sigma, -0.5 * sigma]);
        let other = sampler.point(activation, start.len(), SPREAD);
        let [one, two] = [start, other].map(|x| network.limit(&x, DEPTH));
        measured.add((one - two).amax());
    }
    let claim = Claim {
        name: "The literal limit forgets its input",
        sampled: "distance of the limits of two inputs, 2,000 layers",
        bound: STILL_MOVING,
        expected: |_| true,
    };
    vec![claim.row(Some(activation), measured)]
}

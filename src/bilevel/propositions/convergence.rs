//! Theorem 5.1, its failure without each of its hypotheses, and the literal limit.

use nalgebra::DVector;

use super::{Claim, DEPTH, Effort, Measured, Row, SPREAD, flattest};
use crate::activation::Activation;
use crate::bilevel::limit::Tied;
use crate::bilevel::sampler::Sampler;

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

/// The sum of the magnitudes of the terms of E, to which its rounding error is relative.
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
        unreachable!("the layers have no end");
    };
    (after - before).amax()
}

fn is_bounded(activation: &Activation) -> bool {
    activation.range.iter().all(|end| end.is_finite())
}

/// The largest move of a network that converges. A unit that drifts to an end of its range by c in
/// each layer has an algebraic tail at worst (arctan): at layer l it moves by
/// c/(1 + (cl)²) ≤ 1/(2l).
const STILL_MOVING: f64 = 0.5 / DEPTH as f64;

pub(super) fn theorem_5_1(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let sigma = activation.sigma;
    let mut descent = Measured::default();
    let mut convergence = Measured::default();
    for mut sampler in effort.samplers() {
        let high = sampler.uniform(-0.5, 1.0) * sigma;
        let (network, start) = tied(&mut sampler, activation, [-2.0 * sigma, high]);
        descent.add(largest_rise(&network, &start, 200));
        // E must be bounded below. arcsinh is slow where z is large, since h = 1/cosh z.
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
            sampled: "rise of E in each of 200 layers, relative to its terms: λ_min(W) = −2σ, \
                      λ_max(W)/σ ∈ [−0.5, 1]",
            bound: 1e-13,
            expected: |_| true,
        }
        .row(Some(activation), descent),
        Claim {
            name: "Theorem 5.1, convergence for λ_min(W) ≥ −1.9σ",
            sampled: match is_bounded(activation) {
                true => "‖z′ − z‖∞ after 2,000 layers: λ_min(W) = −1.9σ, λ_max(W)/σ ∈ [−0.5, 1]",
                false => {
                    "‖z′ − z‖∞ after 2,000 layers: λ_min(W) = −1.9σ, but λ_max(W) = −0.5σ, since E \
                     has to be bounded below, and at −0.1σ arcsinh still moves by 2.7e-4 (seed 0)"
                }
            },
            bound: STILL_MOVING,
            expected: |_| true,
        }
        .row(Some(activation), convergence),
    ]
}

/// Theorem 5.1 without one of its hypotheses, for each of them.
pub(super) fn missed_hypotheses(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let sigma = activation.sigma;
    let mut untied = Measured::default();
    let mut asymmetric = Measured::default();
    let mut too_large = Measured::default();
    let mut unbounded = Measured::default();
    for mut sampler in effort.samplers() {
        // Layers of two networks in turn, each of which converges by itself.
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

        // Around a fixed point where φ is nearly flattest, the steps overshoot.
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
            sampled: "‖z′ − z‖∞ after 2,000 layers, in turn of two networks: λ(W)/σ ∈ [−1.9, −0.1]",
            bound: STILL_MOVING,
            expected: |_| false,
        }
        .row(Some(activation), untied),
        Claim {
            name: "Theorem 5.1, W not symmetric",
            sampled: "rise of E in each of 100 layers, relative to its terms: W = symmetric, with λ/σ ∈ \
                      [−1.9, −0.1], plus σ(S − Sᵀ), S from U(±1)",
            bound: 1e-13,
            expected: |_| false,
        }
        .row(Some(activation), asymmetric),
        Claim {
            name: "Theorem 5.1, τ too large: λ_min(W) = −2.6σ",
            sampled: "rise of E in each of 200 layers, relative to its terms: λ_max(W) = −0.1σ, and b \
                      puts a fixed point where φ″ = σ; around that of a random b, φ″ > σ makes up for it \
                      in most networks of sigmoid and softplus",
            bound: 1e-13,
            expected: |_| false,
        }
        .row(Some(activation), too_large),
    ];
    if !is_bounded(activation) {
        let claim = Claim {
            name: "Theorem 5.1, unbounded range and λ_max(W) > 0",
            sampled: "fall of E from layer 200 to layer 400: λ_min(W) = −1.9σ, λ_max(W) = 0.3σ",
            bound: STILL_MOVING,
            expected: |_| false,
        };
        rows.push(claim.row(Some(activation), unbounded));
    }
    if activation.name == Activation::IDENTITY.name {
        let mut cycle = Measured::default();
        for mut sampler in effort.samplers() {
            let (network, start) = tied(&mut sampler, activation, [-2.0, -0.1]);
            cycle.add(last_move(&network, &start));
        }
        let claim = Claim {
            name: "Theorem 5.1, convergence at λ_min(W) = −2σ",
            sampled: "‖z′ − z‖∞ after 2,000 layers: λ_max(W) = −0.1; the identity alone, since the \
                      others' φ″ is σ at one point at most",
            bound: STILL_MOVING,
            expected: |_| false,
        };
        rows.push(claim.row(Some(activation), cycle));
    }
    rows
}

/// The literal limit of Problem 2.1, for negative definite W.
pub(super) fn forgotten_input(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    let sigma = activation.sigma;
    let mut measured = Measured::default();
    for mut sampler in effort.samplers() {
        // Well inside the bounds of λ(W): there the influence of the start fades like ½ᴸ if φ″ is
        // near σ, and more slowly elsewhere.
        let (network, start) = tied(&mut sampler, activation, [-1.5 * sigma, -0.5 * sigma]);
        let other = sampler.point(activation, start.len(), SPREAD);
        let [one, two] = [start, other].map(|x| network.limit(&x, DEPTH));
        measured.add((one - two).amax());
    }
    let claim = Claim {
        name: "The literal limit forgets its input",
        sampled: "distance of two inputs after 2,000 layers: λ(W)/σ ∈ [−1.5, −0.5]; up to −0.1, arctan, \
                  scaled-arctan and arcsinh are not there yet (2.6e-4 to 1.9e-3, seed 0)",
        bound: STILL_MOVING,
        expected: |_| true,
    };
    vec![claim.row(Some(activation), measured)]
}

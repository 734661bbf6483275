//! Activations as proximity operators, the φ of Table 1, and which g are convex.

use nalgebra::DVector;

use super::{Claim, Effort, Measured, ROUNDING, Row, SPREAD};
use crate::activation::Activation;
use crate::bilevel::Geometry;
use crate::bilevel::prox::{
    self, CLAMPED_SINE, EXAMPLE_3_1, EXAMPLE_3_2, Formula, Potential, closed_form, prox_objective,
};
use crate::bilevel::sampler::Sampler;

/// Sec. 3: the Euclidean proximity operators of the potentials.
pub(super) fn euclidean_potentials(effort: Effort) -> Vec<Row> {
    let measure = |potential: Potential, activation: &Activation| {
        let mut measured = Measured::default();
        let mut sampler = Sampler::new(effort.seed, 0);
        let closed = closed_form(Geometry::Euclidean, potential, 1.0);
        let closed = closed.expect("a potential with a closed form");
        for _ in 0..effort.arguments {
            let v = sampler.uniform(-8.0, 8.0);
            let solved = prox::prox(Geometry::Euclidean, potential, 1.0, v);
            for known in [closed(v), (activation.rho)(v)] {
                measured.add((solved - known).abs() / (1.0 + v.abs()));
            }
        }
        measured
    };
    // The derivative has an error of a few roundings of v, and so has the solution, since σ ≥ 1.
    let bound = 16.0 * f64::EPSILON;
    let sampled = "|solver − closed form|, |solver − ρ(v)|, both over 1 + |v|; v ∈ [−8, 8]";
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
            &Activation::ISRU,
        ),
        formula(
            "Example 3.2: prox_g = scaled-arctan",
            &EXAMPLE_3_2,
            &Activation::SCALED_ARCTAN,
        ),
        formula(
            "prox_g = sin clamped to ±π/2",
            &CLAMPED_SINE,
            &Activation::SIN,
        ),
    ];
    let claim = Claim {
        name: "Sec. 3, prox_g = ρ for g = φ − t²/2",
        sampled,
        bound,
        expected: |_| true,
    };
    let each = |a: &'static Activation| claim.row(Some(a), measure(Potential::OfActivation(a), a));
    rows.extend(Activation::ALL.iter().map(each));
    rows
}

pub(super) fn proposition_4_2(effort: Effort, activation: &'static Activation) -> Vec<Row> {
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
            sampled: "|solver − ρ(v)| / (1 + |v|), v ∈ [−8, 8], τ ∈ [0.1, 10]",
            // As in Sec. 3.
            bound: 16.0 * f64::EPSILON,
            expected: |_| true,
        }
        .row(Some(activation), solver),
        Claim {
            name: "Prop. 4.2, no other point is lower",
            sampled: "rise of φ(u) − uv from u to ρ(v), by φ alone; |ρ⁻¹(u) − v| ≤ 2",
            bound: 64.0 * f64::EPSILON,
            expected: |_| true,
        }
        .row(Some(activation), value),
    ]
}

pub(super) fn proposition_4_3(effort: Effort, activation: &'static Activation) -> Vec<Row> {
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
        // The integral by parts, since ρ is smooth where ρ⁻¹ is steep.
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
            sampled: match steep.samples {
                0 => "nothing: dom φ is ℝ and has no ends",
                _ => "1/|φ′| at the finite ends of dom φ",
            },
            // 1/tan(π/2) for the f64 next to π/2.
            bound: 1e-16,
            expected: |activation| activation.dual_max == f32::MAX,
        }
        .row(Some(activation), steep),
    ]
}

/// ∫ f from s to t by the five-point Gauss-Legendre rule on each of 64 parts.
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

/// Sec. 5 calls the g of Examples 3.1 and 3.2 nonconvex. This claim holds if a violation of
/// convexity is found.
pub(super) fn convexity(effort: Effort) -> Vec<Row> {
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
            sampled: "g above the middle of its chords; the claim would hold above the bound",
            bound: 1e-15,
            expected: |_| false,
        };
        let mut row = claim.row(None, found);
        row.holds = row.worst > row.bound;
        row
    };
    formulas.map(row).to_vec()
}

//! Props. 3.1 and 4.1, and the layers of their majorants.

use nalgebra::{DMatrix, DVector};

use super::{Claim, DEPTH, Effort, Measured, ROUNDING, Row, SPREAD, flattest};
use crate::activation::Activation;
use crate::bilevel::prox::Potential;
use crate::bilevel::sampler::Sampler;
use crate::bilevel::{Definition, Geometry, Majorant, Minimization, Problem, Quadratic};

/// A Q that majorises its tangent: λ(A) is in [`low`, `high`], and C is negative semidefinite and 0
/// along the top eigenvector of A, so that f has the curvature of Q there.
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

/// The worst violation of a bullet of Definition 2.1 by `majorant` among `points`.
fn violation(majorant: &Majorant, points: &[DVector<f64>]) -> f64 {
    let f = majorant.quadratic.tangent();
    let found = Definition::check(|z| f.value(z), |z, v| majorant.value(z, v), points);
    found.majorization.max(found.touching).max(found.convexity)
}

pub(super) fn proposition_3_1(effort: Effort) -> Vec<Row> {
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
            // f + g rises by a rounding error at most.
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
            sampled: "Definition 2.1 on 144 pairs: λ_max(A) ∈ [0.5, 3], λ_min(A) = −½λ_max(A), C ≤ 0, \
                      τλ_max(A) ∈ [0.1, 1]",
            bound: ROUNDING,
            expected: |_| true,
        }
        .row(None, measure(0.1, 1.0)),
        Claim {
            name: "Prop. 3.1 as printed, 1/λ_max(A) < τ < 2/λ_max(A)",
            sampled: "the same but τλ_max(A) ∈ [1.05, 2]",
            bound: ROUNDING,
            expected: |_| false,
        }
        .row(None, measure(1.05, 2.0)),
        Claim {
            name: "Forward-backward for τ < 2/λ_max(H)",
            sampled: "rise of f + g in each of 1,000 steps, residual after them: \
                      λ(H) ∈ [0.2, 2], τλ_max(H) ∈ [1, 1.95], over [−1, 1]⁵",
            bound: ROUNDING,
            expected: |_| true,
        }
        .row(None, converges),
    ]
}

pub(super) fn proposition_4_1(effort: Effort, activation: &'static Activation) -> Vec<Row> {
    const LEN: usize = 5;
    // τ is relative to σ/‖A‖₂ or to σ/λ_max(A).
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
            // Along the top eigenvector of A, at φ's flattest point, the bound is met exactly.
            let flat = DVector::from_element(LEN, flattest(activation));
            points.push(&flat + 0.05 * top_eigenvector(&majorant.quadratic.a));
            points.push(flat);
            measured.add(violation(&majorant, &points));
        }
        measured
    };
    let row = |name, sampled, expected, measured| {
        let claim = Claim {
            name,
            sampled,
            bound: ROUNDING,
            expected,
        };
        claim.row(Some(activation), measured)
    };
    vec![
        row(
            "Prop. 4.1, τ ≤ σ/‖A‖₂",
            "Definition 2.1 on 144 pairs of 10 points with |ρ⁻¹| ≤ 4 and two, along A's top \
             eigenvector, where φ″ = σ: λ_min(A) = −½λ_max(A), τ‖A‖₂/σ ∈ [0.1, 1]",
            |_| true,
            measure(-0.5, [0.1, 1.0], true),
        ),
        row(
            "Prop. 4.1, σ/‖A‖₂ < τ ≤ σ/λ_max(A)",
            "the same but λ_min(A) = −3λ_max(A), τλ_max(A)/σ ∈ [0.4, 1]",
            |_| true,
            measure(-3.0, [0.4, 1.0], false),
        ),
        row(
            "Prop. 4.1 past its threshold, τ ≥ 1.05 σ/λ_max(A)",
            "the same but λ_min(A) = −½λ_max(A), τλ_max(A)/σ ∈ [1.05, 1.5]; the two points show it",
            |_| false,
            measure(-0.5, [1.05, 1.5], false),
        ),
    ]
}

/// Eqs. 10 and 17: the layer, against the values of the function that it minimises.
pub(super) fn layers(effort: Effort, activation: &'static Activation) -> Vec<Row> {
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
            // The activation is the proximity operator of this τg.
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
        sampled: "rise of F(·; v) + g to the layer's output from points up to 1 away in ρ⁻¹",
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

//! The equilibrium layer and both of its gradients in f64, one sample at a time, written as in the
//! documentation of the module above.

use nalgebra::{DMatrix, DVector};

use super::layer::{Equilibrium, Gradient};
use crate::data::Targets;
use crate::nn::Parameters;
use crate::reference::loss_and_gradient;

/// K's scales and W, from V.
#[derive(Clone, Debug)]
pub struct Weight {
    /// Y = ½(V + Vᵀ).
    pub symmetric: DMatrix<f64>,
    /// D^{−½}.
    pub scales: DVector<f64>,
    /// W = −cI + rK.
    pub weight: DMatrix<f64>,
    radius: f64,
}

impl Weight {
    /// W of V, `v` (n, n).
    pub fn new(equilibrium: &Equilibrium, v: &[f64]) -> Self {
        let n = equilibrium.width();
        let v = DMatrix::from_row_slice(n, n, v);
        let symmetric = 0.5 * (&v + v.transpose());
        let sum = |row: usize| -> f64 { symmetric.row(row).iter().map(|y| y.abs()).sum() };
        let scales = DVector::from_fn(n, |row, _| 1.0 / sum(row).max(1.0).sqrt());
        let [center, radius] = equilibrium.center_and_radius();
        let weight = DMatrix::from_fn(n, n, |i, j| {
            let diagonal = if i == j { -center } else { 0.0 };
            diagonal + radius * (scales[i] * scales[j] * symmetric[(i, j)])
        });
        Self {
            symmetric,
            scales,
            weight,
            radius,
        }
    }

    /// dL/dV from G = dL/dW. With Ḡ = ½(G + Gᵀ), tᵢ = Σⱼ Ḡᵢⱼ Yᵢⱼ sⱼ and s = D^{−½},
    /// dVᵢⱼ = r (Ḡᵢⱼ sᵢ sⱼ − ½ (tᵢsᵢ³ + tⱼsⱼ³) sign Yᵢⱼ), with the second term only where dᵢ, or
    /// dⱼ, exceeds 1.
    pub fn pull_back(&self, gradient: &DMatrix<f64>) -> DMatrix<f64> {
        let n = self.scales.len();
        let s = &self.scales;
        let y = &self.symmetric;
        let g = 0.5 * (gradient + gradient.transpose());
        let normalised = DVector::from_fn(n, |i, _| {
            let t: f64 = (0..n).map(|j| g[(i, j)] * y[(i, j)] * s[j]).sum();
            if s[i] < 1.0 { t * s[i].powi(3) } else { 0.0 }
        });
        DMatrix::from_fn(n, n, |i, j| {
            let sign = if y[(i, j)] == 0.0 {
                0.0
            } else {
                y[(i, j)].signum()
            };
            let through_d = 0.5 * (normalised[i] + normalised[j]) * sign;
            self.radius * (g[(i, j)] * s[i] * s[j] - through_d)
        })
    }
}

/// A state of the iteration of one sample.
#[derive(Clone, Debug)]
pub struct Solution {
    /// z, (n).
    pub z: DVector<f64>,
    /// The drift Wz + Ux + b, (n).
    pub drift: DVector<f64>,
    /// The number of iterations.
    pub iterations: usize,
    /// The root mean square of the natural residual.
    pub residual: f64,
}

impl Solution {
    /// S: the units whose z + drift is inside the range.
    pub fn inside(&self, [low, high]: [f64; 2]) -> Vec<usize> {
        let target = &self.z + &self.drift;
        (0..self.z.len())
            .filter(|&i| low < target[i] && target[i] < high)
            .collect()
    }
}

fn vector(values: &[f64]) -> DVector<f64> {
    DVector::from_row_slice(values)
}

/// Ux + b.
pub fn injected(equilibrium: &Equilibrium, p: &Parameters<f64>, x: &[f64]) -> DVector<f64> {
    let (n, features) = (equilibrium.width(), equilibrium.model.inputs());
    DMatrix::from_row_slice(n, features, &p.layers[0].weight) * vector(x)
        + vector(&p.layers[0].bias)
}

/// a ← a + Wρ(a) + Ux + b from a = `start` until the residual is at most `tolerance`, or for
/// `max_iterations`. `injection` is Ux + b.
pub fn solve(
    equilibrium: &Equilibrium,
    weight: &DMatrix<f64>,
    injection: &DVector<f64>,
    start: &DVector<f64>,
    tolerance: f64,
    max_iterations: usize,
) -> Solution {
    let activation = equilibrium.model.layers[0].activation;
    let [low, high] = activation.range;
    let dual_ends = activation.range.map(activation.rho_inv);
    let mut a = start.clone();
    let mut iterations = 0;
    loop {
        let z = a.map(activation.rho);
        let drift = weight * &z + injection;
        let natural = &z - (&z + &drift).map(|t| t.clamp(low, high));
        let residual = (natural.norm_squared() / natural.len() as f64).sqrt();
        if residual <= tolerance || iterations == max_iterations {
            return Solution {
                z,
                drift,
                iterations,
                residual,
            };
        }
        a += drift;
        a.apply(|a| *a = a.clamp(dual_ends[0], dual_ends[1]));
        iterations += 1;
    }
}

/// The loss of a batch, x (batch, features), and its gradients, by one of the two methods.
pub fn gradients(
    equilibrium: &Equilibrium,
    p: &Parameters<f64>,
    x: &[f64],
    targets: &Targets,
    method: Gradient,
) -> (f64, Parameters<f64>) {
    let model = &equilibrium.model;
    let (n, features, outputs) = (equilibrium.width(), model.inputs(), model.head.outputs);
    let activation = model.layers[0].activation;
    let h = activation.rho_slope;
    let weight = Weight::new(equilibrium, &p.layers[1].weight);
    let w = &weight.weight;
    let head = DMatrix::from_row_slice(outputs, n, &p.head.weight);
    let solver = equilibrium.solver;
    let rows: Vec<&[f64]> = x.chunks_exact(features).collect();

    // z⁽⁰⁾ … z⁽ᴸ⁾ of each sample, or the limit alone.
    let start = DVector::zeros(n);
    let traces: Vec<Vec<Solution>> = rows
        .iter()
        .map(|x| {
            let injection = injected(equilibrium, p, x);
            let run =
                |tolerance, steps| solve(equilibrium, w, &injection, &start, tolerance, steps);
            match method {
                Gradient::Implicit => {
                    vec![run(f64::from(solver.tolerance), solver.max_iterations)]
                }
                Gradient::Unrolled(layers) => (0..=layers).map(|l| run(-1.0, l)).collect(),
            }
        })
        .collect();
    let mut logits = Vec::new();
    for trace in &traces {
        let z = &trace[trace.len() - 1].z;
        logits.extend((&head * z + vector(&p.head.bias)).iter());
    }
    let loss = loss_and_gradient(model.loss, &logits, outputs, targets);

    let mut gradient = p.map(|_| 0.0);
    let mut dw = DMatrix::zeros(n, n);
    for ((trace, x), delta) in traces
        .iter()
        .zip(&rows)
        .zip(loss.delta.chunks_exact(outputs))
    {
        let last = &trace[trace.len() - 1];
        let delta = vector(delta);
        for (k, d) in delta.iter().enumerate() {
            gradient.head.bias[k] += d;
            for i in 0..n {
                gradient.head.weight[k * n + i] += d * last.z[i];
            }
        }
        let g = head.tr_mul(&delta);
        // dL/d(Ux + b), summed over the layers.
        let dc = match method {
            Gradient::Implicit => {
                let inside = last.inside(activation.range);
                let mut v = DVector::zeros(n);
                if !inside.is_empty() {
                    let block = -w.select_rows(&inside).select_columns(&inside);
                    let solution = block.lu().solve(&g.select_rows(&inside));
                    let solution = solution.expect("−W_SS is positive definite");
                    for (&i, value) in inside.iter().zip(solution.iter()) {
                        v[i] = *value;
                    }
                }
                dw += &v * last.z.transpose();
                v
            }
            Gradient::Unrolled(_) => {
                let mut through = last.z.map(h).component_mul(&g);
                let mut dc = DVector::zeros(n);
                for before in trace[..trace.len() - 1].iter().rev() {
                    dw += &through * before.z.transpose();
                    dc += &through;
                    through += before.z.map(h).component_mul(&w.tr_mul(&through));
                }
                dc
            }
        };
        for i in 0..n {
            gradient.layers[0].bias[i] += dc[i];
            for (j, x) in x.iter().enumerate() {
                gradient.layers[0].weight[i * features + j] += dc[i] * x;
            }
        }
    }
    let dv = weight.pull_back(&dw);
    gradient.layers[1].weight = dv.transpose().as_slice().to_vec();
    (loss.loss, gradient)
}

//! Properties of a Bregman network whose layers share W and b (eq. 20, Sec. 5, Theorem 5.1),
//! checked on any executor: the energy E(z) = −½ zᵀWz − bᵀz falls from layer to layer where W is
//! symmetric with λ_min ≥ −2σ, and not otherwise; and the dual map a ↦ a + Wρ(a) + b is Lipschitz
//! and invertible.

use bregman::activation::Activation;
use bregman::selftest::dispatch::random;

pub const WIDTH: usize = 6;
const BATCH: usize = 5;
const LAYERS: usize = 60;
const NETWORKS: u32 = 4;

/// A network of tied layers and its inputs.
pub struct Tied {
    pub activation: &'static Activation,
    /// W, (WIDTH, WIDTH).
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    /// (BATCH, WIDTH).
    pub z: Vec<f32>,
    /// ‖W‖₂.
    norm: f64,
}

/// z₁, a₁, z₂, a₂, … of a network.
pub type States<'a> = dyn FnMut(&Tied, usize) -> Vec<Vec<f64>> + 'a;

/// Q diag(λ) Qᵀ with a random orthogonal Q.
fn with_eigenvalues(stream: u32, eigenvalues: [f64; WIDTH]) -> Vec<f32> {
    let numbers = random(stream, WIDTH * WIDTH, -1.0, 1.0);
    let mut rows: Vec<Vec<f64>> = numbers
        .chunks(WIDTH)
        .map(|row| row.iter().map(|&x| f64::from(x)).collect())
        .collect();
    // Gram and Schmidt, twice for orthogonality to rounding.
    for i in 0..2 * WIDTH {
        let mut row = rows[i % WIDTH].clone();
        for other in &rows[..i % WIDTH] {
            let part = dot(&row, other);
            row.iter_mut().zip(other).for_each(|(x, o)| *x -= part * o);
        }
        let length = dot(&row, &row).sqrt();
        rows[i % WIDTH] = row.iter().map(|x| x / length).collect();
    }
    let entry = |i: usize, j: usize| -> f64 {
        let terms = rows.iter().zip(eigenvalues);
        terms.map(|(q, lambda)| lambda * q[i] * q[j]).sum()
    };
    (0..WIDTH * WIDTH)
        .map(|index| entry(index / WIDTH, index % WIDTH) as f32)
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

impl Tied {
    /// Eigenvalues spread over `spectrum` (in units of σ), with a fixed point where ρ is steepest,
    /// and inputs within `spread` of it.
    fn new(
        activation: &'static Activation,
        stream: u32,
        spectrum: [f64; 2],
        spread: f32,
        skew: f64,
    ) -> Self {
        let [low, high] = spectrum.map(|end| end * activation.sigma);
        let step = (high - low) / (WIDTH - 1) as f64;
        let eigenvalues: [f64; WIDTH] = std::array::from_fn(|i| low + i as f64 * step);
        let mut weight = with_eigenvalues(stream, eigenvalues);
        let skew = skew * activation.sigma;
        for i in (0..WIDTH).step_by(2) {
            weight[i * WIDTH + i + 1] += skew as f32;
            weight[(i + 1) * WIDTH + i] -= skew as f32;
        }
        let steepest = match activation.name {
            name if name == Activation::SIGMOID.name => 0.5,
            name if name == Activation::SOFTPLUS.name => 5.0,
            _ => 0.0,
        };
        let matrix = wide(&weight);
        let row = |i: usize| &matrix[i * WIDTH..(i + 1) * WIDTH];
        let bias = (0..WIDTH)
            .map(|i| -(row(i).iter().sum::<f64>() * steepest) as f32)
            .collect();
        let offsets = random(stream + 1000, BATCH * WIDTH, -spread, spread);
        let z = offsets.iter().map(|o| steepest as f32 + o).collect();
        let norm = low.abs().max(high.abs()) + skew.abs();
        Self {
            activation,
            weight,
            bias,
            z,
            norm,
        }
    }

    /// Σ terms of row i of Wz + b, and of their magnitudes.
    fn affine(&self, z: &[f64], i: usize) -> [f64; 2] {
        let row = &self.weight[i * WIDTH..(i + 1) * WIDTH];
        let terms = row.iter().zip(z).map(|(&w, z)| f64::from(w) * z);
        let terms: Vec<f64> = terms.chain([f64::from(self.bias[i])]).collect();
        [
            terms.iter().sum(),
            terms.iter().map(|term| term.abs()).sum(),
        ]
    }

    fn energy(&self, z: &[f64]) -> f64 {
        let quadratic = |i: usize| {
            let [affine, _] = self.affine(z, i);
            -0.5 * z[i] * (affine + f64::from(self.bias[i]))
        };
        (0..WIDTH).map(quadratic).sum()
    }

    /// The rounding errors of a and z of a layer in one step: a sum of WIDTH + 3 terms, and 12 ULP
    /// of ρ (the self-test's bound for any adapter).
    fn roundings(&self, z: &[f64], a: &[f64], epsilon: f64) -> [Vec<f64>; 2] {
        let of_a = |i: usize| {
            let [_, magnitude] = self.affine(z, i);
            (WIDTH + 3) as f64 * epsilon * (magnitude + a[i].abs())
        };
        let of_a: Vec<f64> = (0..WIDTH).map(of_a).collect();
        let of_z = |i: usize| of_a[i] / self.activation.sigma + 12.0 * epsilon * z[i].abs();
        let of_z = (0..WIDTH).map(of_z).collect();
        [of_a, of_z]
    }

    /// The change of E by the rounding of z, to first order: Σ |∂E/∂zᵢ| · roundingᵢ.
    fn energy_rounding(&self, z: &[f64], a: &[f64], epsilon: f64) -> f64 {
        let [_, of_z] = self.roundings(z, a, epsilon);
        let gradient = |i: usize| self.affine(z, i)[0].abs();
        let own = epsilon
            * (0..WIDTH)
                .map(|i| z[i].abs() * self.affine(z, i)[1])
                .sum::<f64>();
        (0..WIDTH).map(|i| gradient(i) * of_z[i]).sum::<f64>() + own
    }

    /// The largest rise of E from a layer to the next, minus the part that rounding explains.
    fn largest_rise(&self, states: &mut States<'_>, epsilon: f64) -> f64 {
        let states = states(self, LAYERS);
        let mut largest = f64::NEG_INFINITY;
        for l in 0..LAYERS - 1 {
            let layer = |l: usize, row: usize| {
                let range = row * WIDTH..(row + 1) * WIDTH;
                [&states[2 * l][range.clone()], &states[2 * l + 1][range]]
            };
            for row in 0..BATCH {
                let [[z, a], [next_z, next_a]] = [layer(l, row), layer(l + 1, row)];
                let rise = self.energy(next_z) - self.energy(z);
                assert!(rise.is_finite(), "{}: layer {l}", self.activation.name);
                let rounding = self.energy_rounding(z, a, epsilon)
                    + self.energy_rounding(next_z, next_a, epsilon);
                largest = largest.max(rise - rounding);
            }
        }
        largest
    }
}

/// λ_max: E is bounded below only where the range is bounded or W is negative definite.
fn highest(activation: &Activation) -> f64 {
    let bounded = activation.range.iter().all(|end| end.is_finite());
    if bounded { 0.8 } else { -0.1 }
}

/// Where W is symmetric and λ_min ≥ −2σ, E never rises (math of Sec. 5; ε is the executor's).
pub fn energy_falls(states: &mut States<'_>, epsilon: f64) {
    for activation in Activation::ALL {
        for network in 0..NETWORKS {
            // λ_min down to −2σ, with a margin for the rounding of W to f32.
            for lowest in [-1.0, -2.0 + 1e-6] {
                let spectrum = [lowest, highest(activation)];
                let tied = Tied::new(activation, network, spectrum, 0.45, 0.0);
                let rise = tied.largest_rise(states, epsilon);
                let name = activation.name;
                assert!(
                    rise <= 0.0,
                    "{name}, λ_min = {lowest}σ: E rises by {rise:e}"
                );
            }
        }
    }
}

/// Beyond −2σ, and where W is not symmetric, E rises somewhere: the hypotheses are needed.
pub fn energy_rises_beyond(states: &mut States<'_>, epsilon: f64) {
    for activation in Activation::ALL {
        for (what, spectrum, skew) in [
            ("λ_min = −2.6σ", [-2.6, -0.1], 0.0),
            ("W not symmetric", [-0.7, -0.3], 1.3),
        ] {
            let tied = Tied::new(activation, 7, spectrum, 0.01, skew);
            let rise = tied.largest_rise(states, epsilon);
            assert!(rise > 0.0, "{}, {what}: E never rises", activation.name);
        }
    }
}

/// ‖F(a) − F(a′)‖ is at most (1 + ‖W‖₂/σ) ‖a − a′‖, and at least (1 − ‖W‖₂/σ) ‖a − a′‖; where that
/// is positive, a is recovered from F(a) by a ← F(a) − Wρ(a) − b.
pub fn dual_map_is_lipschitz_and_invertible(states: &mut States<'_>, epsilon: f64) {
    for activation in Activation::ALL {
        let sigma = activation.sigma;
        for network in 0..NETWORKS {
            let tied = Tied::new(activation, 50 + network, [-0.6, 0.6], 0.4, 0.1);
            let ratio = tied.norm / sigma;
            let states = states(&tied, 2);
            let row = |state: usize, row: usize| &states[state][row * WIDTH..(row + 1) * WIDTH];
            let rounding = |r: usize| {
                let [of_a, of_z] = tied.roundings(row(0, r), row(1, r), epsilon);
                // z of the first layer has an error, too, which W passes on.
                of_a.iter().sum::<f64>() + tied.norm * of_z.iter().sum::<f64>()
            };
            for r in 0..BATCH {
                for other in 0..r {
                    let distance = |state: usize| {
                        let pairs = row(state, r).iter().zip(row(state, other));
                        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
                    };
                    let (before, after) = (distance(1), distance(3));
                    let slack = rounding(r) + rounding(other);
                    let name = activation.name;
                    assert!(
                        after <= (1.0 + ratio) * before + slack,
                        "{name}: {before} grew to {after}"
                    );
                    assert!(
                        after >= (1.0 - ratio) * before - slack,
                        "{name}: {before} shrank to {after}"
                    );
                }
                let image = row(3, r);
                let mut a = image.to_vec();
                for _ in 0..200 {
                    let z: Vec<f64> = a.iter().map(|&a| (activation.rho)(a)).collect();
                    a = (0..WIDTH)
                        .map(|i| image[i] - tied.affine(&z, i)[0])
                        .collect();
                }
                let found = a.iter().zip(row(1, r)).map(|(a, b)| (a - b).abs());
                let furthest = found.fold(0.0, f64::max);
                let bound = rounding(r) / (1.0 - ratio) + 1e-12;
                assert!(
                    furthest <= bound,
                    "{}: a was found to {furthest:e}, not {bound:e}",
                    activation.name
                );
            }
        }
    }
}

//! The equilibrium layer in f32 on all cores.

use std::ops::Range;
use std::sync::Arc;

use super::layer::{Equilibrium, Gradient, NEGLIGIBLE_SQUARE, SolverReport};
use crate::cpu::product::Slice::{Plain, Transposed};
use crate::cpu::product::{Parallelism, Slice, multiply_slices};
use crate::data::{Split, Splits, Targets};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, check_orders};
use crate::kernels::Isa;
use crate::nn::Parameters;
use crate::optim::Sgd;
use crate::reference::loss_and_gradient;

/// The layer and its head, with the states of the last batch that the backward pass needs.
#[doc(hidden)]
pub struct CpuLayer {
    equilibrium: Equilibrium,
    parameters: Parameters,
    method: Gradient,
    /// D^{−½}, (n).
    scales: Vec<f32>,
    /// W, (n, n), symmetric.
    weight: Vec<f32>,
    /// z⁽⁰⁾ … z⁽ᴸ⁾, each (batch, n), or the limit alone.
    trace: Vec<Vec<f32>>,
    /// 1 where a unit is inside the range, (batch, n).
    inside: Vec<f32>,
    /// dL/dlogits, (batch, outputs).
    delta: Vec<f32>,
    report: SolverReport,
}

impl CpuLayer {
    /// The layer with these parameters.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) for parameters that do not fit.
    pub fn new(
        equilibrium: &Equilibrium,
        parameters: Parameters,
        method: Gradient,
    ) -> Result<Self> {
        equilibrium.check_parameters(&parameters)?;
        let mut layer = Self {
            equilibrium: equilibrium.clone(),
            parameters,
            method,
            scales: vec![],
            weight: vec![],
            trace: vec![],
            inside: vec![],
            delta: vec![],
            report: SolverReport::default(),
        };
        layer.make_weight();
        Ok(layer)
    }

    /// The current parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// W, (n, n).
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// Statistics of the solver since the last call.
    pub fn take_report(&mut self) -> SolverReport {
        std::mem::take(&mut self.report)
    }

    /// Bytes of the states that the last forward pass kept for the backward pass.
    pub fn kept_bytes(&self) -> usize {
        let states: usize = self.trace.iter().map(Vec::len).sum();
        (states + self.inside.len()) * size_of::<f32>()
    }

    /// Element (i, j) of Y = ½(V + Vᵀ).
    fn symmetric(&self, i: usize, j: usize) -> f32 {
        let (n, v) = (self.equilibrium.width(), &self.parameters.layers[1].weight);
        0.5 * (v[i * n + j] + v[j * n + i])
    }

    /// W = −cI + rK from V.
    fn make_weight(&mut self) {
        let n = self.equilibrium.width();
        let [center, radius] = self.equilibrium.center_and_radius().map(|x| x as f32);
        let sum = |i: usize| -> f32 { (0..n).map(|j| self.symmetric(i, j).abs()).sum() };
        let scales: Vec<f32> = (0..n).map(|i| 1.0 / sum(i).max(1.0).sqrt()).collect();
        let mut weight = vec![0.0; n * n];
        for (i, row) in weight.chunks_exact_mut(n).enumerate() {
            for (j, w) in row.iter_mut().enumerate() {
                *w = radius * (scales[i] * scales[j] * self.symmetric(i, j));
            }
            row[i] -= center;
        }
        self.scales = scales;
        self.weight = weight;
    }

    /// Ux + b, (batch, n), of x (batch, features).
    fn injected(&self, x: &[f32]) -> Vec<f32> {
        let (n, features) = (self.equilibrium.width(), self.equilibrium.model.inputs());
        let rows = x.len() / features;
        let p = &self.parameters.layers[0];
        let mut out = p.bias.repeat(rows);
        product(
            [rows, n, features],
            &mut out,
            true,
            Plain(x),
            Transposed(&p.weight),
        );
        out
    }

    /// z⁽⁰⁾ = ρ(0), …, z⁽ᴸ⁾, all kept.
    fn unroll(&mut self, injected: &[f32], layers: usize) {
        let n = self.equilibrium.width();
        let activation = self.equilibrium.model.layers[0].activation;
        let rows = injected.len() / n;
        let mut a = vec![0.0; injected.len()];
        let mut z = a.clone();
        (activation.loops.dense(Isa::widest()).rho)(&mut z, &a);
        self.trace = vec![z];
        for _ in 0..layers {
            let last = &self.trace[self.trace.len() - 1];
            product([rows, n, n], &mut a, true, Plain(last), Plain(&self.weight));
            for (a, c) in a.iter_mut().zip(injected) {
                *a = (*a + c).clamp(-activation.dual_max, activation.dual_max);
            }
            let mut z = vec![0.0; a.len()];
            (activation.loops.dense(Isa::widest()).rho)(&mut z, &a);
            self.trace.push(z);
        }
    }

    /// Iterates each row until it has converged. Converged rows leave the batch, so that no row is computed
    /// unnecessarily. `c` is Ux + b, (rows, n).
    fn solve(&mut self, mut c: Vec<f32>) {
        let n = self.equilibrium.width();
        let activation = self.equilibrium.model.layers[0].activation;
        let [low, high] = activation.range.map(|end| end as f32);
        let solver = self.equilibrium.solver;
        let mut left: Vec<usize> = (0..c.len() / n).collect();
        let mut a = vec![0.0; c.len()];
        let mut z = a.clone();
        (activation.loops.dense(Isa::widest()).rho)(&mut z, &a);
        let mut drift = a.clone();
        let mut limit = a.clone();
        self.inside = a.clone();
        self.report.samples += left.len() as u64;
        for iteration in 0.. {
            let rows = left.len();
            product(
                [rows, n, n],
                &mut drift,
                false,
                Plain(&z),
                Plain(&self.weight),
            );
            let mut kept = 0;
            for row in 0..rows {
                let at = row * n..(row + 1) * n;
                let mut squares = 0.0;
                for ((drift, c), z) in drift[at.clone()]
                    .iter_mut()
                    .zip(&c[at.clone()])
                    .zip(&z[at.clone()])
                {
                    *drift += c;
                    let natural = z - (z + *drift).clamp(low, high);
                    squares += natural * natural;
                }
                let residual = (squares / n as f32).sqrt();
                // NaN stays NaN: the row is done.
                let converged = residual.is_nan() || residual <= solver.tolerance;
                if converged || iteration == solver.max_iterations {
                    let place = left[row] * n..(left[row] + 1) * n;
                    limit[place.clone()].copy_from_slice(&z[at.clone()]);
                    for ((inside, z), drift) in self.inside[place]
                        .iter_mut()
                        .zip(&z[at.clone()])
                        .zip(&drift[at])
                    {
                        let target = z + drift;
                        let is_inside = low < target && target < high;
                        *inside = if is_inside { 1.0 } else { 0.0 };
                        self.report.at_ends += u64::from(!is_inside);
                    }
                    self.report.iterations += iteration as u64;
                    self.report.most_iterations = self.report.most_iterations.max(iteration as u64);
                    self.report.capped += u64::from(!converged);
                    self.report.residuals += f64::from(residual);
                    continue;
                }
                // The remaining rows move up.
                a.copy_within(at.clone(), kept * n);
                c.copy_within(at.clone(), kept * n);
                drift.copy_within(at, kept * n);
                left[kept] = left[row];
                kept += 1;
            }
            left.truncate(kept);
            if left.is_empty() {
                break;
            }
            let len = kept * n;
            for (a, drift) in a[..len].iter_mut().zip(&drift[..len]) {
                *a = (*a + drift).clamp(-activation.dual_max, activation.dual_max);
            }
            (activation.loops.dense(Isa::widest()).rho)(&mut z[..len], &a[..len]);
        }
        self.trace = vec![limit];
    }

    /// The outputs of the head, (batch, outputs), for x (batch, features).
    fn logits(&mut self, x: &[f32]) -> Vec<f32> {
        let injected = self.injected(x);
        match self.method {
            Gradient::Implicit => self.solve(injected),
            Gradient::Unrolled(layers) => self.unroll(&injected, layers),
        }
        let model = &self.equilibrium.model;
        let (n, rows) = (self.equilibrium.width(), x.len() / model.inputs());
        let head = &self.parameters.head;
        let outputs = model.head.outputs;
        let mut logits = head.bias.repeat(rows);
        let z = &self.trace[self.trace.len() - 1];
        product(
            [rows, outputs, n],
            &mut logits,
            true,
            Plain(z),
            Transposed(&head.weight),
        );
        logits
    }

    /// The forward pass and the loss of x (batch, features).
    pub fn forward(&mut self, x: &[f32], targets: &Targets) -> BatchMetrics {
        let logits = self.logits(x);
        let model = &self.equilibrium.model;
        let outputs = model.head.outputs;
        // A few numbers for each sample: the textbook's loss is fast enough.
        let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        let loss = loss_and_gradient(model.loss, &logits, outputs, targets);
        self.delta = loss.delta.iter().map(|&d| d as f32).collect();
        BatchMetrics {
            loss: loss.loss,
            correct: loss.correct,
            samples: (x.len() / model.inputs()) as u32,
        }
    }

    /// The gradients of the batch of the last [`Self::forward`], in the shapes of the parameters.
    pub fn backward(&mut self, x: &[f32]) -> Parameters {
        let (n, features) = (self.equilibrium.width(), self.equilibrium.model.inputs());
        let outputs = self.equilibrium.model.head.outputs;
        let rows = x.len() / features;
        let len = rows * n;
        let mut gradient = self.parameters.map(|_| 0.0);
        let z = &self.trace[self.trace.len() - 1];
        let head = &mut gradient.head;
        product(
            [outputs, n, rows],
            &mut head.weight,
            false,
            Transposed(&self.delta),
            Plain(z),
        );
        add_rows(&mut head.bias, &self.delta);
        let mut g = vec![0.0; len];
        let head_weight = &self.parameters.head.weight;
        product(
            [rows, n, outputs],
            &mut g,
            false,
            Plain(&self.delta),
            Plain(head_weight),
        );

        // dL/d(Ux + b), and dL/dW.
        let mut dw = vec![0.0; n * n];
        let dc = match self.method {
            Gradient::Implicit => {
                let (v, iterations) = self.conjugate_gradients(g);
                self.report.gradients += 1;
                self.report.gradient_iterations += iterations;
                product([n, n, rows], &mut dw, false, Transposed(&v), Plain(z));
                v
            }
            Gradient::Unrolled(_) => self.back_through_layers(g, &mut dw),
        };
        let layer = &mut gradient.layers[0];
        product(
            [n, features, rows],
            &mut layer.weight,
            false,
            Transposed(&dc),
            Plain(x),
        );
        add_rows(&mut layer.bias, &dc);
        gradient.layers[1].weight = self.pull_back(&dw);
        gradient
    }

    /// v with −W_SS v_S = g_S and v = 0 outside S, row by row, and the number of iterations.
    fn conjugate_gradients(&self, g: Vec<f32>) -> (Vec<f32>, u64) {
        let n = self.equilibrium.width();
        let solver = self.equilibrium.solver;
        let rows = g.len() / n;
        let mut residual = g;
        for (r, inside) in residual.iter_mut().zip(&self.inside) {
            *r *= inside;
        }
        let mut direction = residual.clone();
        let mut v = vec![0.0; residual.len()];
        let mut image = v.clone();
        let mut squares: Vec<f32> = residual.chunks_exact(n).map(|r| dot(r, r)).collect();
        let tolerance = solver.gradient_tolerance * solver.gradient_tolerance;
        let enough = |square: &f32| (tolerance * square).max(NEGLIGIBLE_SQUARE);
        let enough: Vec<f32> = squares.iter().map(enough).collect();
        let mut iterations = 0;
        for _ in 0..solver.max_gradient_iterations {
            if squares
                .iter()
                .zip(&enough)
                .all(|(square, enough)| square <= enough)
            {
                break;
            }
            iterations += 1;
            product(
                [rows, n, n],
                &mut image,
                false,
                Plain(&direction),
                Plain(&self.weight),
            );
            for row in 0..rows {
                if squares[row] <= enough[row] {
                    continue;
                }
                let at = row * n..(row + 1) * n;
                let [v, r] = [&mut v, &mut residual].map(|x| &mut x[at.clone()]);
                let [p, q] = [&mut direction, &mut image].map(|x| &mut x[at.clone()]);
                for (q, inside) in q.iter_mut().zip(&self.inside[at.clone()]) {
                    *q *= -inside;
                }
                let step = squares[row] / dot(p, q);
                for (((v, r), p), q) in v.iter_mut().zip(&mut *r).zip(&*p).zip(&*q) {
                    *v += step * p;
                    *r -= step * q;
                }
                let next = dot(r, r);
                let turn = next / squares[row];
                squares[row] = next;
                for (p, r) in p.iter_mut().zip(&*r) {
                    *p = r + turn * *p;
                }
            }
        }
        (v, iterations)
    }

    /// Returns Σ δ and adds Σ δ⁽ˡ⁺¹⁾ᵀ z⁽ˡ⁾ to `dw`, with δ⁽ᴸ⁾ = h(z⁽ᴸ⁾) ∘ g and
    /// δ⁽ˡ⁾ = δ⁽ˡ⁺¹⁾ + h(z⁽ˡ⁾) ∘ δ⁽ˡ⁺¹⁾W.
    fn back_through_layers(&self, g: Vec<f32>, dw: &mut [f32]) -> Vec<f32> {
        let n = self.equilibrium.width();
        let rows = g.len() / n;
        let loops = &self.equilibrium.model.layers[0].activation.loops;
        let slope = loops.dense(Isa::widest()).rho_slope;
        let mut h = vec![0.0; g.len()];
        slope(&mut h, &self.trace[self.trace.len() - 1]);
        let mut delta: Vec<f32> = g.iter().zip(&h).map(|(g, h)| g * h).collect();
        let mut dc = vec![0.0; g.len()];
        let mut back = g;
        for z in self.trace[..self.trace.len() - 1].iter().rev() {
            product([n, n, rows], dw, true, Transposed(&delta), Plain(z));
            add_rows(&mut dc, &delta);
            product(
                [rows, n, n],
                &mut back,
                false,
                Plain(&delta),
                Plain(&self.weight),
            );
            slope(&mut h, z);
            for ((delta, back), h) in delta.iter_mut().zip(&back).zip(&h) {
                *delta += h * back;
            }
        }
        dc
    }

    /// dL/dV from dL/dW; see [`super::reference::Weight::pull_back`].
    fn pull_back(&self, dw: &[f32]) -> Vec<f32> {
        let n = self.equilibrium.width();
        let radius = self.equilibrium.center_and_radius()[1] as f32;
        let s = &self.scales;
        let mean = |i: usize, j: usize| 0.5 * (dw[i * n + j] + dw[j * n + i]);
        let through = |i: usize| {
            let t: f32 = (0..n)
                .map(|j| mean(i, j) * self.symmetric(i, j) * s[j])
                .sum();
            if s[i] < 1.0 {
                t * s[i] * s[i] * s[i]
            } else {
                0.0
            }
        };
        let through: Vec<f32> = (0..n).map(through).collect();
        let mut dv = vec![0.0; n * n];
        for (i, row) in dv.chunks_exact_mut(n).enumerate() {
            for (j, dv) in row.iter_mut().enumerate() {
                let y = self.symmetric(i, j);
                let sign = if y == 0.0 { 0.0 } else { y.signum() };
                let through_d = 0.5 * (through[i] + through[j]) * sign;
                *dv = radius * (mean(i, j) * s[i] * s[j] - through_d);
            }
        }
        dv
    }

    /// A step of SGD.
    pub fn update(&mut self, gradient: &Parameters, rate: f32) {
        for (p, g) in self.parameters.tensors_mut().zip(gradient.tensors()) {
            for (p, g) in p.iter_mut().zip(g) {
                *p -= rate * g;
            }
        }
        self.make_weight();
    }
}

/// out (m, n) = lhs (m, k) · rhs (k, n), or, with `add`, out plus that, on all cores.
fn product(extent: [usize; 3], out: &mut [f32], add: bool, lhs: Slice<'_>, rhs: Slice<'_>) {
    multiply_slices(extent, out, add, lhs, rhs, Parallelism::Rayon(0));
}

/// Adds the rows of `values` to `sum`.
fn add_rows(sum: &mut [f32], values: &[f32]) {
    for row in values.chunks_exact(sum.len()) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Training of an equilibrium layer on processors.
pub struct CpuEquilibrium {
    layer: CpuLayer,
    splits: Arc<Splits>,
    sgd: Sgd,
    pixel_values: [f32; 256],
}

impl CpuEquilibrium {
    /// The network with these parameters.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) or
    /// [`Error::Label`](crate::error::Error::Label) for data or parameters that do not fit.
    pub fn new(
        equilibrium: &Equilibrium,
        splits: Arc<Splits>,
        parameters: Parameters,
        sgd: Sgd,
        method: Gradient,
    ) -> Result<Self> {
        equilibrium.model.check_splits(&splits)?;
        sgd.check(1)?;
        Ok(Self {
            layer: CpuLayer::new(equilibrium, parameters, method)?,
            pixel_values: equilibrium.model.pixel_values(),
            splits,
            sgd,
        })
    }

    /// Statistics of the solver since the last call.
    pub fn take_report(&mut self) -> SolverReport {
        self.layer.take_report()
    }

    /// Inputs (batch, features) and targets of samples `indices` of a split.
    fn batch(&self, split: Split, indices: &[u32]) -> (Vec<f32>, Targets) {
        let data = self.splits.get(split);
        (
            data.values_of(indices, &self.pixel_values),
            data.targets_of(indices),
        )
    }
}

impl Executor for CpuEquilibrium {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        check_orders(orders, 1, self.splits.train.len())?;
        let count = self.splits.train.len().div_ceil(self.sgd.batch_size);
        let mut batches = Vec::new();
        let chunks = orders[0].chunks(self.sgd.batch_size);
        for indices in chunks.skip(steps.start).take(steps.len()) {
            let (x, targets) = self.batch(Split::Train, indices);
            batches.push(self.layer.forward(&x, &targets));
            let gradient = self.layer.backward(&x);
            self.layer.update(&gradient, self.sgd.learning_rate);
            progress(batches.len());
        }
        // A parameter can overflow while the loss stays finite; the last step's loss is then NaN.
        let mut parameters = self.layer.parameters.tensors().flatten();
        if steps.end >= count
            && let Some(last) = batches.last_mut()
            && !parameters.all(|p| p.is_finite())
        {
            last.loss = f64::NAN;
        }
        Ok(vec![batches])
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let order: Vec<u32> = (0..self.splits.get(split).len() as u32).collect();
        let mut batches = Vec::new();
        for indices in order.chunks(self.sgd.batch_size) {
            let (x, targets) = self.batch(split, indices);
            batches.push(self.layer.forward(&x, &targets));
        }
        Ok(vec![batches])
    }

    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>> {
        let order: Vec<u32> = (0..self.splits.get(split).len() as u32).collect();
        let mut logits = Vec::new();
        for indices in order.chunks(self.sgd.batch_size) {
            let (x, _) = self.batch(split, indices);
            logits.extend(self.layer.logits(&x));
        }
        Ok(vec![logits])
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(vec![self.layer.parameters.clone()])
    }
}

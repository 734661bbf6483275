//! Updates of parameters by their gradients, for every optimizer but plain SGD, whose products update
//! the weights directly.

use std::sync::atomic::{AtomicU64, Ordering};

use super::linalg::Matrix;
use crate::kernels::Isa;
use crate::kernels::update::{Loops, Numbers};
use crate::nn::LayerParameters;
use crate::optim::{Recipe, Rule, StepRates};

/// The largest number of rows of a gradient that are computed before they are used, so that they are
/// still in the core's own cache.
const BLOCK_ROWS: usize = 64;

/// How a recipe's optimizer changes parameters.
#[derive(Clone, Copy)]
pub(super) struct Updater {
    rule: Rule,
    loops: &'static Loops,
    moments: usize,
}

impl Updater {
    pub(super) fn new(recipe: &Recipe, isa: Isa) -> Self {
        Self {
            rule: recipe.rule,
            loops: Loops::on(isa),
            moments: recipe.moments(),
        }
    }

    /// The numbers of a step whose gradients are multiplied by `scale`.
    pub(super) fn numbers(&self, rates: StepRates, scale: f32) -> Numbers {
        let numbers = Numbers {
            scale,
            rate: rates.learning_rate,
            decay: rates.weight_decay,
            momentum: rates.momentum,
            ..Numbers::default()
        };
        match self.rule {
            Rule::Sgd { .. } => numbers,
            Rule::Adam { betas, epsilon, .. } => {
                let [first, second] = rates.corrections.map(f64::from);
                Numbers {
                    betas: betas.map(|beta| beta as f32),
                    rests: betas.map(|beta| (1.0 - beta) as f32),
                    corrected_rate: (f64::from(rates.learning_rate) / first) as f32,
                    root: (1.0 / second.sqrt()) as f32,
                    epsilon,
                    ..numbers
                }
            }
        }
    }

    /// Updates some of a tensor's numbers from their gradients; `moments` are theirs.
    pub(super) fn apply(
        &self,
        w: &mut [f32],
        moments: [Option<&mut [f32]>; 2],
        gradient: &[f32],
        numbers: Numbers,
    ) {
        let loops = self.loops;
        match (self.rule, moments) {
            (Rule::Sgd { nesterov: false }, [Some(v), _]) => {
                (loops.momentum)(w, v, gradient, numbers);
            }
            (Rule::Sgd { nesterov: true }, [Some(v), _]) => {
                (loops.nesterov)(w, v, gradient, numbers);
            }
            (Rule::Adam { decoupled, .. }, [Some(m), Some(s)]) => {
                let step = if decoupled { loops.adamw } else { loops.adam };
                step(w, m, s, gradient, numbers);
            }
            _ => (loops.sgd)(w, gradient, numbers),
        }
    }

    /// Updates a whole tensor; `moments` has as many tensors as the optimizer needs.
    pub(super) fn apply_to_tensor(
        &self,
        w: &mut [f32],
        moments: &mut [&mut Vec<f32>],
        gradient: &[f32],
        numbers: Numbers,
    ) {
        assert_eq!(moments.len(), self.moments, "moments of a tensor");
        let moments = two(moments.iter_mut().map(|moment| &mut moment[..]));
        self.apply(w, moments, gradient, numbers);
    }
}

/// The first two of `items`.
pub(super) fn two<T>(mut items: impl Iterator<Item = T>) -> [Option<T>; 2] {
    [items.next(), items.next()]
}

/// The tensors of a layer, as the team shares them.
#[derive(Clone, Copy)]
pub(super) struct Tensors<'a> {
    /// (out, in).
    pub weight: Matrix<'a>,
    /// (out, 1).
    pub bias: Matrix<'a>,
    /// (out, in).
    pub mix: Option<Matrix<'a>>,
}

impl<'a> Tensors<'a> {
    pub(super) fn new(p: &'a mut LayerParameters<f32>, inputs: usize, outputs: usize) -> Self {
        Self {
            weight: Matrix::new(&mut p.weight, outputs, inputs, inputs),
            bias: Matrix::new(&mut p.bias, outputs, 1, 1),
            mix: (p.mix.as_mut()).map(|mix| Matrix::new(mix, outputs, inputs, inputs)),
        }
    }
}

/// Number of rows of a gradient (rows, cols) that a member computes at once, where a product has at
/// least `least` rows.
fn block_rows(rows: usize, least: usize) -> usize {
    let blocks = (rows / BLOCK_ROWS.max(least)).max(1);
    rows.div_ceil(blocks)
}

/// Numbers of a member's scratch memory for gradients of `rows` rows of `cols` numbers.
pub(super) fn scratch_len(rows: usize, cols: usize, least: usize) -> usize {
    // A member may own any number of the rows.
    rows.min(2 * BLOCK_ROWS.max(least)) * cols
}

/// The rows `own` in blocks, as even as possible and each with at least `least` rows, so that the
/// products have the same bits as the whole one.
pub(super) fn blocks(
    own: std::ops::Range<usize>,
    least: usize,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = own.len().div_ceil(block_rows(own.len(), least).max(1));
    (0..count).map(move |block| {
        let at = |block: usize| own.start + own.len() * block / count;
        at(block)..at(block + 1)
    })
}

/// The sum of the squares, in an order that does not depend on anything but the length.
pub(super) fn square_sum(values: &[f32]) -> f64 {
    let mut sums = [0.0; 16];
    let (blocks, rest) = values.as_chunks::<16>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Sums of squares, one for each neuron, that members write and all of them read after a barrier.
pub(super) struct Squares(Vec<AtomicU64>);

impl Squares {
    pub(super) fn new(neurons: usize) -> Self {
        Self((0..neurons).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn set(&self, neuron: usize, sum: f64) {
        self.0[neuron].store(sum.to_bits(), Ordering::Relaxed);
    }

    /// The factor of the gradients with which their norm is at most `norm`; `others` is the sum of
    /// the squares of gradients that are not here.
    pub(super) fn scale(&self, others: f64, norm: f32) -> f32 {
        let own = self
            .0
            .iter()
            .map(|x| f64::from_bits(x.load(Ordering::Relaxed)));
        let found = (own.sum::<f64>() + others).sqrt() + 1e-6;
        // A norm that is not a number stays visible.
        match found <= f64::from(norm) {
            true => 1.0,
            false => (f64::from(norm) / found) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_rows_and_fit_the_scratch() {
        for least in [2, 5, 33, 257] {
            for rows in [0, 1, 2, 63, 64, 65, 127, 128, 129, 200, 784, 1000] {
                let all: Vec<_> = blocks(3..3 + rows, least).collect();
                let mut next = 3;
                for block in &all {
                    assert_eq!(block.start, next);
                    assert!(
                        all.len() == 1 || block.len() >= least,
                        "{rows} {least}: {block:?}"
                    );
                    assert!(block.len() <= scratch_len(rows, 1, least), "{rows} {least}");
                    next = block.end;
                }
                assert_eq!(next, 3 + rows);
            }
        }
    }
}

//! The losses and their gradients, behind given logits and behind the head.

use super::{R, elements};
use crate::activation::Activation;
use crate::data::Targets;
use crate::error::Result;
use crate::gpu::ops::layer::head::{Below, Samples, goes_below};
use crate::gpu::ops::loss::Objective;
use crate::gpu::{Gpu, ops};
use crate::kind::Loss;
use crate::nn::LayerShape;
use crate::reference::{LossGradient, loss_and_gradient};
use crate::selftest::checks::{Bounded, Checks};
use crate::selftest::dispatch::{Run, UNWRITTEN, random};

/// δ, and (loss, correct) of each sample of each realization.
type LossOutput = (Vec<f32>, Vec<Vec<(f32, u32)>>);

/// The output of the loss op for these logits in one step.
fn run_loss(
    gpu: &mut Gpu,
    objective: Objective,
    logits: &[f32],
    targets: &Targets,
    [batch, outputs, count]: [usize; 3],
) -> Result<LossOutput> {
    let mut run = Run::default();
    let [first, slot] = [2, 1];
    run.step(first, count as u32, slot);
    let delta = run.output(R * batch * outputs);
    let metrics = run.output(2 * R * batch * 2);
    let (order, samples) = loss_order(batch);
    let operands = ops::loss::Operands {
        logits: run.input(logits),
        targets: run.targets(targets),
        order: run.bytes(bytemuck::cast_slice(&order)),
        delta,
        metrics,
    };
    run.op(ops::loss::loss(
        objective,
        [R, batch, outputs],
        samples,
        operands,
    ));
    let read = run.read_words(gpu, &[delta, metrics])?;
    Ok(loss_output(&read, [batch, count, slot as usize]))
}

/// An order, not the identity, by which sample i of realization r's step is batch · r + i; and its
/// length for each realization.
fn loss_order(batch: usize) -> (Vec<u32>, usize) {
    let samples = R * batch + 2;
    let order = (0..R)
        .flat_map(|r| (0..samples).map(move |i| ((i + samples - 2 + batch * r) % samples) as u32))
        .collect();
    (order, samples)
}

/// What the words of δ and of the metrics say.
fn loss_output(read: &[Vec<u32>], [batch, count, slot]: [usize; 3]) -> LossOutput {
    let delta = read[0].iter().map(|&bits| f32::from_bits(bits)).collect();
    let pairs: Vec<(f32, u32)> = read[1][slot * R * batch * 2..]
        .chunks_exact(2)
        .map(|m| (f32::from_bits(m[0]), m[1]))
        .collect();
    let own = |realization: &[(f32, u32)]| realization[..count].to_vec();
    (delta, pairs.chunks_exact(batch).map(own).collect())
}

pub(super) fn loss(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // Short batches, and one longer than the workgroup; one output, two, and ten.
    for (objective, outputs) in LOSSES {
        for [batch, count] in [[1, 1], [13, 13], [13, 7], [261, 259]] {
            let logits = random(1, R * batch * outputs, -3.0, 4.0);
            let targets = targets(objective, batch, outputs);
            let found = run_loss(gpu, objective, &logits, &targets, [batch, outputs, count])?;
            let logits: Vec<_> = logits.iter().map(|&l| Bounded::exact(l)).collect();
            compare_loss(
                checks,
                objective,
                &logits,
                &targets,
                [batch, outputs, count],
                found,
            );
        }
    }
    Ok(())
}

const LOSSES: [(Objective, usize); 8] = [
    (Objective::Classes(Loss::CrossEntropy), 2),
    (Objective::Classes(Loss::CrossEntropy), 10),
    (Objective::Classes(Loss::MeanSquaredError), 1),
    (Objective::Classes(Loss::MeanSquaredError), 10),
    (Objective::Values, 1),
    (Objective::Values, 3),
    (Objective::Huber, 1),
    (Objective::Huber, 3),
];

/// Targets for the samples that [`loss_order`] names.
fn targets(objective: Objective, batch: usize, outputs: usize) -> Targets {
    let samples = R * batch + 2;
    match objective {
        Objective::Classes(_) => {
            let label = |i| (i * 5 % outputs.max(2)) as u32;
            Targets::Classes((0..samples).map(label).collect())
        }
        Objective::Values | Objective::Huber => {
            Targets::Values(random(9, samples * outputs, -2.0, 3.0))
        }
    }
}

/// The loss that the textbook computes for an objective.
fn loss_of(objective: Objective) -> Loss {
    match objective {
        Objective::Classes(loss) => loss,
        Objective::Values => Loss::MeanSquaredError,
        Objective::Huber => Loss::Huber,
    }
}

/// Compares loss and gradient with the textbook's for the same logits, which are all below 8.
fn compare_loss(
    checks: &mut Checks,
    objective: Objective,
    logits: &[Bounded],
    targets: &Targets,
    [batch, outputs, count]: [usize; 3],
    (delta, metrics): LossOutput,
) {
    let values: Vec<f64> = logits.iter().map(|l| l.value).collect();
    let worst = logits.iter().fold(0.0, |m: f64, l| m.max(l.error));
    let sample = |r: usize, i: usize| {
        let index = r * batch + i;
        let row = &values[index * outputs..][..outputs];
        let target = match targets {
            Targets::Classes(labels) => Targets::Classes(vec![labels[index]]),
            Targets::Values(all) => Targets::Values(all[index * outputs..][..outputs].to_vec()),
        };
        let loss = loss_of(objective);
        (loss_and_gradient(loss, row, outputs, &target), row)
    };
    let what = format!("{objective:?} {outputs} outputs, {count} of {batch}");
    let share = 1.0 / count as f64;
    // A few operations on numbers below 8: exponentials, quotients, sums over the outputs. The
    // error of a logit counts twice in the gradient. In the loss it counts as often as its largest
    // slope is: 2 for cross-entropy, 2 · 8 for the mean of squares.
    let operations = (30 + outputs) as f64 / f64::from(1 << 23);
    let expected = elements(batch, outputs, |r, i, j| match i < count {
        true => Bounded {
            value: sample(r, i).0.delta[j] * share,
            error: (operations * 8.0 + 2.0 * worst) * share,
        },
        false => Bounded::exact(0.0),
    });
    checks.compare(&what, &delta, &expected);
    for (r, metrics) in metrics.into_iter().enumerate() {
        for (i, (found, counted)) in metrics.into_iter().enumerate() {
            let (LossGradient { loss, correct, .. }, row) = sample(r, i);
            let bounded = Bounded {
                value: loss,
                error: operations * loss.max(8.0) + 16.0 * worst,
            };
            checks.compare(&what, &[found], &[bounded]);
            // Where rounding decides between two classes, either is right.
            let close = matches!(objective, Objective::Classes(_)) && margin(row) <= 2.0 * worst;
            let right = counted == correct || close;
            checks.require(right && counted <= 1, || {
                format!("{what}, sample {i}: correct {counted}, expected {correct}")
            });
        }
    }
}

/// The distance of a sample's logits from another decision.
fn margin(logits: &[f64]) -> f64 {
    if let [logit] = logits {
        return (logit - 0.5).abs();
    }
    let mut sorted = logits.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    sorted[0] - sorted[1]
}

/// The head and its loss in one dispatch, and δ of the layer below.
pub(super) fn head(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    // One full block of classes, one that is not full, and many.
    let many = [16, 37, 256].map(|outputs| (Objective::Classes(Loss::CrossEntropy), outputs));
    for (objective, outputs) in LOSSES.into_iter().chain(many) {
        for ([batch, count], inputs) in [([1, 1], 1), ([13, 7], 31), ([9, 9], 133)] {
            head_case(gpu, checks, objective, [batch, count], [inputs, outputs])?;
        }
    }
    Ok(())
}

/// One head, with one sample a workgroup and with four, which must give the same bits.
fn head_case(
    gpu: &mut Gpu,
    checks: &mut Checks,
    objective: Objective,
    [batch, count]: [usize; 2],
    [inputs, outputs]: [usize; 2],
) -> Result<()> {
    let activation = &Activation::TANH;
    let layer = LayerShape {
        inputs,
        outputs,
        mix: false,
    };
    let z = checks.stored(random(1, R * batch * inputs, -0.5, 0.9));
    let weight = checks.stored(random(2, R * outputs * inputs, -0.3, 0.4));
    let bias = random(3, R * outputs, -1.0, 1.0);
    let targets = targets(objective, batch, outputs);
    let (order, samples) = loss_order(batch);
    let [first, slot] = [2, 1];
    let mut run_with = |of_workgroup: Samples| -> Result<Vec<Vec<u32>>> {
        let mut run = checks.run();
        run.step(first, count as u32, slot);
        let delta = run.output(R * batch * outputs);
        let metrics = run.output(2 * R * batch * 2);
        let below = run.output(R * batch * inputs);
        let operands = ops::layer::head::Operands {
            z: run.input(&z),
            weight: run.input(&weight),
            bias: run.input(&bias),
            targets: run.targets(&targets),
            order: run.bytes(bytemuck::cast_slice(&order)),
            delta,
            metrics,
        };
        let of_below = Below {
            activation,
            delta: below,
        };
        run.op(ops::layer::head::head(
            objective,
            [R, batch],
            &layer,
            samples,
            operands,
            goes_below(outputs).then_some(of_below),
            of_workgroup,
        ));
        run.read_words(gpu, &[delta, metrics, below])
    };
    let found = run_with(Samples::One)?;
    let same = run_with(Samples::Four)? == found;
    let what = format!("{objective:?} {outputs} outputs, {count} of {batch}, {inputs} inputs");
    checks.require(same, || format!("{what}: four samples a workgroup differ"));
    let logits = elements(batch, outputs, |r, i, j| {
        let line = (r * batch + i) * inputs;
        let entry = (r * outputs + j) * inputs;
        let terms = (0..inputs).map(|k| (z[line + k], weight[entry + k]));
        Bounded::dot(terms).plus(Bounded::exact(bias[r * outputs + j]))
    });
    let (delta, metrics) = loss_output(&found, [batch, count, slot as usize]);
    let below = elements(batch, inputs, |r, i, k| {
        if !goes_below(outputs) {
            return Bounded::exact(UNWRITTEN);
        }
        let terms = (0..outputs).map(|j| {
            let own = delta[(r * batch + i) * outputs + j];
            (own, weight[(r * outputs + j) * inputs + k])
        });
        let z = z[(r * batch + i) * inputs + k];
        Bounded::dot(terms).times(Bounded::function(activation.rho_slope, z))
    });
    let found: Vec<f32> = found[2].iter().map(|&bits| f32::from_bits(bits)).collect();
    checks.compare(&format!("{what}, δ below"), &found, &below);
    compare_loss(
        checks,
        objective,
        &logits,
        &targets,
        [batch, outputs, count],
        (delta, metrics),
    );
    Ok(())
}

/// An output that is not finite makes the loss of its own sample NaN, and no other.
pub(super) fn loss_of_a_non_finite_output(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let [batch, outputs] = [131, 3];
    for objective in Objective::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut logits = random(1, R * batch * outputs, -1.0, 1.0);
            logits[(batch + 129) * outputs + 2] = bad;
            let targets = targets(objective, batch, outputs);
            let shape = [batch, outputs, batch];
            let (_, metrics) = run_loss(gpu, objective, &logits, &targets, shape)?;
            let samples = metrics.iter().flatten().enumerate();
            let nan: Vec<usize> = samples
                .filter_map(|(i, (loss, _))| loss.is_nan().then_some(i))
                .collect();
            checks.require(nan == [batch + 129], || {
                format!("{objective:?} of {bad}: NaN at {nan:?}")
            });
        }
    }
    Ok(())
}

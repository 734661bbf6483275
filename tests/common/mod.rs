//! What the tests of the executors share: one table of networks, one data set, and the tolerance
//! between an executor and the reference.

use bregman::activation;
use bregman::data::Dataset;
use bregman::error::Error;
use bregman::executor::{BatchMetrics, Executor, Sgd, Split, Splits};
use bregman::nn::{Form, Init, LayerKind, Loss, Model, Parameters};
use bregman::reference::Reference;
use bregman::rng::{self, Purpose, Stream};

/// R of every case, and the seed of its first realization.
pub const REALIZATIONS: usize = 2;
pub const SEED: u64 = 41;

/// Two epochs of five steps, the last one short.
pub const EPOCHS: u32 = 2;
pub const SGD: Sgd = Sgd {
    batch_size: 8,
    learning_rate: 0.1,
};
const TRAIN_SAMPLES: usize = 37;

/// Features of a sample: a prime.
const FEATURES: usize = 13;

/// A network under test.
pub struct Case {
    pub name: String,
    pub model: Model,
}

/// Every kind of layer × activation, in both forms, with and without M, and every loss.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let kinds = [
        (LayerKind::Standard, Form::Dual),
        (LayerKind::Euclidean, Form::Dual),
        (LayerKind::Bregman, Form::Dual),
        (LayerKind::Bregman, Form::Primal),
    ];
    for (kind, form) in kinds {
        for activation in &activation::ALL {
            for widths in [&[13, 13, 13][..], &[13, 7, 7, 11]] {
                let model = Model::new(kind, form, activation, Loss::CrossEntropy, widths, 5);
                let form = if kind == LayerKind::Bregman {
                    form.name()
                } else {
                    ""
                };
                cases.push(Case {
                    name: format!("{} {form} {} {widths:?}", kind.name(), activation.name),
                    model: model.expect("a valid network"),
                });
            }
        }
    }
    for outputs in [1, 5] {
        let loss = Loss::MeanSquaredError;
        let tanh = &activation::TANH;
        let model = Model::new(
            LayerKind::Bregman,
            Form::Dual,
            tanh,
            loss,
            &[13, 13, 4],
            outputs,
        );
        cases.push(Case {
            name: format!("squared error, {outputs} outputs"),
            model: model.expect("a valid network"),
        });
    }
    cases
}

/// Labelled noise in which the label shows.
pub fn dataset(samples: usize, classes: usize, stream: u32) -> Dataset {
    let stream = Stream::new(9, Purpose::Digits, stream);
    let labels: Vec<u8> = (0..samples)
        .map(|i| stream.below(i as u64, classes as u32) as u8)
        .collect();
    let pixels = (0..samples * FEATURES)
        .map(|i| {
            let noise = (stream.bits((samples + i) as u64) >> 25) as u8;
            let shows = i % FEATURES % classes == usize::from(labels[i / FEATURES]);
            noise + if shows { 100 } else { 0 }
        })
        .collect();
    Dataset {
        name: "noise".to_owned(),
        image: [1, FEATURES],
        classes,
        pixels,
        labels,
    }
}

/// The data of a case.
pub fn splits(model: &Model) -> Splits {
    let classes = model.head.outputs.max(2);
    Splits {
        train: dataset(TRAIN_SAMPLES, classes, 0),
        validation: Some(dataset(11, classes, 1)),
        test: dataset(23, classes, 2),
    }
}

/// Initial parameters of `realizations` from `SEED` on.
pub fn initial(model: &Model, realizations: usize) -> Vec<Parameters> {
    (0..realizations as u64)
        .map(|r| Init::Random.parameters(model, SEED + r))
        .collect()
}

/// What a run leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// By epoch, realization and step.
    pub batches: Vec<Vec<Vec<BatchMetrics>>>,
    /// By split, realization and batch.
    pub evaluations: Vec<Vec<Vec<BatchMetrics>>>,
    pub parameters: Vec<Parameters>,
}

impl Record {
    /// All metrics: those of training, then those of evaluation.
    pub fn metrics(&self) -> impl Iterator<Item = &BatchMetrics> {
        let trained = self.batches.iter().flatten().flatten();
        trained.chain(self.evaluations.iter().flatten().flatten())
    }
}

/// Trains `realizations` from `first_seed` on for `EPOCHS`, then evaluates.
pub fn run(executor: &mut impl Executor, first_seed: u64, realizations: usize) -> Record {
    pollster::block_on(async {
        let mut batches = Vec::new();
        for epoch in 0..EPOCHS {
            let orders: Vec<_> = (0..realizations as u64)
                .map(|r| rng::sample_order(first_seed + r, epoch, TRAIN_SAMPLES))
                .collect();
            batches.push(
                executor
                    .train_epoch(&orders, &mut |_| {})
                    .await
                    .expect("an epoch"),
            );
        }
        let mut evaluations = Vec::new();
        for split in [Split::Train, Split::Validation, Split::Test] {
            evaluations.push(executor.evaluate(split).await.expect("an evaluation"));
        }
        let parameters = executor.parameters().await.expect("parameters");
        Record {
            batches,
            evaluations,
            parameters,
        }
    })
}

/// The reference's run, and how far float32 may be from it.
///
/// A float32 step is the exact step of a network whose parameters are off by the roundings on the
/// way: (k + 8) u relative for a dot product of length k with its epilogue, u = 2⁻²⁴ (Higham, 2002,
/// §3.1; 2⁻²³ where WGSL leaves the direction of rounding open). So the reference is run again from
/// parameters that are off by η, at random, and what that changes is scaled from η to the roundings
/// of all steps. Three draws, since one may be lucky.
pub struct Expected {
    pub record: Record,
    /// Of the losses, by [`Record::metrics`].
    losses: Vec<f64>,
    /// Of the correct counts, likewise: where rounding alone decides between two classes.
    correct: Vec<u32>,
    /// By realization and tensor.
    tensors: Vec<Vec<f64>>,
}

const ETA: f32 = 1.0 / (1 << 16) as f32;

impl Expected {
    pub fn of(model: &Model) -> Self {
        let splits = splits(model);
        let initial = initial(model, REALIZATIONS);
        let reference = |parameters: &[Parameters]| {
            let mut reference =
                Reference::new(model, &splits, parameters, SGD).expect("a reference");
            run(&mut reference, SEED, REALIZATIONS)
        };
        let record = reference(&initial);
        let widest = model
            .layers
            .iter()
            .map(|l| l.inputs.max(l.outputs))
            .max()
            .unwrap_or(1);
        let steps = record
            .batches
            .iter()
            .map(|epoch| epoch[0].len())
            .sum::<usize>();
        let roundings = (steps * (widest.max(SGD.batch_size) + 8)) as f64 / f64::from(1 << 23);
        let own: Vec<_> = record.metrics().collect();
        let mut losses: Vec<f64> = own.iter().map(|b| roundings * b.loss.abs()).collect();
        let mut correct = vec![0; losses.len()];
        let floor = |tensor: &Vec<f32>| {
            roundings * f64::from(tensor.iter().fold(0.0, |m: f32, x| m.max(x.abs())))
        };
        let mut tensors: Vec<Vec<f64>> = record
            .parameters
            .iter()
            .map(|p| p.tensors().map(floor).collect())
            .collect();
        for draw in 0..3 {
            let perturbed: Vec<_> = initial.iter().map(|p| perturb(p, draw)).collect();
            let other = reference(&perturbed);
            let scale = roundings / f64::from(ETA);
            for (i, (a, b)) in other.metrics().zip(&own).enumerate() {
                losses[i] += scale * (a.loss - b.loss).abs();
                correct[i] = correct[i].max(a.correct.abs_diff(b.correct));
            }
            for (r, bounds) in tensors.iter_mut().enumerate() {
                let pairs = other.parameters[r]
                    .tensors()
                    .zip(record.parameters[r].tensors());
                for ((a, b), bound) in pairs.zip(bounds) {
                    *bound += scale * largest_difference(a, b);
                }
            }
        }
        Self {
            record,
            losses,
            correct,
            tensors,
        }
    }

    /// Fails with the first loss or parameter that is too far off, by name.
    pub fn check(&self, model: &Model, what: &str, found: &Record) {
        if let Err(difference) = self.compare(model, found) {
            panic!("{what}: {difference}");
        }
    }

    /// The first loss or parameter that is too far off, by name.
    pub fn compare(&self, model: &Model, found: &Record) -> Result<(), String> {
        let steps: usize = self.record.batches.iter().flatten().map(Vec::len).sum();
        if found.metrics().count() != self.losses.len() {
            return Err("another number of batches".to_owned());
        }
        for (i, (found, own)) in found.metrics().zip(self.record.metrics()).enumerate() {
            let (bound, slack) = (self.losses[i], self.correct[i]);
            // A NaN is outside too.
            let inside = (found.loss - own.loss).abs() <= bound
                && found.correct.abs_diff(own.correct) <= slack
                && found.samples == own.samples;
            if !inside {
                let place = match i.checked_sub(steps) {
                    None => format!("step {i}"),
                    Some(batch) => format!("evaluated batch {batch}"),
                };
                return Err(format!(
                    "{place}: found {found:?}, expected {own:?} ± {bound:e} and {slack}"
                ));
            }
        }
        for (r, bounds) in self.tensors.iter().enumerate() {
            let found = found.parameters[r].tensors();
            let own = self.record.parameters[r].tensors();
            for (((found, own), bound), shape) in found.zip(own).zip(bounds).zip(model.tensors()) {
                let distance = largest_difference(found, own);
                if distance > *bound {
                    return Err(format!(
                        "{} of realization {r} is off by {distance:e}, expected {bound:e} at most",
                        shape.name
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Every parameter off by ±η relative.
fn perturb(parameters: &Parameters, draw: u32) -> Parameters {
    let stream = Stream::new(77, Purpose::Init, draw);
    let mut perturbed = parameters.clone();
    let values = perturbed.tensors_mut().flatten();
    for (i, value) in values.enumerate() {
        let sign = if stream.bits(i as u64) & 1 == 0 {
            1.0
        } else {
            -1.0
        };
        *value *= 1.0 + sign * ETA;
    }
    perturbed
}

/// The largest |aᵢ − bᵢ|; NaN counts as infinite.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |largest, (a, b)| {
        let distance = (f64::from(*a) - f64::from(*b)).abs();
        if distance.is_nan() {
            f64::INFINITY
        } else {
            largest.max(distance)
        }
    })
}

/// One batch, seen again and again, must be learnt.
pub fn overfits(mut executor: impl Executor, samples: usize, what: &str) {
    let mut last = None;
    for epoch in 0..600 {
        let orders = vec![rng::sample_order(SEED, epoch, samples); 1];
        let batches = pollster::block_on(executor.train_epoch(&orders, &mut |_| {}));
        last = batches.expect("an epoch")[0].last().copied();
    }
    let last = last.expect("a step");
    assert_eq!(last.correct as usize, samples, "{what}: {last:?}");
    assert!(last.loss < 0.05, "{what}: {last:?}");
}

/// A small network and one batch of five classes for [`overfits`].
pub fn overfit_case(kind: LayerKind) -> (Model, Splits, Sgd) {
    let tanh = &activation::TANH;
    let model = Model::new(kind, Form::Dual, tanh, Loss::CrossEntropy, &[13, 13, 13], 5);
    let train = dataset(SGD.batch_size, 5, 3);
    let splits = Splits {
        test: train.clone(),
        validation: None,
        train,
    };
    let sgd = Sgd {
        batch_size: SGD.batch_size,
        learning_rate: 0.3,
    };
    (model.expect("a valid network"), splits, sgd)
}

/// An infinite weight that saturates its neuron leaves the loss finite; it is found all the same, in
/// its own realization.
pub fn non_finite<E: Executor>(executor: impl Fn(&Model, &[Parameters]) -> E) {
    let model = &cases()[0].model;
    for bad in [f32::INFINITY, f32::NAN] {
        let mut parameters = initial(model, REALIZATIONS);
        parameters[1].layers[1].weight[5] = bad;
        let record = run(&mut executor(model, &parameters), SEED, REALIZATIONS);
        let last = |r: usize| record.batches[0][r].last().map(|b| b.loss);
        assert!(last(0).is_some_and(f64::is_finite), "{bad}: {:?}", last(0));
        assert!(last(1).is_some_and(f64::is_nan), "{bad}: {:?}", last(1));
    }
}

/// Orders and counts that do not fit are refused.
pub fn refuses(executor: &mut impl Executor) {
    let whole: Vec<u32> = (0..TRAIN_SAMPLES as u32).collect();
    let mut beyond = whole.clone();
    beyond[3] = TRAIN_SAMPLES as u32;
    for orders in [
        vec![whole.clone()],
        vec![whole.clone(), whole[1..].to_vec()],
        vec![whole, beyond],
    ] {
        let result = pollster::block_on(executor.train_epoch(&orders, &mut |_| {}));
        assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
    }
}

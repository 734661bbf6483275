//! Sweeps on the processor, compared with the textbook, and with themselves in different groups,
//! layouts and instruction sets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bregman::activation::Activation;
use bregman::data::spirals::Spirals;
use bregman::error::Error;
use bregman::kernels::Isa;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::selftest::checks::Checks;
use bregman::selftest::sweeps;
use bregman::sweep::cpu::{self, Layout};
use bregman::sweep::{self, Record, Run, Samples, Sweep, reference};

fn train<'a>(sweep: &Sweep, data: impl Into<Samples<'a>>, layout: Option<Layout>) -> Record {
    train_on(Isa::widest(), sweep, data, layout)
}

fn train_on<'a>(
    isa: Isa,
    sweep: &Sweep,
    data: impl Into<Samples<'a>>,
    layout: Option<Layout>,
) -> Record {
    let sweeps = [sweep.clone()];
    let mut records = cpu::train_in(&sweeps, data, layout, isa, &|_| {}).expect("a sweep");
    records.remove(0)
}

fn sweep(kind: LayerKind, form: Form, loss: Loss, layers: usize, runs: u64) -> Sweep {
    Sweep {
        model: sweep::network(kind, form, &Activation::ARCTAN, loss, layers).expect("a network"),
        init: Init::Random,
        runs: (0..runs)
            .map(|r| Run {
                seed: 7 + r,
                learning_rate: 0.05 + 0.01 * r as f32,
            })
            .collect(),
        epochs: 3,
        batch_size: 10,
        record_every: 2,
    }
}

/// Fails with the first failed check.
fn passes(check: impl FnOnce(&mut Checks)) {
    let mut checks = Checks::new(true);
    checks.begin("sweep");
    check(&mut checks);
    let row = checks.into_rows().remove(0);
    assert!(row.numbers > 0);
    assert_eq!(row.failure, None, "{row:?}");
}

#[test]
fn first_steps_are_the_reference_s() {
    for layout in [Layout::Runs, Layout::Samples] {
        passes(|checks| {
            for model in sweeps::models(true) {
                sweeps::first_steps(&model, checks, &mut |sweep, data| {
                    Ok(train(sweep, data, Some(layout)))
                })
                .expect("steps");
            }
        });
    }
}

#[test]
fn runs_are_their_seeds() {
    for layers in [1, 3, 50] {
        passes(|checks| {
            let train: sweeps::Train = &mut |sweep, data| Ok(train(sweep, data, None));
            sweeps::runs(layers, checks, train).expect("runs");
        });
    }
}

/// Points of each run's own.
fn own_points(sweep: &Sweep, per_class: usize) -> BTreeMap<u64, Spirals> {
    let of_run = |run: &Run| {
        let [train, _] = Spirals::draw(per_class, run.seed);
        (run.seed, train)
    };
    sweep.runs.iter().map(of_run).collect()
}

/// A run has the same bits alone, among others, in any lane, in either layout and with any
/// instructions, on shared points and on points of its own.
#[test]
fn a_run_is_the_same_in_any_company() {
    let [shared, _] = Spirals::draw(60, 1);
    for (kind, form) in [
        (LayerKind::Standard, Form::Dual),
        (LayerKind::Euclidean, Form::Dual),
        (LayerKind::Bregman, Form::Dual),
        (LayerKind::Bregman, Form::Primal),
    ] {
        for &loss in &Loss::OF_CLASSES {
            for (layers, batch_size) in [(3, 10), (5, 33)] {
                let mut all = sweep(kind, form, loss, layers, 21);
                all.batch_size = batch_size;
                let own = own_points(&all, 60);
                for data in [Samples::from(&shared), Samples::from(&own)] {
                    let together = train(&all, data, Some(Layout::Runs));
                    let samples = train(&all, data, Some(Layout::Samples));
                    assert_eq!(together, samples, "{kind:?} {form:?} {loss:?}");
                    for isa in Isa::all() {
                        for layout in [Layout::Runs, Layout::Samples] {
                            let found = train_on(isa, &all, data, Some(layout));
                            let name = isa.name();
                            assert_eq!(found, together, "{kind:?} {form:?} {loss:?} {name}");
                        }
                    }
                    for r in [0, 15, 20] {
                        let mut one = all.clone();
                        one.runs = vec![all.runs[r]];
                        let its_own = data.of(all.runs[r].seed).expect("points");
                        for layout in [Layout::Runs, Layout::Samples] {
                            for data in [data, its_own.into()] {
                                let alone = train(&one, data, Some(layout));
                                assert_eq!(alone.metrics[0], together.metrics[r]);
                                assert_eq!(alone.parameters[0], together.parameters[r]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The textbook trains each run on its own points, as if it were alone.
#[test]
fn the_reference_has_points_of_each_run_s_own() {
    let loss = Loss::MeanSquaredError;
    let all = sweep(LayerKind::Bregman, Form::Dual, loss, 2, 3);
    let own = own_points(&all, 10);
    let together = reference::train(&all, &own).expect("a sweep");
    for (r, run) in all.runs.iter().enumerate() {
        let mut one = all.clone();
        one.runs = vec![*run];
        let alone = reference::train(&one, &own[&run.seed]).expect("a sweep");
        assert_eq!(alone.metrics[0], together.metrics[r]);
        assert_eq!(alone.parameters[0], together.parameters[r]);
    }
    assert_ne!(together.metrics[0], together.metrics[1]);
}

/// Sweeps give the same results together, in their order, as alone; steps are counted.
#[test]
fn sweeps_share_the_cores() {
    let [data, _] = Spirals::draw(30, 1);
    let sweeps = [
        sweep(LayerKind::Bregman, Form::Dual, Loss::CrossEntropy, 2, 17),
        sweep(
            LayerKind::Standard,
            Form::Dual,
            Loss::MeanSquaredError,
            4,
            1,
        ),
        sweep(
            LayerKind::Euclidean,
            Form::Dual,
            Loss::MeanSquaredError,
            3,
            33,
        ),
    ];
    let done = AtomicU64::new(0);
    let records = cpu::train(&sweeps, &data, &|steps| {
        done.fetch_add(steps, Ordering::Relaxed);
    })
    .expect("sweeps");
    for (sweep, record) in sweeps.iter().zip(&records) {
        assert_eq!(*record, train(sweep, &data, None));
    }
    let expected: u64 = sweeps
        .iter()
        .map(|s| s.steps(data.len()) * s.runs.len() as u64)
        .sum();
    assert_eq!(done.into_inner(), expected);
}

/// Sweeps that are stopped again and again, each group of runs at its own epoch, end with the same
/// results.
#[test]
fn stopped_sweeps_continue_to_the_same_end() {
    let [data, _] = Spirals::draw(30, 1);
    let (form, loss) = (Form::Dual, Loss::MeanSquaredError);
    let sweeps = [(LayerKind::Bregman, 40), (LayerKind::Standard, 3)].map(|(kind, runs)| Sweep {
        epochs: 9,
        ..sweep(kind, form, loss, 3, runs)
    });
    let whole = cpu::train(&sweeps, &data, &|_| {}).expect("sweeps");
    for patience in [1, 2, 5, 11, 100] {
        let mut records: Vec<Record> = sweeps.iter().map(Record::new).collect();
        let steps = AtomicU64::new(0);
        let mut stops = 0;
        while records != whole {
            let left = AtomicU64::new(patience);
            let stop = || {
                let less = |left: u64| Some(left.saturating_sub(1));
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) == Ok(0)
            };
            cpu::resume(&sweeps, &data, &mut records, &stop, &|more| {
                steps.fetch_add(more, Ordering::Relaxed);
            })
            .expect("sweeps");
            stops += 1;
            assert!(stops < 100, "it never reaches the results of the whole");
        }
        assert!(stops > 1 || patience == 100);
        // 60 samples in batches of 10: none was trained twice.
        assert_eq!(steps.into_inner(), 43 * 9 * 6);
    }
}

/// Standard layers from W = I and Euclidean layers from W = 0 are the same network and train alike.
#[test]
fn deterministic_standard_is_euclidean() {
    let [data, _] = Spirals::draw(100, 2);
    let losses = [LayerKind::Standard, LayerKind::Euclidean].map(|kind| {
        let mut sweep = sweep(kind, Form::Dual, Loss::MeanSquaredError, 3, 2);
        sweep.init = Init::Deterministic;
        train(&sweep, &data, None).metrics
    });
    for (a, b) in losses[0].iter().flatten().zip(losses[1].iter().flatten()) {
        // The roundings of 60 steps, z + Wz against (I + W)z.
        assert!((a.loss - b.loss).abs() < 1e-4 * a.loss, "{a:?} {b:?}");
    }
}

/// Points whose class depends on one coordinate are learnt.
#[test]
fn learns_a_class_that_depends_on_one_coordinate() {
    for activation in Activation::ALL {
        let [mut data, _] = Spirals::draw(100, 2).map(|s| s.within(activation));
        let middle = data.points.iter().map(|p| p[0]).sum::<f32>() / data.len() as f32;
        for (point, label) in data.points.iter().zip(&mut data.labels) {
            *label = u8::from(point[0] > middle);
        }
        for &loss in &Loss::OF_CLASSES {
            let kind = LayerKind::Bregman;
            let sweep = Sweep {
                model: sweep::network(kind, Form::Dual, activation, loss, 2).expect("a network"),
                epochs: 200,
                ..sweep(kind, Form::Dual, loss, 2, 3)
            };
            for metrics in train(&sweep, &data, None).metrics {
                let correct = metrics.last().map_or(0, |m| m.correct);
                assert!(correct > 185, "{} {loss:?}: {correct}", activation.name);
            }
        }
    }
}

#[test]
fn refuses_what_cannot_be_trained() {
    let [data, _] = Spirals::draw(10, 0);
    let good = sweep(LayerKind::Bregman, Form::Dual, Loss::MeanSquaredError, 3, 2);
    let fails = |sweep: &Sweep, data: &Spirals| {
        cpu::train(std::slice::from_ref(sweep), data, &|_| {}).expect_err("an error")
    };
    type Change = fn(&mut Sweep);
    let changes: [(&str, Change); 5] = [
        ("runs", |s| s.runs.clear()),
        ("epochs", |s| s.epochs = 0),
        ("batch_size", |s| s.batch_size = 0),
        ("record_every", |s| s.record_every = 0),
        ("learning_rate", |s| s.runs[1].learning_rate = f32::NAN),
    ];
    for (field, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        match fails(&bad, &data) {
            Error::InvalidValue { field: found, .. } => assert_eq!(found, field),
            other => panic!("{field}: {other}"),
        }
    }
    let mut wide = good.clone();
    wide.model.layers[1].shape.outputs = 3;
    assert!(matches!(fails(&wide, &data), Error::Shape { .. }));
    let mut bad = data.clone();
    bad.labels[3] = 2;
    assert!(matches!(fails(&good, &bad), Error::Shape { .. }));
    bad = data.clone();
    bad.labels.pop();
    assert!(matches!(fails(&good, &bad), Error::Shape { .. }));
    // Points of each run's own: one run has none, or one point fewer.
    let own = own_points(&good, 10);
    assert!(good.check(&own).is_ok());
    let mut bad = own.clone();
    bad.remove(&8);
    let error = good.check(&bad).expect_err("an error").to_string();
    assert!(error.contains("seed 8"), "{error}");
    let mut bad = own.clone();
    bad.get_mut(&8).expect("points").labels.pop();
    bad.get_mut(&8).expect("points").points.pop();
    assert!(matches!(good.check(&bad), Err(Error::Shape { .. })));
}

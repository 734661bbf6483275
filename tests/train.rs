//! What training reports, and when it stops, on an executor that follows a script.

use std::cell::Cell;
use std::ops::Range;

use bregman::data::Split;
use bregman::error::{Error, Result};
use bregman::executor::{BatchMetrics, Executor};
use bregman::nn::{LayerParameters, Parameters};
use bregman::rng::sample_order;
use bregman::train::{
    Course, EpochMetrics, Keep, Observer, Outcome, Position, Schedule, Summary, evaluate, mean,
    standard_deviation, train, train_course, train_until,
};

fn batch(loss: f64, correct: u32, samples: u32) -> BatchMetrics {
    BatchMetrics {
        loss,
        correct,
        samples,
    }
}

/// Returns the same batches every epoch, except for a script of losses by (epoch, realization, step).
struct Scripted {
    epoch: usize,
    script: Vec<((usize, usize, usize), f64)>,
    test_losses: [f64; 2],
    /// Validation losses by epoch and realization; 1 after the last of them.
    val_losses: Vec<[f64; 2]>,
    orders: Vec<Vec<Vec<u32>>>,
}

impl Scripted {
    fn new(script: &[((usize, usize, usize), f64)]) -> Self {
        Self {
            epoch: 0,
            script: script.to_vec(),
            test_losses: [1.0; 2],
            val_losses: Vec::new(),
            orders: Vec::new(),
        }
    }
}

impl Executor for Scripted {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        if steps.start == 0 {
            self.orders.push(orders.to_vec());
            self.epoch = self.orders.len() - 1;
        }
        assert_eq!(self.orders.last().map(Vec::as_slice), Some(orders));
        let steps = steps.start..steps.end.min(3);
        let mut batches = vec![
            vec![batch(2.0, 1, 4), batch(1.0, 3, 4), batch(7.0, 1, 2)],
            vec![batch(4.0, 0, 4), batch(2.0, 2, 4), batch(3.0, 2, 2)],
        ];
        for &((epoch, realization, step), loss) in &self.script {
            if epoch == self.epoch {
                batches[realization][step].loss = loss;
            }
        }
        progress(steps.len());
        let of_the_call = |batches: Vec<BatchMetrics>| batches[steps.clone()].to_vec();
        Ok(batches.into_iter().map(of_the_call).collect())
    }

    async fn logits(&mut self, _split: Split) -> Result<Vec<Vec<f32>>> {
        unreachable!("training asks for no logits")
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let (correct, [first, second]) = match split {
            Split::Test => (3, self.test_losses),
            _ => {
                let losses = self.val_losses.get(self.epoch);
                (1, losses.copied().unwrap_or([1.0; 2]))
            }
        };
        Ok(vec![
            vec![batch(first, correct, 4), batch(first, 1, 1)],
            vec![batch(second, 4, 4), batch(second, 0, 1)],
        ])
    }

    /// Networks that hold the number of the epoch, and their own.
    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        let network = |realization: f32| Parameters {
            conv: Vec::new(),
            layers: Vec::new(),
            head: LayerParameters {
                weight: vec![self.epoch as f32 + 1.0, realization],
                bias: Vec::new(),
                mix: None,
            },
        };
        Ok(vec![network(0.0), network(1.0)])
    }
}

#[derive(Default)]
struct Seen {
    steps: Vec<(u32, usize)>,
    epochs: Vec<u32>,
}

impl Observer for Seen {
    fn step(&mut self, epoch: u32, steps: usize) {
        self.steps.push((epoch, steps));
    }

    fn epoch(&mut self, metrics: &EpochMetrics) {
        self.epochs.push(metrics.epoch);
    }
}

const SCHEDULE: Schedule = Schedule {
    epochs: 3,
    seed: u64::MAX,
    realizations: 2,
    samples: 10,
    batch_size: 4,
    validation: true,
};

fn run(executor: &mut Scripted) -> (Result<Vec<EpochMetrics>>, Seen) {
    let mut seen = Seen::default();
    let result = pollster::block_on(train(executor, &SCHEDULE, &mut seen));
    (result, seen)
}

#[test]
fn epochs_report_means_weighted_by_samples() {
    let (epochs, seen) = run(&mut Scripted::new(&[]));
    let epochs = epochs.expect("nothing diverges");
    assert_eq!(seen.epochs, [1, 2, 3]);
    assert!(seen.steps.is_sorted(), "{:?}", seen.steps);
    for epoch in 1..=3 {
        assert!(seen.steps.contains(&(epoch, 0)) && seen.steps.contains(&(epoch, 3)));
    }
    for (epoch, number) in epochs.iter().zip(1..) {
        assert_eq!(epoch.epoch, number);
        // (2·4 + 1·4 + 7·2) / 10 and (4·4 + 2·4 + 3·2) / 10, to the last bits.
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-15;
        assert!(close(epoch.train_losses[0], 2.6) && close(epoch.train_losses[1], 3.0));
        assert!(close(epoch.train_loss, 2.8));
        // 5 of 10 and 4 of 10.
        assert!(close(epoch.train_accuracy, 0.45));
        assert_eq!(epoch.test_accuracies, [0.8, 0.8]);
        assert_eq!(
            (epoch.test_loss, &epoch.test_losses[..]),
            (1.0, &[1.0; 2][..])
        );
        assert_eq!(
            (epoch.val_loss, epoch.val_losses.as_deref()),
            (Some(1.0), Some(&[1.0; 2][..]))
        );
        assert_eq!(epoch.val_accuracies.as_deref(), Some(&[0.4, 0.8][..]));
        assert!(epoch.val_accuracy.is_some_and(|v| close(v, 0.6)));
        assert!((epoch.samples_per_second * epoch.seconds - 20.0).abs() < 1e-9);
    }
    let rate = 60.0 / epochs.iter().map(|e| e.seconds).sum::<f64>();
    let outcomes = [0.8, 0.6].map(|test_accuracy| Outcome {
        test_accuracy: Some(test_accuracy),
        ..Outcome::default()
    });
    let name = "digits".to_owned();
    let summary = Summary::new((), name, "cpu", None, epochs, outcomes.to_vec());
    assert_eq!(summary.test_accuracy, 0.7);
    assert!(
        summary
            .samples_per_second
            .is_some_and(|r| (r / rate - 1.0).abs() < 1e-12)
    );
}

#[test]
fn each_realization_has_the_orders_of_its_seed() {
    let mut executor = Scripted::new(&[]);
    run(&mut executor).0.expect("nothing diverges");
    assert_eq!(executor.orders.len(), 3);
    for (orders, epoch) in executor.orders.iter().zip(0..) {
        let expected = [u64::MAX, 0].map(|seed| sample_order(seed, epoch, 10));
        assert_eq!(orders[..], expected);
    }
}

/// The numbers that do not depend on the clock.
fn numbers(epochs: &[EpochMetrics]) -> Vec<EpochMetrics> {
    let timeless = |epoch: &EpochMetrics| EpochMetrics {
        seconds: 0.0,
        samples_per_second: 0.0,
        ..epoch.clone()
    };
    epochs.iter().map(timeless).collect()
}

/// Stopped wherever it can be, again and again, a run continues to the same end.
#[test]
fn a_run_that_is_stopped_goes_on_where_it_was() {
    let expected = run(&mut Scripted::new(&[])).0.expect("nothing diverges");
    for patience in 2..10u32 {
        let (mut executor, mut seen) = (Scripted::new(&[]), Seen::default());
        let mut position = Position::default();
        let mut stops = 0;
        while position.epochs.len() < 3 {
            let left = Cell::new(patience + stops % 2);
            let stop = || left.replace(left.get().saturating_sub(1)) == 0;
            let run = train_until(&mut executor, &SCHEDULE, &mut position, &mut seen, 3, &stop);
            pollster::block_on(run).expect("nothing diverges");
            stops += 1;
            assert!(stops < 100, "each stop is a step further");
        }
        let epochs: Vec<_> = position.epochs.iter().collect();
        assert_eq!(numbers(&epochs), numbers(&expected), "{patience}");
        assert_eq!(seen.epochs, [1, 2, 3]);
        assert_eq!((position.steps, position.sums.len()), (0, 0));
    }
}

#[test]
fn divergence_after_a_stop_is_measured_by_the_first_loss_of_the_run() {
    let mut executor = Scripted::new(&[((2, 0, 2), 2.000_001e6), ((2, 1, 2), 4.000_001e6)]);
    let mut position = Position::default();
    let mut until = |epochs| {
        let mut seen = Seen::default();
        let run = train_until(
            &mut executor,
            &SCHEDULE,
            &mut position,
            &mut seen,
            epochs,
            &|| false,
        );
        pollster::block_on(run)
    };
    until(2).expect("nothing diverges yet");
    assert!(matches!(
        until(3),
        Err(Error::Diverged {
            epoch: 3,
            step: 3,
            ..
        })
    ));
}

#[test]
fn divergence_of_all_names_the_first_step_in_which_it_happens() {
    // First losses are 2 and 4: the limits are 2·10⁶ and 4·10⁶.
    type Script = [((usize, usize, usize), f64)];
    let cases: [(&Script, _, _); 5] = [
        (
            &[((1, 1, 1), f64::NAN), ((1, 0, 2), f64::NAN)],
            (2, 2, 1),
            1,
        ),
        (
            &[((0, 0, 0), f64::INFINITY), ((0, 1, 2), f64::NAN)],
            (1, 1, 0),
            0,
        ),
        (
            &[((2, 0, 2), 2.000_001e6), ((1, 1, 0), f64::NAN)],
            (2, 1, 1),
            2,
        ),
        (
            &[((1, 0, 2), f64::NAN), ((1, 1, 2), f64::NAN)],
            (2, 3, 0),
            1,
        ),
        (&[((0, 1, 0), f64::NAN), ((1, 0, 1), 2.1e6)], (1, 1, 1), 1),
    ];
    for (script, expected, reported) in cases {
        let (result, seen) = run(&mut Scripted::new(script));
        match result {
            Err(Error::Diverged {
                epoch,
                step,
                realization,
                ..
            }) => assert_eq!((epoch, step, realization), expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(seen.epochs.len(), reported, "{script:?}");
    }
}

/// The position after a run by `course`.
fn run_course(executor: &mut Scripted, course: &Course) -> Result<Position> {
    let (mut position, mut seen) = (Position::default(), Seen::default());
    let epochs = course.schedule.epochs;
    let run = train_course(executor, course, &mut position, &mut seen, epochs, &|| {
        false
    });
    pollster::block_on(run).map(|()| position)
}

/// The other realization has the numbers that it has without the divergence, and means leave out what
/// there is not.
#[test]
fn a_realization_that_diverges_is_marked_and_disturbs_nobody() {
    let expected = run(&mut Scripted::new(&[])).0.expect("nothing diverges");
    let course = Course::from(&SCHEDULE);
    for (script, step, last) in [
        (((1, 1, 1), f64::NAN), 5, 1),
        (((0, 1, 0), f64::INFINITY), 1, 0),
        (((2, 1, 2), 4.000_001e6), 9, 2),
    ] {
        let position = run_course(&mut Scripted::new(&[script]), &course);
        let position = position.expect("one realization goes on");
        assert_eq!(position.epochs.len(), 3);
        for (epoch, expected) in position.epochs.iter().zip(&expected) {
            assert_eq!(epoch.train_losses[0], expected.train_losses[0]);
            assert_eq!(epoch.test_losses[0], expected.test_losses[0]);
            let is_over = epoch.epoch > last;
            for numbers in [
                &epoch.train_losses,
                &epoch.train_accuracies,
                &epoch.test_losses,
                &epoch.test_accuracies,
            ] {
                assert_eq!(numbers[1].is_nan(), is_over, "{epoch:?}");
            }
            if is_over {
                assert_eq!(epoch.train_loss, epoch.train_losses[0]);
                assert_eq!(epoch.val_loss, epoch.val_losses.as_ref().map(|v| v[0]));
            }
        }
        let outcomes = course.outcomes(&position);
        assert_eq!(outcomes[1].diverged_at_step, Some(step));
        assert_eq!(
            (outcomes[1].kept_epoch, outcomes[1].test_accuracy),
            (None, None)
        );
        assert_eq!(outcomes[0].kept_epoch, Some(3));
        assert_eq!(outcomes[0].test_accuracy, Some(0.8));
        let summary = Summary::new((), String::new(), "cpu", None, Vec::new(), outcomes);
        assert_eq!(summary.test_accuracy, 0.8);
    }
    // The evaluation shows what the last update did.
    let mut executor = Scripted::new(&[]);
    executor.test_losses[0] = f64::NAN;
    let position = run_course(&mut executor, &course).expect("one realization goes on");
    assert_eq!(course.outcome(&position, 0).diverged_at_step, Some(3));
    assert_eq!(course.outcome(&position, 1).kept_epoch, Some(3));
}

/// Validation losses of a realization, in epochs 1 to 6: patience and the best epoch by hand.
#[test]
fn patience_and_the_best_epoch_follow_the_validation_loss() {
    const SIX: Schedule = Schedule {
        epochs: 6,
        ..SCHEDULE
    };
    let first = [5.0, 3.0, 4.0, 3.0, 2.0, 6.0];
    let second = [4.0, 5.0, 6.0, 1.0, 7.0, 7.0];
    // Patience, what is kept; for each realization the last epoch that counts and the one that is kept.
    for (patience, keep, last, kept, epochs) in [
        (None, Keep::Last, [6, 6], [6, 6], 6),
        (None, Keep::Best, [6, 6], [5, 4], 6),
        // Epoch 3 is the first without a new minimum: 4 and 6 are above 3 and 4.
        (Some(1), Keep::Best, [3, 2], [2, 1], 3),
        (Some(1), Keep::Last, [3, 2], [3, 2], 3),
        // 3 in epoch 4 is no new minimum after 3 in epoch 2.
        (Some(2), Keep::Best, [4, 3], [2, 1], 4),
        (Some(2), Keep::Last, [4, 3], [4, 3], 4),
        (Some(3), Keep::Best, [6, 6], [5, 4], 6),
        (Some(9), Keep::Best, [6, 6], [5, 4], 6),
    ] {
        let course = Course {
            patience,
            keep,
            ..Course::from(&SIX)
        };
        let mut executor = Scripted::new(&[]);
        executor.val_losses = first.into_iter().zip(second).map(|(a, b)| [a, b]).collect();
        let position = run_course(&mut executor, &course).expect("nothing diverges");
        let case = format!("{patience:?} {keep:?}");
        assert_eq!(position.epochs.len(), epochs, "{case}");
        let networks = pollster::block_on(course.networks(&mut executor, &position));
        let networks = networks.expect("parameters");
        for r in 0..2 {
            let outcome = course.outcome(&position, r);
            assert_eq!(course.standing(&position, r).last, last[r], "{case} {r}");
            assert_eq!(outcome.kept_epoch, Some(kept[r]), "{case} {r}");
            let network = networks[r].as_ref().map(|p| p.head.weight.clone());
            assert_eq!(network, Some(vec![kept[r] as f32, r as f32]), "{case} {r}");
            let losses = [first, second][r];
            let expected = losses[kept[r] as usize - 1];
            assert!(
                outcome
                    .validation_loss
                    .is_some_and(|l| (l - expected).abs() < 1e-15)
            );
            let best = losses[..last[r] as usize]
                .iter()
                .copied()
                .fold(f64::MAX, f64::min);
            let found = outcome.best_validation_loss;
            assert!(
                found.is_some_and(|l| (l - best).abs() < 1e-15),
                "{case} {r}"
            );
            // Nothing after the end counts.
            for epoch in position.epochs.iter() {
                let is_over = epoch.epoch > last[r];
                assert_eq!(epoch.train_losses[r].is_nan(), is_over, "{case} {r}");
            }
        }
    }
}

/// What diverges after its patience is over has its result, and a run of which some diverged and the
/// others ran out of patience is over.
#[test]
fn patience_comes_before_a_later_divergence() {
    let course = Course {
        patience: Some(1),
        ..Course::from(&SCHEDULE)
    };
    let mut executor = Scripted::new(&[((2, 1, 0), f64::NAN)]);
    executor.val_losses = vec![[3.0, 1.0], [2.0, 1.0], [1.0, 1.0]];
    let position = run_course(&mut executor, &course).expect("a run");
    assert_eq!(course.outcome(&position, 1).diverged_at_step, None);
    assert_eq!(course.outcome(&position, 1).kept_epoch, Some(2));
    assert_eq!(position.epochs.len(), 3);

    let mut executor = Scripted::new(&[((2, 0, 0), f64::NAN)]);
    executor.val_losses = vec![[3.0, 1.0], [2.0, 1.0], [1.0, 1.0]];
    let position = run_course(&mut executor, &course).expect("one has a result");
    assert_eq!(course.outcome(&position, 0).diverged_at_step, Some(7));
    assert_eq!(
        (position.epochs.len(), course.is_over(&position)),
        (2, true)
    );
}

#[test]
fn courses_that_cannot_work_are_refused() {
    let course = Course::from(&SCHEDULE);
    let unseen = Course::from(&Schedule {
        validation: false,
        ..SCHEDULE
    });
    let cases = [
        (
            Course {
                patience: Some(0),
                ..course.clone()
            },
            "patience",
        ),
        (
            Course {
                patience: Some(3),
                ..unseen.clone()
            },
            "patience",
        ),
        (
            Course {
                keep: Keep::Best,
                ..unseen.clone()
            },
            "keep",
        ),
    ];
    for (course, expected) in cases {
        match run_course(&mut Scripted::new(&[]), &course) {
            Err(Error::InvalidValue { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let seeds = vec![1];
    let fewer = run_course(&mut Scripted::new(&[]), &Course { seeds, ..course });
    assert!(matches!(fewer, Err(Error::Shape { .. })), "{fewer:?}");
}

/// The seeds of a course are those of its list.
#[test]
fn each_realization_has_the_orders_of_its_listed_seed() {
    let mut executor = Scripted::new(&[]);
    let seeds = vec![7, 3];
    let course = Course {
        seeds: seeds.clone(),
        ..Course::from(&SCHEDULE)
    };
    run_course(&mut executor, &course).expect("nothing diverges");
    for (orders, epoch) in executor.orders.iter().zip(0..) {
        let expected: Vec<_> = seeds.iter().map(|&s| sample_order(s, epoch, 10)).collect();
        assert_eq!(orders[..], expected);
    }
}

#[test]
fn losses_up_to_a_million_times_the_first_are_no_divergence() {
    let script = [((1, 0, 2), 2e6), ((2, 1, 0), 3.9e6)];
    run(&mut Scripted::new(&script))
        .0
        .expect("within the limits");
    // A first loss near zero does not make an ordinary one a divergence.
    let script = [((0, 0, 0), 1e-9), ((0, 0, 1), 50.0)];
    run(&mut Scripted::new(&script))
        .0
        .expect("within the limits");
}

#[test]
fn no_accuracy_is_reported_of_a_network_that_computes_infinities() {
    let mut executor = Scripted::new(&[]);
    executor.test_losses = [f64::INFINITY, f64::NAN];
    let (result, seen) = run(&mut executor);
    assert!(matches!(
        result,
        Err(Error::Diverged {
            epoch: 1,
            step: 3,
            realization: 0,
            ..
        })
    ));
    assert!(seen.epochs.is_empty());
    executor.test_losses[0] = 1.0;
    assert!(matches!(
        pollster::block_on(evaluate(&mut executor, Split::Test)),
        Err(Error::NonFiniteLoss { realization: 1, .. })
    ));
}

#[test]
fn deviations_are_the_samples() {
    assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    assert_eq!(standard_deviation(&[1.0, 2.0, 6.0]), Some(7f64.sqrt()));
    assert_eq!(standard_deviation(&[5.0]), None);
    assert_eq!(standard_deviation(&[]), None);
}

/// Steps that take no time are not asked for in ever longer stretches until the number overflows.
#[test]
fn many_short_epochs_end() {
    let schedule = Schedule {
        epochs: 200,
        ..SCHEDULE
    };
    let mut executor = Scripted::new(&[]);
    let mut seen = Seen::default();
    let epochs = pollster::block_on(train(&mut executor, &schedule, &mut seen));
    assert_eq!(epochs.expect("training").len(), 200);
}

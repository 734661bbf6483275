//! What training reports, and when it stops, on an executor that follows a script.

use std::cell::Cell;
use std::ops::Range;

use bregman::data::Split;
use bregman::error::{Error, Result};
use bregman::executor::{BatchMetrics, Executor};
use bregman::nn::Parameters;
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

/// Returns the same batches every epoch, but for a script of losses by (epoch, realization, step).
struct Scripted {
    epoch: usize,
    script: Vec<((usize, usize, usize), f64)>,
    test_loss: f64,
    orders: Vec<Vec<Vec<u32>>>,
}

impl Scripted {
    fn new(script: &[((usize, usize, usize), f64)]) -> Self {
        Self {
            epoch: 0,
            script: script.to_vec(),
            test_loss: 1.0,
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
        let correct = match split {
            Split::Test => 3,
            _ => 1,
        };
        Ok(vec![
            vec![batch(1.0, correct, 4), batch(1.0, 1, 1)],
            vec![batch(1.0, 4, 4), batch(self.test_loss, 0, 1)],
        ])
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(Vec::new())
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

/// Stopped wherever it can be, again and again, a run goes on to the same end.
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
    let mut executor = Scripted::new(&[((2, 0, 2), 2.000_001e6)]);
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
fn divergence_names_the_first_step_of_the_epoch_in_which_it_happens() {
    // First losses are 2 and 4: the limits are 2·10⁶ and 4·10⁶.
    type Script = [((usize, usize, usize), f64)];
    let cases: [(&Script, _); 5] = [
        (&[((1, 1, 1), f64::NAN)], (2, 2, 1)),
        (&[((0, 0, 0), f64::INFINITY)], (1, 1, 0)),
        (&[((2, 0, 2), 2.000_001e6)], (3, 3, 0)),
        (&[((1, 0, 2), f64::NAN), ((1, 1, 1), f64::NAN)], (2, 2, 1)),
        (&[((0, 1, 0), f64::NAN), ((0, 0, 1), f64::NAN)], (1, 1, 1)),
    ];
    for (script, expected) in cases {
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
        assert_eq!(seen.epochs.len(), expected.0 as usize - 1, "not reported");
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
    executor.test_loss = f64::NAN;
    let (result, seen) = run(&mut executor);
    assert!(matches!(
        result,
        Err(Error::Diverged {
            epoch: 1,
            step: 3,
            realization: 1,
            ..
        })
    ));
    assert!(seen.epochs.is_empty());
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

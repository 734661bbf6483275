//! Problem 2.2 at L = 1, 2, 4, …, 256 against its limit, on the spirals and on MNIST.

use std::path::{Path, PathBuf};

use bregman::activation::TANH;
use bregman::atomic_file;
use bregman::bilevel::equilibrium::experiment::{self, Outcome, Samples, Training};
use bregman::bilevel::equilibrium::{Equilibrium, Gradient, Solver};
use bregman::data::spirals::Spirals;
use bregman::data::{self, Request};
use bregman::error::Result;
use bregman::nn::Loss;
use bregman::plot::{Axis, Figure, Marks, PALETTE, Panel, Series};
use serde::Serialize;

const DEPTHS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// One data set's results.
#[derive(Serialize)]
struct Results {
    dataset: String,
    setting: String,
    outcomes: Vec<Outcome>,
    /// ‖h_L − h‖ over √n at the parameters of the network trained at its limit, by L.
    distances_of_limit: Vec<f64>,
}

fn run_one(
    dataset: &str,
    [features, width, outputs]: [usize; 3],
    samples: &Samples,
    training: Training,
    say: &dyn Fn(&str),
) -> Result<Results> {
    // Tighter than for training alone: distances down to 10⁻⁵ are to be seen.
    let solver = Solver {
        tolerance: 1e-5,
        max_iterations: 2_000,
        ..Solver::DEFAULT
    };
    let shape = [features, width, outputs];
    let equilibrium = Equilibrium::new(&TANH, Loss::CrossEntropy, shape, solver)?;
    let mut outcomes = Vec::new();
    let ways = DEPTHS.map(Gradient::Unrolled);
    for way in ways {
        let (outcome, _) = experiment::train(&equilibrium, samples, training, way)?;
        say(&line(dataset, &outcome));
        outcomes.push(outcome);
    }
    let (limit, parameters) =
        experiment::train(&equilibrium, samples, training, Gradient::Implicit)?;
    say(&line(dataset, &limit));
    outcomes.push(limit);
    let distances = DEPTHS.map(|l| experiment::distance(&equilibrium, &parameters, samples, l));
    Ok(Results {
        dataset: dataset.to_owned(),
        setting: format!(
            "{} samples, {width} tanh units, tied symmetric W, {} epochs, batches of {}, lr {}, seed {}",
            samples.labels.len(),
            training.epochs,
            training.batch_size,
            training.learning_rate,
            training.seed
        ),
        outcomes,
        distances_of_limit: distances.into_iter().collect::<Result<_>>()?,
    })
}

fn line(dataset: &str, outcome: &Outcome) -> String {
    let layers = outcome.layers.map_or("limit".to_owned(), |l| l.to_string());
    format!(
        "{dataset:8} L = {layers:>5}: training loss {:.4} (with h for h_L {:.4}), accuracy {:.2} %, \
         ‖h_L − h‖ {:.1e}",
        outcome.loss,
        outcome.loss_at_limit,
        100.0 * outcome.accuracy,
        outcome.distance
    )
}

/// Runs both experiments; writes `depth.json` and the figure, and tells each result as it comes.
///
/// # Errors
/// Whatever reading MNIST or writing meets.
pub fn run(
    folder: &Path,
    data_dir: Option<PathBuf>,
    seed: u64,
    say: &dyn Fn(&str),
) -> Result<Vec<PathBuf>> {
    let [spirals, _] = Spirals::draw(500, seed);
    let spirals = Samples {
        inputs: spirals.points.as_flattened().to_vec(),
        labels: spirals.labels,
    };
    let training = Training {
        epochs: 100,
        batch_size: 10,
        learning_rate: 0.1,
        seed,
    };
    let mut results = vec![run_one("spirals", [2, 64, 2], &spirals, training, say)?];

    let request = Request {
        dataset: Some("mnist".to_owned()),
        data_dir,
        limit: Some((5_000, 1)),
    };
    let mnist = data::load(&request, &mut |_| {})?.train;
    let samples = Samples {
        inputs: mnist.pixels.iter().map(|&p| f32::from(p) / 255.0).collect(),
        labels: mnist.labels.clone(),
    };
    let training = Training {
        epochs: 3,
        batch_size: 32,
        ..training
    };
    results.push(run_one(
        "MNIST",
        [mnist.features(), 64, 10],
        &samples,
        training,
        say,
    )?);

    let json = folder.join("depth.json");
    let text = serde_json::to_string_pretty(&results).expect("numbers and strings serialize");
    atomic_file::write(&json, (text + "\n").as_bytes())?;
    let mut written = vec![json];
    written.extend(figure(&results).save(&folder.join("depth"))?);
    Ok(written)
}

fn figure(results: &[Results]) -> Figure {
    let mut panels = Vec::new();
    for result in results {
        let (limit, cuts) = result.outcomes.split_last().expect("the limit is the last");
        let ends = [1.0, 256.0];
        let points = |of: &dyn Fn(&Outcome) -> f64| -> Vec<[f64; 2]> {
            let depths = DEPTHS.iter().zip(cuts);
            depths
                .map(|(&l, outcome)| [l as f64, of(outcome)])
                .collect()
        };
        let series = |name: &str, color: usize, marks, points| Series {
            name: name.to_owned(),
            color: PALETTE[color],
            marks,
            points,
            envelope: vec![],
        };
        let panel = |title: &str, y: Axis, series| Panel {
            title: format!("{}: {title}", result.dataset),
            x: Axis {
                label: "layers L".to_owned(),
                log: true,
                range: None,
            },
            y,
            series,
            ..Panel::default()
        };
        let linear = |label: &str| Axis {
            label: label.to_owned(),
            ..Axis::default()
        };
        let flat = |value: f64| ends.map(|x| [x, value]).to_vec();
        panels.push(panel(
            "value of Problem 2.2",
            linear("training loss"),
            vec![
                series(
                    "trained and run at L",
                    0,
                    Marks::LineAndDots,
                    points(&|o| o.loss),
                ),
                series(
                    "trained at L, run to its limit",
                    1,
                    Marks::LineAndDots,
                    points(&|o| o.loss_at_limit),
                ),
                series("trained at the limit", 3, Marks::Dashes, flat(limit.loss)),
            ],
        ));
        panels.push(panel(
            "accuracy",
            linear("training accuracy, %"),
            vec![
                series(
                    "trained and run at L",
                    0,
                    Marks::LineAndDots,
                    points(&|o| 100.0 * o.accuracy),
                ),
                series(
                    "trained at the limit",
                    3,
                    Marks::Dashes,
                    flat(100.0 * limit.accuracy),
                ),
            ],
        ));
        let of_limit = DEPTHS.iter().zip(&result.distances_of_limit);
        panels.push(panel(
            "distance to the limit",
            Axis {
                label: "mean ‖h_L − h‖ / √n".to_owned(),
                log: true,
                range: None,
            },
            vec![
                series(
                    "trained at L",
                    0,
                    Marks::LineAndDots,
                    points(&|o| o.distance),
                ),
                series(
                    "trained at the limit",
                    3,
                    Marks::LineAndDots,
                    of_limit.map(|(&l, &d)| [l as f64, d]).collect(),
                ),
            ],
        ));
    }
    let settings: Vec<String> = results
        .iter()
        .map(|r| format!("{}: {}.", r.dataset, r.setting))
        .collect();
    Figure {
        title: "Problem 2.2 at L layers against its limit, the equilibrium".to_owned(),
        caption: settings.join(" "),
        panels,
        columns: 3,
    }
}

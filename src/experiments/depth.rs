//! Problem 2.2 at L = 1, 2, 4, …, 256 against its limit, on the spirals and on MNIST.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use super::{read_json, write_json};
use crate::activation::Activation;
use crate::bilevel::equilibrium::experiment::{self, Outcome, Training};
use crate::bilevel::equilibrium::{Equilibrium, Gradient, Solver};
use crate::data::spirals::Spirals;
use crate::data::{self, Dataset, Inputs, Request};
use crate::error::{Error, Result};
use crate::kind::Loss;
use crate::plot::{Axis, Corner, Figure, Marks, PALETTE, Panel, Series};

/// The numbers of layers L.
pub const DEPTHS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Networks of each L, with seeds SEED, SEED + 1, …. Networks of the same seed have the same initial
/// parameters and the same order of samples at every L.
const SEEDS: u64 = 3;

/// Number of samples whose distances to the limit are measured.
const DISTANCES: usize = 200;

/// The solver for the reported numbers of the limit: more exact than training needs.
const EXACT: Solver = Solver {
    tolerance: 1e-5,
    max_iterations: 2_000,
    ..Solver::DEFAULT
};

/// The results on one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The data set.
    pub dataset: String,
    /// Samples, units and the settings of training.
    pub setting: String,
    /// One for each of [`DEPTHS`], then the limit.
    #[serde(rename = "ways")]
    pub networks: Vec<Networks>,
}

/// The networks of one L, or of the limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Networks {
    /// L; none for the limit.
    pub layers: Option<usize>,
    /// One for each seed.
    pub outcomes: Vec<Outcome>,
    /// ‖h_L − h‖ over √n of the network of the first seed: at its own L, or at every one of
    /// [`DEPTHS`] for the limit.
    pub distances: Vec<f64>,
}

/// The name of L in tables.
fn layers_name(layers: Option<usize>) -> String {
    layers.map_or("limit".to_owned(), |l| l.to_string())
}

/// How a caller follows the experiment and stops it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Is told of every network.
    pub tell: &'a dyn Fn(Event<'_>),
    /// Whether to stop before the next network.
    pub stop: &'a dyn Fn() -> bool,
}

/// A message for the user: a network has been trained.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The data set.
    pub dataset: &'a str,
    /// The result of training the network.
    pub outcome: &'a Outcome,
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            layers,
            seed,
            loss,
            seconds,
            ..
        } = self.outcome;
        write!(
            f,
            "{}, L = {}, seed {seed}: training loss {loss:.4}, {seconds:.1} s",
            self.dataset,
            layers_name(*layers)
        )
    }
}

impl Networks {
    fn mean(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        self.outcomes.iter().map(of).sum::<f64>() / self.outcomes.len() as f64
    }

    /// The least and the largest value.
    fn ends(&self, of: impl Fn(&Outcome) -> f64) -> [f64; 2] {
        let values = self.outcomes.iter().map(of);
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| {
            [low.min(x), high.max(x)]
        })
    }

    /// A row of the table.
    fn row(&self) -> String {
        let layers = layers_name(self.layers);
        let [least, most] = self.ends(|o| o.loss);
        let [seconds, _] = self.ends(|o| o.seconds);
        let distance = match self.layers {
            Some(_) => format!("{:.1e}", self.distances[0]),
            None => "0".to_owned(),
        };
        format!(
            "| {layers} | {:.4} ({least:.4} to {most:.4}) | {:.4} | {:.2} | {:.2} | {distance} | {:.1} | {} | {seconds:.1} |",
            self.mean(|o| o.loss),
            self.mean(|o| o.loss_at_limit),
            100.0 * self.mean(|o| o.accuracy),
            100.0 * self.mean(|o| o.test_accuracy),
            self.mean(|o| o.iterations),
            self.outcomes[0].kept_bytes / 1024,
        )
    }
}

/// A data set, and how networks are trained on it.
struct Task {
    dataset: &'static str,
    /// Features, units and outputs.
    shape: [usize; 3],
    train: Dataset,
    test: Dataset,
    training: Training,
}

impl Task {
    /// Trains the networks that `found` lacks, and calls `keep` with the results after each; none if it was
    /// stopped before the last.
    fn run(
        &self,
        found: Option<&Results>,
        watch: Watch<'_>,
        keep: &mut dyn FnMut(&Results) -> Result<()>,
    ) -> Result<Option<Results>> {
        let Self {
            dataset,
            shape,
            train,
            test,
            training,
        } = self;
        let equilibrium = Equilibrium::new(
            &Activation::TANH,
            Loss::CrossEntropy,
            *shape,
            Solver::DEFAULT,
        )?;
        let mut results = found.cloned().unwrap_or_else(|| self.nothing());
        // Seed by seed, so that other load on the machine slows all L alike.
        for seed in self.seeds() {
            let training = Training { seed, ..*training };
            for (i, gradient) in gradients().enumerate() {
                let networks = results.networks.get_mut(i);
                let has_seed = |n: &Networks| n.outcomes.iter().any(|o| o.seed == seed);
                if networks.as_deref().is_some_and(has_seed) {
                    continue;
                }
                if (watch.stop)() {
                    return Ok(None);
                }
                let samples = [train, test];
                let (outcome, parameters) =
                    experiment::train(&equilibrium, EXACT, samples, training, gradient)?;
                (watch.tell)(Event {
                    dataset,
                    outcome: &outcome,
                });
                if let Some(networks) = networks {
                    networks.outcomes.push(outcome);
                } else {
                    let depths = outcome.layers.map_or(DEPTHS.to_vec(), |l| vec![l]);
                    let measured: Vec<u32> = (0..train.len().min(DISTANCES) as u32).collect();
                    let x = &train.values_of(&measured, &equilibrium.model.pixel_values());
                    results.networks.push(Networks {
                        layers: outcome.layers,
                        outcomes: vec![outcome],
                        distances: experiment::distances(&equilibrium, &parameters, x, &depths)?,
                    });
                }
                keep(&results)?;
            }
        }
        Ok(Some(results))
    }

    fn seeds(&self) -> impl Iterator<Item = u64> {
        let first = self.training.seed;
        (0..SEEDS).map(move |i| first.wrapping_add(i))
    }

    /// The results before any network is trained.
    fn nothing(&self) -> Results {
        let Self {
            dataset,
            shape,
            train,
            test,
            training,
        } = self;
        Results {
            dataset: (*dataset).to_owned(),
            setting: format!(
                "{} samples, {} test samples, {} tanh units, {} epochs, batches of {}, rate {}, \
                 seeds {} to {}",
                train.len(),
                test.len(),
                shape[1],
                training.epochs,
                training.batch_size,
                training.learning_rate,
                training.seed,
                training.seed.wrapping_add(SEEDS - 1),
            ),
            networks: Vec::new(),
        }
    }

    /// Whether `found` are results of this task, of its first networks in the order in which they are
    /// trained.
    fn has_begun(&self, found: &Results) -> bool {
        let wanted = self.nothing();
        let mut layers = found.networks.iter().map(|networks| networks.layers);
        let mut known = gradients().map(|gradient| match gradient {
            Gradient::Unrolled(layers) => Some(layers),
            Gradient::Implicit => None,
        });
        let in_order = |networks: &Networks| {
            let seeds = networks.outcomes.iter().map(|outcome| outcome.seed);
            !networks.outcomes.is_empty() && self.seeds().take(networks.outcomes.len()).eq(seeds)
        };
        found.dataset == wanted.dataset
            && found.setting == wanted.setting
            && layers.all(|layers| known.next() == Some(layers))
            && found.networks.iter().all(in_order)
    }
}

/// How networks are trained: at each of [`DEPTHS`], then at the limit.
fn gradients() -> impl Iterator<Item = Gradient> {
    let unrolled = DEPTHS.into_iter().map(Gradient::Unrolled);
    unrolled.chain([Gradient::Implicit])
}

fn spirals(seed: u64) -> Result<Task> {
    let samples = |spirals: Spirals| Dataset::classification(&spirals.points, &spirals.labels);
    let [train, test] = Spirals::draw(500, seed).map(samples);
    let (train, test) = (train?, test?);
    Ok(Task {
        dataset: "spirals",
        shape: [2, 64, 2],
        train,
        test,
        training: Training {
            epochs: 100,
            batch_size: 10,
            learning_rate: 0.1,
            seed,
        },
    })
}

fn mnist(data_dir: Option<PathBuf>, seed: u64) -> Result<Task> {
    let request = Request {
        dataset: Some("mnist".to_owned()),
        data_dir,
        limit: Some((10_000, 10_000)),
    };
    let data = data::load(&request, &mut |_| {})?;
    // p / 255 in float32, which may differ in the last bit from the input that a network makes of a byte.
    let samples = |mut data: Dataset| {
        let grey = |pixels: &[u8]| pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
        data.inputs = Inputs::Numbers(grey(data.pixels()));
        data
    };
    Ok(Task {
        dataset: "MNIST",
        shape: [data.train.features(), 128, 10],
        train: samples(data.train),
        test: samples(data.test),
        training: Training {
            epochs: 4,
            batch_size: 32,
            learning_rate: 0.2,
            seed,
        },
    })
}

/// The data sets, loaded, and how networks are trained on each.
pub struct Experiment {
    tasks: Vec<Task>,
}

impl Experiment {
    /// The experiment with networks from `seed` on; MNIST is in `data_dir`, see [`data::load`].
    ///
    /// # Errors
    /// Those of reading MNIST.
    pub fn new(data_dir: Option<PathBuf>, seed: u64) -> Result<Self> {
        Ok(Self {
            tasks: vec![spirals(seed)?, mnist(data_dir, seed)?],
        })
    }

    /// Checks that the results in `folder`, whole or in part, if there are any, are not those of other
    /// settings.
    ///
    /// # Errors
    /// [`Error::Occupied`] if they are; [`Error::Io`].
    pub fn check_vacant(&self, folder: &Path) -> Result<()> {
        for path in [results_file(folder), partial_file(folder)] {
            let found: Vec<Results> = read_json(&path)?;
            let is_own = |found: &Results| self.tasks.iter().any(|task| task.has_begun(found));
            if let Some(other) = found.iter().find(|found| !is_own(found)) {
                let task = self.tasks.iter().find(|task| task.dataset == other.dataset);
                let here = task.map_or(String::new(), |task| task.nothing().setting);
                let difference = format!("there {}: {}; here {here}", other.dataset, other.setting);
                return Err(Error::Occupied { path, difference });
            }
        }
        Ok(())
    }

    /// Trains the networks that `found` lacks; none if it was stopped before the last. Meanwhile those that
    /// there are lie in [`partial_file`] of `folder`.
    ///
    /// # Errors
    /// Those of training; [`Error::Io`].
    pub fn run(
        &self,
        folder: &Path,
        found: Found,
        watch: Watch<'_>,
    ) -> Result<Option<Vec<Results>>> {
        let mut results = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            let mut found = found.results.iter();
            let found = found.find(|found| task.has_begun(found));
            let mut keep = |so_far: &Results| {
                let all: Vec<&Results> = results.iter().chain([so_far]).collect();
                write_json(&partial_file(folder), &all).map(drop)
            };
            match task.run(found, watch, &mut keep)? {
                Some(whole) => results.push(whole),
                None => return Ok(None),
            }
        }
        Ok(Some(results))
    }
}

/// The results that are in a folder already.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Whether they are all.
    pub is_whole: bool,
    results: Vec<Results>,
}

impl Found {
    /// The results in `folder`: those of all networks, or of those that had been trained when the experiment
    /// was stopped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(folder: &Path) -> Result<Self> {
        let whole: Vec<Results> = read_json(&results_file(folder))?;
        Ok(match whole.is_empty() {
            true => Self {
                is_whole: false,
                results: read_json(&partial_file(folder))?,
            },
            false => Self {
                is_whole: true,
                results: whole,
            },
        })
    }
}

/// The file of the results in `folder`.
pub fn results_file(folder: &Path) -> PathBuf {
    folder.join("depth.json")
}

/// The file of the results in `folder` until all networks are trained.
pub fn partial_file(folder: &Path) -> PathBuf {
    folder.join("depth.partial.json")
}

/// Writes the results and their figure into `folder`; returns the files.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
pub fn write(folder: &Path, results: &[Results]) -> Result<[PathBuf; 3]> {
    let json = write_json(&results_file(folder), &results)?;
    // There is none if nothing was left to train.
    let _ = fs::remove_file(partial_file(folder));
    let [png, svg] = figure(results).save(&folder.join("depth"))?;
    Ok([json, png, svg])
}

/// The results as a table, in Markdown.
pub fn table(results: &Results) -> String {
    let mut text = format!(
        "{}: {}\n\n\
         | L | training loss (least to most) | with h for h_L | training accuracy, % | test accuracy, % | ‖h_L − h‖/√n | iterations | KiB kept | seconds |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        results.dataset, results.setting
    );
    for networks in &results.networks {
        text += &(networks.row() + "\n");
    }
    text + "\n"
}

/// Losses, accuracies and distances by L.
pub fn figure(results: &[Results]) -> Figure {
    let panels = results.iter().flat_map(panels).collect();
    let settings = results
        .iter()
        .map(|r| format!("{}: {}. ", r.dataset, r.setting));
    Figure {
        title: "Problem 2.2 at $L$ layers against its limit, the equilibrium".to_owned(),
        caption: settings.collect::<String>()
            + "Tied symmetric $W$; lines: means; bands: from the lowest to the highest of the seeds.",
        panels,
        columns: 3,
    }
}

fn panels(results: &Results) -> [Panel; 3] {
    let (limit, cuts) = results
        .networks
        .split_last()
        .expect("the limit is the last");
    let panel = |title: &str, label: &str, series| Panel {
        title: format!("{}: {title}", results.dataset),
        x: Axis {
            label: "layers $L$".to_owned(),
            log: true,
            range: None,
        },
        y: Axis {
            label: label.to_owned(),
            ..Axis::default()
        },
        series,
        ..Panel::default()
    };
    let line = |name: &str, color: usize, marks, points: Vec<[f64; 2]>| Series {
        name: name.to_owned(),
        color: PALETTE[color],
        marks,
        points,
        envelope: vec![],
    };
    let depths = || DEPTHS.iter().map(|&l| l as f64).zip(cuts);
    let by_depth = |name: &str, color, of: fn(&Outcome) -> f64| {
        let points = depths().map(|(l, cut)| [l, cut.mean(of)]);
        line(name, color, Marks::LineAndDots, points.collect())
    };
    // Networks trained at L and at the limit, each with the spread of its seeds.
    let both = |of: fn(&Outcome) -> f64| {
        let of_cuts = depths().map(|(l, cut)| {
            let [low, high] = cut.ends(of);
            [l, low, high]
        });
        let (value, [low, high]) = (limit.mean(of), limit.ends(of));
        let ends = [1.0, 256.0];
        [
            Series {
                envelope: of_cuts.collect(),
                ..by_depth("trained and run at $L$", 0, of)
            },
            Series {
                envelope: ends.map(|l| [l, low, high]).to_vec(),
                ..line(
                    "trained at the limit",
                    3,
                    Marks::Dashes,
                    ends.map(|l| [l, value]).to_vec(),
                )
            },
        ]
    };
    let ends_of_all = |of: fn(&Outcome) -> f64| {
        let ends = results.networks.iter().map(|networks| networks.ends(of));
        ends.reduce(|[a, b], [low, high]| [a.min(low), b.max(high)])
            .expect("some networks")
    };
    let mut losses = both(|o| o.loss).to_vec();
    losses.push(by_depth("trained at $L$, run to its limit", 1, |o| {
        o.loss_at_limit
    }));
    let mut loss = panel("value of Problem 2.2", "training loss", losses);
    // Room for the legend, beyond the curves.
    let [low, high] = ends_of_all(|o| o.loss.max(o.loss_at_limit));
    loss.y.range = Some([
        0.0f64.max(low - 0.3 * (high - low)),
        high + 0.3 * (high - low),
    ]);
    let of_accuracy = |o: &Outcome| 100.0 * o.accuracy;
    let accuracies = both(of_accuracy).to_vec();
    let mut accuracy = panel("accuracy", "training accuracy (%)", accuracies);
    let [low, high] = ends_of_all(of_accuracy);
    accuracy.y.range = Some([
        low - 0.3 * (high - low),
        100f64.min(high + 0.1 * (high - low)),
    ]);
    accuracy.legend = Corner::BottomRight;

    let of_cuts = depths().map(|(l, cut)| [l, cut.distances[0]]).collect();
    let of_limit = depths().zip(&limit.distances).map(|((l, _), &d)| [l, d]);
    let distances = vec![
        line("trained at $L$", 0, Marks::LineAndDots, of_cuts),
        line(
            "trained at the limit",
            3,
            Marks::LineAndDots,
            of_limit.collect(),
        ),
    ];
    let mut distance = panel("distance to the limit", "mean $‖h_L − h‖ / √n$", distances);
    distance.y.log = true;
    [loss, accuracy, distance]
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The experiment on forty samples of the spirals.
    fn small(seed: u64) -> Experiment {
        let samples = |spirals: Spirals| {
            Dataset::classification(&spirals.points, &spirals.labels).expect("samples")
        };
        let [train, test] = Spirals::draw(40, seed).map(samples);
        let task = Task {
            dataset: "spirals",
            shape: [2, 4, 2],
            train,
            test,
            training: Training {
                epochs: 1,
                batch_size: 10,
                learning_rate: 0.1,
                seed,
            },
        };
        Experiment { tasks: vec![task] }
    }

    /// Goes on in `folder` until so many `networks` have been trained; without the times.
    fn run(experiment: &Experiment, folder: &Path, networks: usize) -> Option<Vec<Results>> {
        let trained = Cell::new(0);
        let watch = Watch {
            tell: &|_| trained.set(trained.get() + 1),
            stop: &|| trained.get() >= networks,
        };
        let found = Found::read(folder).expect("readable");
        let mut results = experiment.run(folder, found, watch).expect("it trains")?;
        for networks in results.iter_mut().flat_map(|found| &mut found.networks) {
            for outcome in &mut networks.outcomes {
                outcome.seconds = 0.0;
            }
        }
        Some(results)
    }

    #[test]
    fn what_was_trained_before_a_stop_is_kept_and_not_trained_again() {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("temporary folder"));
        let [whole, parts] = folders.each_ref().map(|folder| folder.path());
        let experiment = small(0);
        let all = usize::MAX;
        let expected = run(&experiment, whole, all).expect("nobody stops it");
        let count = |results: &[Results]| -> usize {
            let networks = results.iter().flat_map(|found| &found.networks);
            networks.map(|networks| networks.outcomes.len()).sum()
        };
        assert_eq!(count(&expected), 30);
        let occupied = |folder: &Path| {
            assert!(experiment.check_vacant(folder).is_ok());
            let error = small(4).check_vacant(folder).expect_err("its seeds differ");
            let said = error.to_string();
            assert!(
                said.contains("seeds 0 to 2") && said.contains("seeds 4 to 6"),
                "{said}"
            );
            assert!(matches!(error, Error::Occupied { .. }), "{said}");
        };
        // Within the first seed, and within the second.
        for (more, sum) in [(4, 4), (9, 13)] {
            assert_eq!(run(&experiment, parts, more), None);
            let partial: Vec<Results> = read_json(&partial_file(parts)).expect("written");
            assert_eq!(count(&partial), sum);
            occupied(parts);
        }
        assert_eq!(run(&experiment, parts, all), Some(expected.clone()));
        write(parts, &expected).expect("room");
        assert!(!partial_file(parts).exists());
        occupied(parts);
        assert!(Found::read(parts).expect("readable").is_whole);
        assert_eq!(run(&experiment, parts, 0), Some(expected));
    }
}

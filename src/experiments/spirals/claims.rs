//! The paper's claims, each with the tests that decide it.
//!
//! An ordering is tested over pairs of runs that have the same seed, and so the same points and the same order
//! of samples, with Wilcoxon's signed-rank test; Holm's adjustment is over all orderings of a figure. A limit
//! or an equality is tested against a margin that is stated, by a 99 % interval.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::results::{Outcome, Quantity, RATES, Row};
use super::settings::Settings;
use crate::experiments::stats::{
    Interval, Verdict, bootstrap_mean, holm, median, median_interval, power, spread, wilcoxon,
};
use crate::kind::{Init, LayerKind};
use crate::plot::layer_name;

/// The probability below which an ordering is believed, after Holm's adjustment, both sides together.
pub const ALPHA: f64 = 0.01;

/// The level of the interval that decides a limit.
const LIMIT_LEVEL: f64 = 1.0 - ALPHA;

/// The level of the interval beside an ordering.
const ORDER_LEVEL: f64 = 0.95;

/// The margin of Figure 5's losses, a tenth of the paper's 0.05.
const LOSS_MARGIN: f64 = 0.005;

/// The paper's loss of Bregman layers with deterministic initial weights.
const PAPER_5_BREGMAN: f64 = 0.012;

/// A last difference of layers below this fraction of the first counts as gone to 0.
const VANISHED: f64 = 1e-2;

/// A claim of the paper, and what decides it: it needs all of its tests.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name of the table, `5-left`.
    pub figure: &'static str,
    /// The claim.
    pub claim: String,
    /// The learning rate, if the table has several.
    pub rate: Option<f32>,
    /// Number of runs of each kind of layer.
    pub runs: usize,
    /// Its tests.
    pub tests: Vec<Test>,
}

/// What is asked of the runs.
#[derive(Clone, Debug)]
pub enum Test {
    /// Whether the differences of pairs of runs are below 0, or above.
    Order {
        /// What it says, in words.
        says: String,
        /// Of each pair, the first less the second. A run that has diverged is infinitely bad.
        differences: Vec<f64>,
        /// Whether they are said to be below 0.
        below: bool,
    },
    /// Whether a number lies between two others.
    Limit {
        /// What it says, in words.
        says: String,
        /// The number, as estimated.
        estimate: f64,
        /// Its 99 % interval.
        interval: Option<Interval>,
        /// The two others.
        within: Interval,
    },
}

/// A claim with what the tests say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The name of the table, `5-left`.
    pub figure: String,
    /// The claim.
    pub claim: String,
    /// What was trained.
    pub conditions: String,
    /// Number of runs of each kind of layer.
    pub runs: usize,
    /// The seed of the first run.
    pub seed: u64,
    /// What all tests together say.
    pub verdict: Verdict,
    /// The tests.
    pub tests: Vec<Tested>,
    /// The command that trains the runs and tests the claim.
    pub command: String,
}

/// A test with its result. Numbers that are not finite are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// What it says, in words.
    pub says: String,
    /// The median difference of pairs, or the number that is compared with its limits.
    pub effect: Option<f64>,
    /// The interval of the effect; an end is none where a diverged run is there, and both are where there are
    /// too few runs.
    pub interval: [Option<f64>; 2],
    /// The level of the interval.
    pub level: f64,
    /// The limits of the number, none for infinity; no limits for an ordering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<[Option<f64>; 2]>,
    /// The details of an ordering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// What it says of this part of the claim.
    pub verdict: Verdict,
}

/// The details of Wilcoxon's test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Pairs of runs whose difference is not 0.
    pub pairs: usize,
    /// The rank-biserial correlation, −1 where all differences are negative and 1 where all are positive.
    pub rank_correlation: f64,
    /// The probability of ranks as uneven as these, both sides together, with Holm's adjustment.
    pub p: f64,
    /// The test's power: the share of resamples of the pairs in which it says so of this part of the claim.
    pub power: f64,
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

/// What the tests say of `questions`, which are all that are asked of a figure with `settings`.
pub fn decide(settings: &Settings, questions: Vec<Question>) -> Vec<Claim> {
    let tests = || questions.iter().flat_map(|question| &question.tests);
    let p_of = |test: &Test| match test {
        Test::Order { differences, .. } => Some(wilcoxon(differences).map_or(1.0, |test| test.p())),
        Test::Limit { .. } => None,
    };
    let raw: Vec<f64> = tests().filter_map(p_of).collect();
    let alpha_of_one = ALPHA / raw.len().max(1) as f64;
    let mut adjusted = holm(&raw).into_iter();
    let mut tested = |test: Test| match test {
        Test::Order {
            says,
            differences,
            below,
        } => {
            let p = adjusted.next().expect("one for each ordering");
            order(says, &differences, below, p, alpha_of_one)
        }
        Test::Limit {
            says,
            estimate,
            interval,
            within,
        } => Tested {
            says,
            effect: finite(estimate),
            interval: interval.map_or([None; 2], |ends| ends.map(finite)),
            level: LIMIT_LEVEL,
            within: Some(within.map(finite)),
            order: None,
            verdict: Verdict::of_limit(interval, within),
        },
    };
    questions
        .into_iter()
        .map(|question| {
            let tests: Vec<Tested> = question.tests.into_iter().map(&mut tested).collect();
            Claim {
                figure: question.figure.to_owned(),
                claim: question.claim,
                conditions: settings.conditions(question.rate),
                runs: question.runs,
                seed: settings.options.seed,
                verdict: Verdict::of_all(tests.iter().map(|test| test.verdict)),
                tests,
                command: settings.command(),
            }
        })
        .collect()
}

fn order(says: String, differences: &[f64], below: bool, p: f64, alpha_of_one: f64) -> Tested {
    let test = wilcoxon(differences);
    let correlation = test.map_or(0.0, |test| test.rank_correlation);
    let claimed = if below { correlation } else { -correlation };
    let mut ranked = differences.to_vec();
    ranked.sort_by(f64::total_cmp);
    let interval = median_interval(&ranked, ORDER_LEVEL);
    Tested {
        says,
        effect: finite(median(differences)),
        interval: interval.map_or([None; 2], |ends| ends.map(finite)),
        level: ORDER_LEVEL,
        within: None,
        order: Some(Order {
            pairs: test.map_or(0, |test| test.pairs),
            rank_correlation: correlation,
            p,
            power: power(differences, below, alpha_of_one),
        }),
        verdict: Verdict::of_order(claimed, p, ALPHA),
    }
}

impl Tested {
    /// A number with as many digits as matter.
    fn number(x: Option<f64>) -> String {
        match x {
            Some(x) if x != 0.0 && x.abs() < 1e-3 => format!("{x:.1e}"),
            Some(x) if x.abs() < 1.0 => format!("{x:.4}"),
            Some(x) => format!("{x:.2}"),
            None => "none".to_owned(),
        }
    }

    /// The effect with its interval.
    fn effect(&self) -> String {
        let effect = Self::number(self.effect);
        match self.interval {
            [None, None] => effect,
            [low, high] => format!("{effect} [{}, {}]", Self::number(low), Self::number(high)),
        }
    }

    /// The limits, in words.
    fn limits(&self) -> Option<String> {
        self.within.map(|within| match within {
            [None, Some(high)] => format!("limit: at most {high}"),
            [Some(low), None] => format!("limit: at least {low}"),
            [low, high] => format!("limits: {} to {}", Self::number(low), Self::number(high)),
        })
    }

    /// What decides, in words.
    fn reason(&self) -> String {
        match (&self.order, self.limits()) {
            (Some(order), _) => format!(
                "p {}, rank correlation {:.2}, {} pairs",
                p_value(order.p),
                order.rank_correlation,
                order.pairs
            ),
            (None, limits) => limits.unwrap_or_default(),
        }
    }
}

/// What a probability is or lies below.
fn p_value(p: f64) -> String {
    match p {
        0.001.. => format!("= {p:.3}"),
        1e-99.. => format!("= {p:.0e}"),
        _ => "< 1e-99".to_owned(),
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.claim, self.verdict.name())?;
        for test in &self.tests {
            write!(
                f,
                "\n  {}: {} ({}; {})",
                test.says,
                test.verdict.name(),
                test.effect(),
                test.reason()
            )?;
        }
        Ok(())
    }
}

/// The rows of standard, Euclidean and Bregman layers among those of a table that `which` takes; none if one
/// is missing.
fn of_each<'a>(
    rows: &'a [Row],
    figure: &str,
    which: impl Fn(&Row) -> bool,
) -> Option<[&'a Row; 3]> {
    let find = |kind: LayerKind| {
        let of_kind = |row: &&Row| row.layer == kind.name() && row.figure == figure;
        rows.iter().find(|row| of_kind(row) && which(row))
    };
    Some([
        find(LayerKind::Standard)?,
        find(LayerKind::Euclidean)?,
        find(LayerKind::Bregman)?,
    ])
}

/// The differences of two rows over their runs of the same seeds.
fn differences(first: &Row, second: &Row, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
    let seconds: BTreeMap<u64, &Outcome> = second.outcomes.iter().map(|o| (o.seed, o)).collect();
    let pairs = first.outcomes.iter().map(|o| (o, seconds.get(&o.seed)));
    let pairs = pairs.filter_map(|(first, second)| Some((of(first), of(second?))));
    pairs
        .map(|(first, second)| match first == second {
            // Also where both have diverged.
            true => 0.0,
            // Without the rounding by which equal differences of accuracies would not be ties.
            false => ((first - second) * 1e9).round() / 1e9,
        })
        .collect()
}

/// The name of a row's layer in a sentence.
fn name(row: &Row) -> &'static str {
    LayerKind::by_name(row.layer).map_or(row.layer, layer_name)
}

/// Whether `better` is better than `worse`.
fn is_better(better: &Row, worse: &Row, quantity: Quantity) -> Test {
    let below = quantity == Quantity::TrainingLoss;
    let word = if below { "below" } else { "above" };
    Test::Order {
        says: format!("{} {word} {}", name(better), name(worse)),
        differences: differences(better, worse, |outcome| quantity.of_run(outcome)),
        below,
    }
}

/// What Figure 5 says of the losses.
pub(super) fn of_5(rows: &[Row]) -> Vec<Question> {
    let better = |a, b| is_better(a, b, Quantity::TrainingLoss);
    let mut questions = Vec::new();
    if let Some([s, e, b]) = of_each(rows, "5-left", |_| true) {
        questions.push(Question {
            figure: "5-left",
            claim: "With random init the loss of Bregman layers is below Euclidean layers', and \
                    theirs is below standard layers'"
                .to_owned(),
            rate: None,
            runs: b.runs,
            tests: vec![better(b, e), better(e, s)],
        });
    }
    if let Some([s, e, b]) = of_each(rows, "5-right", |_| true) {
        let question = |claim: &str, tests| Question {
            figure: "5-right",
            claim: claim.to_owned(),
            rate: None,
            runs: b.runs,
            tests,
        };
        // The two are one network; rounding drives single runs apart in the end.
        let apart = differences(s, e, |outcome| Quantity::TrainingLoss.of_run(outcome));
        let equal = Test::Limit {
            says: "mean difference of standard and Euclidean".to_owned(),
            estimate: spread(&apart).0,
            interval: bootstrap_mean(&apart, LIMIT_LEVEL),
            within: [-LOSS_MARGIN, LOSS_MARGIN],
        };
        let losses: Vec<f64> = b.outcomes.iter().map(|outcome| outcome.loss).collect();
        let value = Test::Limit {
            says: "mean loss of Bregman".to_owned(),
            estimate: spread(&losses).0,
            interval: bootstrap_mean(&losses, LIMIT_LEVEL),
            within: [PAPER_5_BREGMAN - LOSS_MARGIN, PAPER_5_BREGMAN + LOSS_MARGIN],
        };
        questions.extend([
            question(
                "With deterministic init standard and Euclidean layers have the same loss",
                vec![equal],
            ),
            question(
                "With deterministic init the loss of Bregman layers is below that of both others",
                vec![better(b, e), better(b, s)],
            ),
            question(
                "With deterministic init the loss of Bregman layers is 0.012",
                vec![value],
            ),
        ]);
    }
    questions
}

/// What Figure 6, left, says of each learning rate.
pub(super) fn of_6_left(rows: &[Row]) -> Vec<Question> {
    let better = |a, b| is_better(a, b, Quantity::TrainingAccuracy);
    let question = |rate: f32| {
        let [s, e, b] = of_each(rows, "6-left", |row| row.lr == rate)?;
        Some(Question {
            figure: "6-left",
            claim: format!("Bregman layers are the most accurate at rate {rate}"),
            rate: Some(rate),
            runs: b.runs,
            tests: vec![better(b, e), better(b, s)],
        })
    };
    RATES.into_iter().filter_map(question).collect()
}

/// What Figure 6, right, says of the differences of consecutive layers.
pub(super) fn of_6_right(rows: &[Row]) -> Vec<Question> {
    let vanishes = |row: &Row, within| {
        let ratio = |outcome: &Outcome| outcome.last_over_first.filter(|ratio| ratio.is_finite());
        let ratios = row
            .outcomes
            .iter()
            .map(|o| ratio(o).unwrap_or(f64::INFINITY));
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        Test::Limit {
            says: format!("last over first difference of {}, median", name(row)),
            estimate: median(&ratios),
            interval: median_interval(&ratios, LIMIT_LEVEL),
            within,
        }
    };
    let questions = |init: &Init| {
        let [s, e, b] = of_each(rows, "6-right", |row| row.init == init.name())?;
        let question = |claim: String, tests| Question {
            figure: "6-right",
            claim,
            rate: None,
            runs: b.runs,
            tests,
        };
        let (gone, not_gone) = ([f64::NEG_INFINITY, VANISHED], [VANISHED, f64::INFINITY]);
        Some([
            question(
                format!(
                    "At this depth the distances between Bregman layers go to 0, {} init",
                    init.name()
                ),
                vec![vanishes(b, gone)],
            ),
            question(
                format!(
                    "Those between standard and Euclidean layers do not, {} init",
                    init.name()
                ),
                vec![vanishes(s, not_gone), vanishes(e, not_gone)],
            ),
        ])
    };
    Init::ALL.iter().filter_map(questions).flatten().collect()
}

/// What the later version of the paper says of 100 layers.
pub(super) fn of_depth_100(rows: &[Row]) -> Vec<Question> {
    let question = |init: &Init| {
        let [s, _, b] = of_each(rows, "depth100", |row| row.init == init.name())?;
        Some(Question {
            figure: "depth100",
            claim: format!(
                "Deep Bregman networks are more accurate than standard ones on the test set, {} \
                 init",
                init.name()
            ),
            rate: None,
            runs: b.runs,
            tests: vec![is_better(b, s, Quantity::TestAccuracy)],
        })
    };
    Init::ALL.iter().filter_map(question).collect()
}

/// The page of all `claims`, and of the same commands with other seeds. Markdown.
pub fn page(claims: &[Claim], repeats: &[Vec<Claim>]) -> String {
    let mut text = PAGE.to_owned();
    text += "\n| claim | conditions | runs | what decides | verdict | command |\n|---|---|---|---|---|---|\n";
    for claim in claims {
        let tests = claim.tests.iter().map(|test| {
            let level = 100.0 * test.level;
            format!(
                "{}: {} at {level:.0} %; {}",
                test.says,
                test.effect(),
                test.reason()
            )
        });
        text += &format!(
            "| {} | {} | {} | {} | **{}** | `{}` |\n",
            claim.claim,
            claim.conditions,
            claim.runs,
            tests.collect::<Vec<_>>().join("<br>"),
            claim.verdict.name(),
            claim.command
        );
    }
    if !repeats.is_empty() {
        text += REPEATS;
        let seeds = repeats.iter().filter_map(|claims| claims.first());
        let heads: Vec<String> = seeds
            .map(|claim| format!("`--seed {}`", claim.seed))
            .collect();
        text += &format!("\n| claim | {} |\n|---|", heads.join(" | "));
        text += &("---|".repeat(heads.len()) + "\n");
        for claim in &repeats[0] {
            text += &format!("| {} |", claim.claim);
            for of_seed in repeats {
                text += &format!(" {} |", repeated(claim, of_seed));
            }
            text += "\n";
        }
    }
    text
}

/// The verdict of `of_seed` on a claim, with the power of each test.
fn repeated(claim: &Claim, of_seed: &[Claim]) -> String {
    let same = |other: &&Claim| other.claim == claim.claim && other.figure == claim.figure;
    let Some(found) = of_seed.iter().find(same) else {
        return "not trained".to_owned();
    };
    let orders = found.tests.iter().filter_map(|test| test.order.as_ref());
    let powers: Vec<String> = orders.map(|order| format!("{:.2}", order.power)).collect();
    match powers.is_empty() {
        true => format!("{} ({})", found.verdict.name(), found.runs),
        false => format!(
            "{} ({}; {})",
            found.verdict.name(),
            found.runs,
            powers.join(", ")
        ),
    }
}

const PAGE: &str = "\
# Claims

What the paper says of the two spirals, and what the tests say of it. `bregman spirals` writes `claims.json`, and
this page is made from the files in [benches/results/two_spirals](../benches/results/two_spirals) by the program
(`tests/pages.rs` holds it to them). [Two spirals](two_spirals.md) has the setting, the pictures and the tables.

- **Runs.** Each run has points of its own and initial weights of its own, drawn from its seed. Runs of different
  kinds of layer with the same seed have the same points and the same order of samples: they are pairs.
- **An ordering** is tested over the pairs with Wilcoxon's signed-rank test, both sides together, and the
  probabilities are adjusted by Holm's method over all orderings of a figure. It is *reproduced* if p < 0.01 in the
  claim's direction, *refuted* if p < 0.01 in the opposite one, else *not decided*. A run that has diverged ranks
  worst, and pairs without a difference are dropped. Up to 50 pairs the distribution is exact, beyond it is taken
  for normal. The effect is the median difference of the pairs, with its exact 95 % interval. The rank correlation
  is −1 where the first layer has the lower value in all pairs, and 1 where it has the higher one.
- **An equality or a limit** is tested against limits that are stated, by a 99 % interval (of a mean by bootstrap,
  of a median by order statistics): *reproduced* if it lies within the limits, *refuted* if it lies outside, else
  *not decided*.
- A claim with several parts is *reproduced* if all are, and *refuted* if one is.
";

const REPEATS: &str = "
## Other seeds

The same command with other seeds, so that no two columns share a run. The brackets have the number of runs of
each kind of layer and, for each ordering, the power of its test: the share of resamples of the pairs in which it
decides for the claim. No claim is reproduced in one column and refuted in another.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::experiments::spirals::{Draw, FIGURES, Options};
    use crate::experiments::stats::{Share, Summary};
    use crate::kind::{Form, Loss};

    const KINDS: [LayerKind; 3] = [
        LayerKind::Standard,
        LayerKind::Euclidean,
        LayerKind::Bregman,
    ];

    /// A row with these losses, accuracies of 1 less them, and one ratio of differences.
    fn row(figure: &'static str, kind: LayerKind, losses: &[f64], ratio: f64) -> Row {
        let outcomes: Vec<Outcome> = (40u64..)
            .zip(losses)
            .map(|(seed, &loss)| Outcome {
                seed,
                loss,
                accuracy: 1.0 - loss,
                test_accuracy: 1.0 - loss,
                last_over_first: Some(ratio),
            })
            .collect();
        let loss = Summary::of(losses, f64::INFINITY);
        Row {
            figure,
            layer: kind.name(),
            init: Init::Random.name(),
            lr: 0.1,
            layers: 3,
            epochs: 10,
            batch_size: 10,
            runs: losses.len(),
            seed: 40,
            points: "own",
            accuracy: loss.clone(),
            test_accuracy: loss.clone(),
            loss,
            stuck: Share::of(0, losses.len()),
            diverged: Share::of(0, losses.len()),
            last_over_first: None,
            outcomes,
        }
    }

    /// Rows of the three kinds, with 20 losses around each of `means`, which vary together from pair to pair
    /// and a little apart.
    fn rows(figure: &'static str, means: [f64; 3]) -> Vec<Row> {
        let of_kind = |k: usize| {
            let loss = |i: usize| {
                let pair = i as f64 / 100.0;
                let own = ((7 * i + 3 * k) % 11) as f64 / 10_000.0;
                means[k] + pair + own
            };
            let losses: Vec<f64> = (0..20).map(loss).collect();
            row(figure, KINDS[k], &losses, 0.5)
        };
        (0..3).map(of_kind).collect()
    }

    fn settings() -> Settings {
        let options = Options {
            runs: Some(20),
            points: Draw::Own,
            epochs: None,
            learning_rates: None,
            batch_size: None,
            activation: &Activation::ARCTAN,
            layers: None,
            init: None,
            form: Form::Dual,
            loss: Loss::MeanSquaredError,
            seed: 40,
        };
        FIGURES[1].settings(&options)
    }

    fn verdicts(questions: Vec<Question>) -> Vec<&'static str> {
        let claims = decide(&settings(), questions);
        claims.iter().map(|claim| claim.verdict.name()).collect()
    }

    /// The paper's order is reproduced, a swap of two labels is noticed, whichever two, and layers that are all
    /// the same decide nothing.
    #[test]
    fn an_order_depends_on_the_labels_of_the_layers() {
        let paper = rows("5-left", [0.10, 0.07, 0.03]);
        assert_eq!(verdicts(of_5(&paper)), ["reproduced"]);
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let mut swapped = paper.clone();
            swapped[a].layer = KINDS[b].name();
            swapped[b].layer = KINDS[a].name();
            assert_eq!(verdicts(of_5(&swapped)), ["refuted"], "{a} {b}");
        }
        let same: Vec<Row> = KINDS
            .map(|kind| Row {
                layer: kind.name(),
                ..paper[2].clone()
            })
            .into();
        assert_eq!(verdicts(of_5(&same)), ["not decided"]);
        // One link holds, in the other the two layers are the same.
        let mut half = paper.clone();
        half[1].outcomes = half[0].outcomes.clone();
        assert_eq!(verdicts(of_5(&half)), ["not decided"]);
        // A claim about three kinds of layer says nothing about two.
        assert!(of_5(&paper[..2]).is_empty());
    }

    /// Pairs have the same seed, whatever the order of the runs.
    #[test]
    fn pairs_are_of_the_same_seed() {
        let paper = rows("5-left", [0.10, 0.07, 0.03]);
        let mut turned = paper.clone();
        turned[1].outcomes.reverse();
        let same = |rows: &[Row]| decide(&settings(), of_5(rows));
        assert_eq!(same(&paper), same(&turned));
        turned[1].outcomes.iter_mut().for_each(|o| o.seed += 1000);
        assert_eq!(verdicts(of_5(&turned)), ["not decided"]);
    }

    /// Pairs that are all in one direction have p = 2/2ⁿ, which Holm doubles for the first of two tests: 0.0156
    /// for eight pairs, 0.0078 for nine.
    #[test]
    fn an_order_needs_enough_pairs() {
        let first = |n: usize| -> Vec<Row> {
            let mut rows = rows("5-left", [0.10, 0.07, 0.03]);
            rows.iter_mut().for_each(|row| row.outcomes.truncate(n));
            rows
        };
        assert_eq!(verdicts(of_5(&first(8))), ["not decided"]);
        assert_eq!(verdicts(of_5(&first(9))), ["reproduced"]);
        let claim = decide(&settings(), of_5(&first(8))).remove(0);
        let p = claim.tests[0].order.as_ref().map(|order| order.p);
        assert_eq!(p, Some(2.0 * 2.0 / 256.0));
    }

    /// A run that has diverged is worse than any other.
    #[test]
    fn diverged_runs_rank_worst() {
        let mut rows = rows("6-left", [0.10, 0.07, 0.03]);
        assert_eq!(verdicts(of_6_left(&rows)), ["reproduced"]);
        for outcome in &mut rows[2].outcomes {
            outcome.loss = f64::NAN;
            outcome.accuracy = f64::NAN;
        }
        assert_eq!(verdicts(of_6_left(&rows)), ["refuted"]);
        for outcome in rows[..2].iter_mut().flat_map(|row| &mut row.outcomes) {
            outcome.accuracy = f64::NAN;
        }
        assert_eq!(verdicts(of_6_left(&rows)), ["not decided"]);
        let claim = decide(&settings(), of_6_left(&rows)).remove(0);
        assert_eq!(claim.tests[0].effect, Some(0.0));
    }

    /// Losses of deterministic weights: equal within the margin, apart, and between the two.
    #[test]
    fn equality_has_a_margin() {
        let paper = |euclidean| rows("5-right", [0.05, euclidean, 0.0]);
        for (euclidean, verdict) in [
            (0.05, "reproduced"),
            (0.0546, "reproduced"),
            (0.055, "not decided"),
            (0.0556, "refuted"),
            (0.0444, "refuted"),
        ] {
            let found = verdicts(of_5(&paper(euclidean)));
            assert_eq!(found[..2], [verdict, "reproduced"], "{euclidean}");
        }
        // One run of a pair diverges: nothing can be said of the mean difference.
        let mut rows = paper(0.05);
        rows[0].outcomes[3].loss = f64::NAN;
        assert_eq!(verdicts(of_5(&rows))[0], "not decided");
    }

    /// The value of the paper is met within the margin or not.
    #[test]
    fn a_value_has_a_margin() {
        let value = |loss: f64| {
            let mut rows = rows("5-right", [0.05, 0.05, 0.0]);
            let tiny = |i: usize| 1e-6 * i as f64;
            for (i, outcome) in rows[2].outcomes.iter_mut().enumerate() {
                outcome.loss = loss + tiny(i);
            }
            verdicts(of_5(&rows))[2]
        };
        assert_eq!(value(0.012), "reproduced");
        assert_eq!(value(0.016), "reproduced");
        assert_eq!(value(0.01699), "not decided");
        assert_eq!(value(0.018), "refuted");
    }

    #[test]
    fn differences_of_layers_vanish_or_not() {
        let rows = |ratios: [f64; 3]| -> Vec<Row> {
            let of_kind = |k: usize| row("6-right", KINDS[k], &[0.1; 20], ratios[k]);
            (0..3).map(of_kind).collect()
        };
        let (yes, no) = ("reproduced", "refuted");
        assert_eq!(verdicts(of_6_right(&rows([1.0, 0.5, 0.009]))), [yes, yes]);
        assert_eq!(verdicts(of_6_right(&rows([1.0, 0.5, 0.011]))), [no, yes]);
        assert_eq!(verdicts(of_6_right(&rows([1.0, 0.009, 0.009]))), [yes, no]);
        let mut few = rows([1.0, 0.5, 0.009]);
        few[2].outcomes.truncate(5);
        assert_eq!(verdicts(of_6_right(&few))[0], "not decided");
    }

    /// What is written is read again, infinities as none, and a claim says what decides it.
    #[test]
    fn claims_are_files_and_words() {
        let mut rows = rows("6-left", [0.10, 0.07, 0.03]);
        rows[0]
            .outcomes
            .iter_mut()
            .for_each(|o| o.accuracy = f64::NAN);
        let claims = decide(&settings(), of_6_left(&rows));
        let text = serde_json::to_string(&claims).expect("JSON");
        let read: Vec<Claim> = serde_json::from_str(&text).expect("claims");
        assert_eq!(read, claims);
        let said = claims[0].to_string();
        for words in [
            "Bregman layers are the most accurate at rate 0.1: reproduced",
            "Bregman above Euclidean: reproduced (3.97 [3.97, 4.08]; p = 4e-6,",
            "Bregman above standard: reproduced (none; p = 4e-6, rank correlation 1.00, 20 pairs)",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let page = page(&claims, std::slice::from_ref(&claims));
        assert!(page.contains("| `--seed 40` |"), "{page}");
        assert!(page.contains("reproduced (20; 1.00, 1.00)"), "{page}");
    }
}

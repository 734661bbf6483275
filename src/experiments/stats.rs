//! Statistics of many runs: what a table says of them, and the tests by which a claim about them is decided.
//!
//! A run that has diverged has no value; it ranks worst, as +∞ where less is better and as −∞ where more is.

use serde::{Deserialize, Serialize};

use crate::rng::{Purpose, Stream};
use crate::train::{mean, standard_deviation};

/// Resamples of a bootstrap.
const RESAMPLES: usize = 4000;
/// Seed of all bootstraps, so that the same runs have the same intervals.
const SEED: u64 = 0;
/// Up to this number of pairs the distribution of Wilcoxon's statistic is computed exactly, with ties;
/// beyond, it is taken for normal, with the variance corrected for ties.
pub const EXACT_PAIRS: usize = 50;

/// The two ends of an interval.
pub type Interval = [f64; 2];

/// The distribution of a quantity over runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Mean over the runs that did not diverge; NaN if there is none.
    pub mean: f64,
    /// Their sample standard deviation; 0 of one run.
    pub sd: f64,
    /// 95 % interval of the mean, by bootstrap.
    pub mean_interval: Interval,
    /// Median over all runs, of which diverged ones rank worst; infinite if it is one of these.
    pub median: f64,
    /// Exact interval of the median of at least 95 %, by order statistics; none for fewer than six runs.
    pub median_interval: Option<Interval>,
    /// First and third quartile over all runs.
    pub quartiles: Interval,
}

impl Summary {
    /// The summary of `values`, which are not finite where a run has diverged; `worst` is ∞ with the sign
    /// of the bad end.
    pub fn of(values: &[f64], worst: f64) -> Self {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let (mean, sd) = spread(&finite);
        let ranked = sorted(
            values
                .iter()
                .map(|&v| if v.is_finite() { v } else { worst }),
        );
        Self {
            mean,
            sd,
            mean_interval: bootstrap_mean(&finite, 0.95).unwrap_or([f64::NAN; 2]),
            median: quantile(&ranked, 0.5),
            median_interval: median_interval(&ranked, 0.95),
            quartiles: [0.25, 0.75].map(|q| quantile(&ranked, q)),
        }
    }
}

/// A number of runs among all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The number of these runs.
    pub count: usize,
    /// It as a fraction of all runs.
    pub share: f64,
    /// Exact 95 % interval of the fraction (Clopper and Pearson).
    pub interval: Interval,
}

impl Share {
    /// `count` of `all` runs.
    pub fn of(count: usize, all: usize) -> Self {
        Self {
            count,
            share: count as f64 / all as f64,
            interval: clopper_pearson(count, all, 0.95),
        }
    }
}

/// Mean and sample standard deviation; 0 of a single value, NaN of none.
pub fn spread(values: &[f64]) -> (f64, f64) {
    match values {
        [] => (f64::NAN, f64::NAN),
        _ => (mean(values), standard_deviation(values).unwrap_or(0.0)),
    }
}

/// The values in ascending order.
fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The quantile `q` of ascending values, by linear interpolation as in NumPy; NaN of none.
pub fn quantile(ascending: &[f64], q: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q * last as f64;
    let below = ascending[place.floor() as usize];
    let above = ascending[place.ceil() as usize];
    match place.fract() {
        // Not ∞ − ∞, nor 0 · ∞.
        share if share == 0.0 || below == above => below,
        share => below + share * (above - below),
    }
}

/// The median, over values in any order.
pub fn median(values: &[f64]) -> f64 {
    quantile(&sorted(values.iter().copied()), 0.5)
}

/// The interval between the k-th and the k-th last of ascending values with the largest k for which it has
/// the median with a probability of at least `level`, whatever the distribution; none for so few values that
/// even the least and the greatest do not.
pub fn median_interval(ascending: &[f64], level: f64) -> Option<Interval> {
    let n = ascending.len();
    let tail = 0.5 * (1.0 - level);
    // P(fewer than k of n fair coins) ≤ tail.
    let k = (1..=n.div_ceil(2))
        .take_while(|&k| 1.0 - binomial_tail(k, n, 0.5) <= tail)
        .last()?;
    Some([ascending[k - 1], ascending[n - k]])
}

/// The interval of the mean at `level`, between quantiles of the means of resamples; none for no value, and
/// unbounded, which is none too, for a value that is not finite.
pub fn bootstrap_mean(values: &[f64], level: f64) -> Option<Interval> {
    let n = values.len();
    if n == 0 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut index = 0;
    let means = (0..RESAMPLES).map(|resample| {
        let stream = Stream::new(SEED, Purpose::Bootstrap, resample as u32);
        index = 0;
        let sum: f64 = std::iter::repeat_with(|| {
            index += 1;
            values[stream.below(index - 1, n as u32) as usize]
        })
        .take(n)
        .sum();
        sum / n as f64
    });
    let means = sorted(means);
    let tail = 0.5 * (1.0 - level);
    Some([tail, 1.0 - tail].map(|q| quantile(&means, q)))
}

/// The exact interval of a probability of which `count` of `n` draws are seen (Clopper and Pearson).
pub fn clopper_pearson(count: usize, n: usize, level: f64) -> Interval {
    let tail = 0.5 * (1.0 - level);
    // The least p at which so many are not too rare, and the greatest at which so few are not.
    let low = match count {
        0 => 0.0,
        _ => crossing(|p| binomial_tail(count, n, p) < tail),
    };
    let high = match count {
        _ if count == n => 1.0,
        _ => crossing(|p| 1.0 - binomial_tail(count + 1, n, p) > tail),
    };
    [low, high]
}

/// Where a condition that holds below a p in [0, 1] and not above ceases to hold.
fn crossing(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..52 {
        let middle = 0.5 * (low + high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// P(X ≥ k) of n draws with probability p, 0 < p < 1; of the two tails the shorter one is summed.
fn binomial_tail(k: usize, n: usize, p: f64) -> f64 {
    let of_n = libm::lgamma(n as f64 + 1.0);
    let term = |i: usize| {
        let (i, rest) = (i as f64, (n - i) as f64);
        let ways = of_n - libm::lgamma(i + 1.0) - libm::lgamma(rest + 1.0);
        (ways + i * p.ln() + rest * (-p).ln_1p()).exp()
    };
    match (k as f64) < n as f64 * p {
        true => 1.0 - (0..k).map(term).sum::<f64>(),
        false => (k..=n).map(term).sum(),
    }
}

/// Wilcoxon's signed-rank test: are the differences of pairs symmetric about 0?
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// Number of differences that are not 0.
    pub pairs: usize,
    /// Sum of the ranks of the positive differences over that of all, doubled, less 1: −1 where all are
    /// negative, 1 where all are positive.
    pub rank_correlation: f64,
    /// The probability of differences as negative as these.
    pub p_below: f64,
    /// The probability of differences as positive as these.
    pub p_above: f64,
}

impl Wilcoxon {
    /// The probability of differences as far from symmetry on either side.
    pub fn p(&self) -> f64 {
        (2.0 * self.p_below.min(self.p_above)).min(1.0)
    }
}

/// The test of `differences`, of which infinite ones rank last and zeros are dropped; none if all are 0.
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    let mut differences: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    differences.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = differences.len();
    if n == 0 {
        return None;
    }
    // Twice the ranks, which are whole numbers where ties share the mean of theirs.
    let mut ranks = Vec::with_capacity(n);
    let mut ties = 0.0;
    for tied in differences.chunk_by(|a, b| a.abs() == b.abs()) {
        let (before, count) = (ranks.len(), tied.len());
        ranks.extend(std::iter::repeat_n(2 * before + count + 1, count));
        let count = count as f64;
        ties += count.powi(3) - count;
    }
    let all: usize = ranks.iter().sum();
    let positive: usize = (ranks.iter().zip(&differences))
        .filter(|(_, difference)| **difference > 0.0)
        .map(|(rank, _)| rank)
        .sum();
    let (p_below, p_above) = if n <= EXACT_PAIRS {
        exact_tails(&ranks, positive)
    } else {
        let n = n as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
        let z = 0.5 * (positive as f64 - 0.5 * all as f64) / variance.sqrt();
        (normal_below(z), normal_below(-z))
    };
    Some(Wilcoxon {
        pairs: n,
        rank_correlation: 2.0 * positive as f64 / all as f64 - 1.0,
        p_below,
        p_above,
    })
}

/// P(at most `positive`) and P(at least `positive`) of the sum of those `ranks` whose fair coin shows heads.
fn exact_tails(ranks: &[usize], positive: usize) -> (f64, f64) {
    let all: usize = ranks.iter().sum();
    let mut probabilities = vec![0.0; all + 1];
    probabilities[0] = 1.0;
    let mut largest = 0;
    for &rank in ranks {
        largest += rank;
        for sum in (0..=largest).rev() {
            let with = if sum >= rank {
                probabilities[sum - rank]
            } else {
                0.0
            };
            probabilities[sum] = 0.5 * (probabilities[sum] + with);
        }
    }
    let sum = |part: &[f64]| part.iter().sum::<f64>().min(1.0);
    (
        sum(&probabilities[..=positive]),
        sum(&probabilities[positive..]),
    )
}

/// P(Z ≤ z) of a normal Z.
fn normal_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// The probabilities `p` of a family of tests, adjusted as Holm does: a test whose adjusted value is below α
/// is one of those that may be believed together with an error of at most α.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 0.0f64;
    for (place, &test) in order.iter().enumerate() {
        least = least.max((p.len() - place) as f64 * p[test]).min(1.0);
        adjusted[test] = least;
    }
    adjusted
}

/// The share of resamples of `differences`, of the same number, in which [`wilcoxon`] finds that they are
/// below 0 (or above, if `below` is false) with a probability under `alpha`: an estimate of the test's power.
pub fn power(differences: &[f64], below: bool, alpha: f64) -> f64 {
    const RESAMPLES: u32 = 400;
    let n = differences.len();
    let found = (0..RESAMPLES).filter(|&resample| {
        let stream = Stream::new(SEED, Purpose::Bootstrap, resample);
        let draw = |i| differences[stream.below(i, n as u32) as usize];
        let drawn: Vec<f64> = (0..n as u64).map(draw).collect();
        wilcoxon(&drawn).is_some_and(|test| {
            let one_side = if below { test.p_below } else { test.p_above };
            2.0 * one_side < alpha
        })
    });
    found.count() as f64 / f64::from(RESAMPLES)
}

/// What the tests say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It holds for our runs.
    #[serde(rename = "reproduced")]
    Reproduced,
    /// The opposite holds for our runs.
    #[serde(rename = "refuted")]
    Refuted,
    /// Our runs say neither.
    #[serde(rename = "not decided")]
    NotDecided,
}

impl Verdict {
    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Refuted => "refuted",
            Self::NotDecided => "not decided",
        }
    }

    /// Of a test at `alpha` of whether differences are below 0: `p` is its adjusted probability.
    pub fn of_order(rank_correlation: f64, p: f64, alpha: f64) -> Self {
        match p < alpha {
            true if rank_correlation < 0.0 => Self::Reproduced,
            true if rank_correlation > 0.0 => Self::Refuted,
            _ => Self::NotDecided,
        }
    }

    /// Of the claim that a number lies `within` these ends, which is known to lie in `interval`.
    pub fn of_limit(interval: Option<Interval>, within: Interval) -> Self {
        let [least, most] = within;
        match interval {
            Some([low, high]) if low >= least && high <= most => Self::Reproduced,
            Some([low, high]) if high < least || low > most => Self::Refuted,
            _ => Self::NotDecided,
        }
    }

    /// Of a claim that needs all of `parts`.
    pub fn of_all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::Reproduced;
        for part in parts {
            match part {
                Self::Refuted => return Self::Refuted,
                Self::NotDecided => all = Self::NotDecided,
                Self::Reproduced => {}
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        let bound = 1e-9 * expected.abs().max(1e-6);
        assert!((found - expected).abs() < bound, "{found} {expected}");
    }

    /// The values are those of `scipy.stats.wilcoxon` 1.17.1, for the case with few ties those of all 512
    /// signs of its ranks.
    #[test]
    fn wilcoxon_is_scipy_s() {
        let few = [
            -0.31, 0.12, -0.45, -0.08, -0.27, 0.05, -0.52, -0.66, -0.19, -0.38, 0.23, -0.71,
        ];
        let test = wilcoxon(&few).expect("differences");
        assert_eq!(test.pairs, 12);
        close(test.p_below, 0.008056640625);
        close(test.p_above, 0.993896484375);
        close(test.p(), 0.01611328125);
        // Ranks 2, 1 and 6 are positive, of 78.
        close(test.rank_correlation, 18.0 / 78.0 - 1.0);

        let ties = [-1.0, -1.0, 2.0, -2.0, -3.0, -3.0, 3.0, -4.0, 0.0, -5.0];
        let test = wilcoxon(&ties).expect("differences");
        assert_eq!(test.pairs, 9);
        close(test.p_below, 0.072265625);
        close(test.p_above, 0.943359375);

        let many: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 23 - 9) / 8.0).collect();
        let test = wilcoxon(&many).expect("differences");
        assert_eq!(test.pairs, 58);
        close(test.p_below, 0.9782339721186025);
        close(test.p_above, 0.021766027881397504);
        close(test.p(), 0.04353205576279501);
    }

    /// The last number of pairs with the exact distribution, and the first with the normal one.
    #[test]
    fn the_distribution_is_exact_up_to_fifty_pairs() {
        for (n, expected) in [(50, 0.1522403304349096), (51, 0.10625906106777322)] {
            let sign = |i: i32| if i * 7 % 5 < 3 { -1.0 } else { 1.0 };
            let differences: Vec<f64> = (0..n).map(|i| sign(i) * f64::from(i + 1)).collect();
            close(wilcoxon(&differences).expect("some").p_below, expected);
        }
    }

    #[test]
    fn infinite_differences_rank_last_and_zeros_are_dropped() {
        assert_eq!(wilcoxon(&[]), None);
        assert_eq!(wilcoxon(&[0.0, -0.0, 0.0]), None);
        let diverged = [f64::INFINITY, f64::INFINITY, -1.0, -2.0, 0.0];
        let ranked = [4.0, 4.0, -1.0, -2.0];
        assert_eq!(wilcoxon(&diverged), wilcoxon(&ranked));
        let opposite = diverged.map(|d| -d);
        let (test, mirrored) = (wilcoxon(&diverged), wilcoxon(&opposite));
        let (test, mirrored) = (test.expect("some"), mirrored.expect("some"));
        close(test.p_below, mirrored.p_above);
        close(test.rank_correlation, -mirrored.rank_correlation);
    }

    /// The values are those of `scipy.stats.binomtest`, but for the last, where 1 − 0.995^(1/200) is known and
    /// SciPy has seven digits of it.
    #[test]
    fn intervals_of_shares_are_scipy_s() {
        for (count, n, level, low, high) in [
            (0, 10, 0.95, 0.0, 0.30849710781876294),
            (3, 10, 0.95, 0.06673951117773447, 0.652452850060008),
            (3, 10, 0.99, 0.03700722109620741, 0.7351139852871308),
            (10, 10, 0.95, 0.6915028921812371, 1.0),
            (57, 1000, 0.95, 0.04345358193695859, 0.07322272946066255),
            (1, 200, 0.99, 2.506239505065e-05, 0.03655913053277846),
        ] {
            let interval = clopper_pearson(count, n, level);
            close(interval[0], low);
            close(interval[1], high);
        }
    }

    /// The places are those where `scipy.stats.binom.cdf` passes the tail.
    #[test]
    fn intervals_of_medians_are_order_statistics() {
        for (n, level, k) in [
            (5, 0.95, 0),
            (6, 0.95, 1),
            (6, 0.99, 0),
            (10, 0.95, 2),
            (10, 0.99, 1),
            (30, 0.95, 10),
            (30, 0.99, 8),
            (1000, 0.95, 469),
            (1000, 0.99, 459),
        ] {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            let expected = [f64::from(k), f64::from(n + 1 - k)];
            let expected = (k > 0).then_some(expected);
            assert_eq!(median_interval(&values, level), expected, "{n} {level}");
        }
    }

    #[test]
    fn quantiles_are_numpy_s() {
        let values = sorted([3.0, 1.0, 2.0, 10.0, 4.0, 8.0]);
        let quartiles = [0.25, 0.5, 0.75].map(|q| quantile(&values, q));
        assert_eq!(quartiles, [2.25, 3.5, 7.0]);
        assert!(quantile(&[], 0.5).is_nan());
        let diverged = sorted([1.0, f64::INFINITY, f64::INFINITY]);
        assert_eq!(quantile(&diverged, 0.75), f64::INFINITY);
        assert_eq!(quantile(&diverged, 0.0), 1.0);
    }

    /// Of a normal distribution the bootstrap's interval is that of the mean, ± 1.96 standard errors, within
    /// a twentieth; and it is the same again.
    #[test]
    fn the_bootstrap_s_interval_is_the_mean_s() {
        let stream = Stream::new(5, Purpose::Digits, 0);
        let values: Vec<f64> = (0..400u64)
            .map(|i| (0..12).map(|k| f64::from(stream.uniform(12 * i + k))).sum())
            .collect();
        let (mean, sd) = spread(&values);
        let half = 1.96 * sd / 20.0;
        let interval = bootstrap_mean(&values, 0.95).expect("values");
        for (found, expected) in interval.iter().zip([mean - half, mean + half]) {
            assert!((found - expected).abs() < 0.1 * half, "{interval:?}");
        }
        assert_eq!(Some(interval), bootstrap_mean(&values, 0.95));
        assert_eq!(bootstrap_mean(&[1.0, f64::INFINITY], 0.95), None);
        assert_eq!(bootstrap_mean(&[], 0.95), None);
        assert_eq!(bootstrap_mean(&[2.5; 7], 0.99), Some([2.5; 2]));
    }

    #[test]
    fn summaries_leave_diverged_runs_out_of_means_alone() {
        let values = [0.1, f64::NAN, 0.3, f64::NAN, 0.2];
        let summary = Summary::of(&values, f64::INFINITY);
        close(summary.mean, 0.2);
        close(summary.sd, 0.1);
        assert_eq!(summary.median, 0.3);
        assert_eq!(summary.quartiles, [0.2, f64::INFINITY]);
        let accuracy = Summary::of(&values, f64::NEG_INFINITY);
        assert_eq!(accuracy.median, 0.1);
        assert_eq!(accuracy.quartiles, [f64::NEG_INFINITY, 0.2]);
    }

    #[test]
    fn holm_adjusts_the_least_most() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            close(*found, expected);
        }
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
        assert_eq!(holm(&[]), [0.0; 0]);
    }

    #[test]
    fn verdicts_change_at_their_thresholds() {
        use Verdict::{NotDecided, Refuted, Reproduced};
        assert_eq!(Verdict::of_order(-0.5, 0.0099, 0.01), Reproduced);
        assert_eq!(Verdict::of_order(-0.5, 0.01, 0.01), NotDecided);
        assert_eq!(Verdict::of_order(0.5, 0.0099, 0.01), Refuted);
        assert_eq!(Verdict::of_order(0.5, 0.01, 0.01), NotDecided);
        for (interval, verdict) in [
            (Some([-0.1, 0.1]), Reproduced),
            (Some([-0.1, 0.1001]), NotDecided),
            (Some([-0.1001, 0.1]), NotDecided),
            (Some([0.1, 0.2]), NotDecided),
            (Some([0.1001, 0.2]), Refuted),
            (Some([-0.2, -0.1001]), Refuted),
            (None, NotDecided),
        ] {
            assert_eq!(Verdict::of_limit(interval, [-0.1, 0.1]), verdict);
        }
        for (parts, verdict) in [
            ([Reproduced, Reproduced], Reproduced),
            ([Reproduced, NotDecided], NotDecided),
            ([Reproduced, Refuted], Refuted),
            ([NotDecided, Refuted], Refuted),
        ] {
            assert_eq!(Verdict::of_all(parts), verdict);
        }
    }

    /// A difference that is plain is found in all resamples, and one that is not there hardly ever.
    #[test]
    fn power_grows_with_the_difference() {
        let plain: Vec<f64> = (0..40).map(|i| -1.0 - f64::from(i)).collect();
        assert_eq!(power(&plain, true, 0.01), 1.0);
        assert_eq!(power(&plain, false, 0.01), 0.0);
        let none: Vec<f64> = (0..40).map(|i| f64::from(i) - 19.5).collect();
        assert!(power(&none, true, 0.01) < 0.05);
    }
}

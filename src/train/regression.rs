//! The errors of predicted values.

use serde::Serialize;

/// The errors of predicted values, by scikit-learn's definitions; means over the values of
/// a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The coefficient of determination R² (`r2_score`): 1 − Σ(y − ŷ)² / Σ(y − ȳ)²; where all y are equal, 1
    /// if every prediction is exact and else 0. None for fewer than two samples.
    pub r2: Option<f64>,
    /// The mean absolute error.
    pub mae: f64,
    /// The root of the mean squared error.
    pub rmse: f64,
}

impl Fit {
    /// That of the predictions `found` of `values`, both (samples, width), row-major; none without samples.
    pub fn of(found: &[f64], values: &[f64], width: usize) -> Option<Self> {
        let samples = values.len() / width.max(1);
        if samples == 0 {
            return None;
        }
        let n = samples as f64;
        let (mut r2, mut mae, mut squared) = (0.0, 0.0, 0.0);
        for j in 0..width {
            let values = || values.iter().skip(j).step_by(width);
            let found = found.iter().skip(j).step_by(width);
            let mean = values().sum::<f64>() / n;
            let total: f64 = values().map(|y| (y - mean).powi(2)).sum();
            let errors: Vec<f64> = values().zip(found).map(|(y, f)| y - f).collect();
            let residual: f64 = errors.iter().map(|e| e * e).sum();
            r2 += match (total > 0.0, residual > 0.0) {
                (true, _) => 1.0 - residual / total,
                (false, false) => 1.0,
                (false, true) => 0.0,
            };
            mae += errors.iter().map(|e| e.abs()).sum::<f64>() / n;
            squared += (residual / n).sqrt();
        }
        let width = width as f64;
        Some(Self {
            r2: (samples > 1).then_some(r2 / width),
            mae: mae / width,
            rmse: squared / width,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Fit;

    /// The numbers of scikit-learn 1.5's documentation of `r2_score`, `mean_absolute_error` and
    /// `root_mean_squared_error`.
    #[test]
    fn scores_are_those_of_scikit_learn() {
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-12;
        let one = Fit::of(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0], 1).expect("samples");
        assert!(
            close(one.r2.expect("two samples"), 0.948_608_137_044_967_9),
            "{one:?}"
        );
        assert!(
            close(one.mae, 0.5) && close(one.rmse, 0.375f64.sqrt()),
            "{one:?}"
        );
        let found = [0.0, 2.0, -1.0, 2.0, 8.0, -5.0];
        let values = [0.5, 1.0, -1.0, 1.0, 7.0, -6.0];
        let two = Fit::of(&found, &values, 2).expect("samples");
        assert!(close(two.mae, 0.75), "{two:?}");
        assert!(
            close(two.rmse, ((1.25f64 / 3.0).sqrt() + 1.0) / 2.0),
            "{two:?}"
        );
    }

    #[test]
    fn one_sample_and_constants_are_as_there() {
        let r2 = |found: &[f64], values: &[f64]| Fit::of(found, values, 1).expect("samples").r2;
        assert_eq!(r2(&[1.0], &[2.0]), None);
        assert_eq!(r2(&[-2.0, -2.0], &[-2.0, -2.0]), Some(1.0));
        assert_eq!(r2(&[-2.0, -2.1], &[-2.0, -2.0]), Some(0.0));
        assert_eq!(Fit::of(&[], &[], 1), None);
    }
}

//! Projection onto the probability simplex.

/// Replaces `row` by its Euclidean projection onto {p ≥ 0, Σp = 1} (Held, Wolfe, Crowder 1974):
/// max(row − θ, 0) with the θ that makes the sum 1, found by sorting.
///
/// The sums are computed in f64; the float32 sum of a projected row may still be 1.0000015. A row that
/// is not finite becomes NaN, so that divergence stays visible.
#[doc(hidden)]
pub fn project_simplex(row: &mut [f32]) {
    if !row.iter().all(|value| value.is_finite()) {
        row.fill(f32::NAN);
        return;
    }
    let mut sorted = row.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let mut theta = 0.0;
    for (i, &value) in sorted.iter().enumerate() {
        sum += f64::from(value);
        let candidate = (sum - 1.0) / (i + 1) as f64;
        if f64::from(value) <= candidate {
            break;
        }
        theta = candidate;
    }
    for value in row {
        *value = (f64::from(*value) - theta).max(0.0) as f32;
    }
}

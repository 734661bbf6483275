//! Projection onto the probability simplex.

/// Replaces `row` by the nearest point with p ≥ 0 and Σp = 1: max(row − θ, 0), where θ is found by
/// bisection.
pub fn project_simplex(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mass = |theta: f64| -> f64 { row.iter().map(|v| (v - theta).max(0.0)).sum() };
    // With θ = `largest` the sum is 0; with θ one below it, the largest entry alone gives 1.
    let (mut low, mut high) = (largest - 1.0, largest);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if mass(middle) > 1.0 {
            low = middle
        } else {
            high = middle
        }
    }
    for value in row {
        *value = (*value - low).max(0.0);
    }
}

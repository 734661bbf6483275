//! Projection onto the probability simplex.

/// Replaces `row` by the nearest point with p ≥ 0, Σp = 1: max(row − θ, 0), θ by bisection.
pub fn project_simplex(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mass = |theta: f64| -> f64 { row.iter().map(|v| (v - theta).max(0.0)).sum() };
    // At `largest` nothing is left; one below it, the largest entry alone makes 1.
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

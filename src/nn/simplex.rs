//! Projection onto the probability simplex.

/// The smallest nonzero size, and the largest sum of sizes, of numbers whose sums are exact.
///
/// A float32 of at least 2⁻²² is a multiple of 2⁻⁴⁵, and a multiple of that below 2⁸ has 53 bits at most, as
/// many as an f64. So sums of such numbers have no rounding error, whatever their order.
const EXACT: [f32; 2] = [1.0 / 4_194_304.0, 255.0];

/// Numbers this close to θ are left to the sort: there the rounding of a division might decide.
const MARGIN: f64 = 1e-12;

/// Replaces `row` by its Euclidean projection onto {p ≥ 0, Σp = 1} (Held, Wolfe, Crowder 1974):
/// max(row − θ, 0) with the θ that makes the sum 1, found by sorting, or, to the same bits, without.
///
/// The sums are computed in f64; the float32 sum of a projected row may still be 1.0000015. A row that
/// is not finite becomes NaN, so that divergence stays visible.
#[doc(hidden)]
pub fn project_simplex(row: &mut [f32]) {
    if !row.iter().all(|value| value.is_finite()) {
        row.fill(f32::NAN);
        return;
    }
    let theta = without_sorting(row).unwrap_or_else(|| by_sorting(row));
    for value in row {
        *value = (f64::from(*value) - theta).max(0.0) as f32;
    }
}

/// θ from the sums of the largest number, the two largest, and so on.
fn by_sorting(row: &[f32]) -> f64 {
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
    theta
}

/// θ by dropping the numbers that are not above it until none is dropped (Michelot 1986): the bits of
/// [`by_sorting`], as the sum of the numbers that stay is exact. None where it might not be.
fn without_sorting(row: &[f32]) -> Option<f64> {
    let [smallest, largest_sum] = EXACT;
    let (mut exact, mut largest) = (true, 0.0f32);
    for value in row.iter().map(|value| value.abs()) {
        exact &= value == 0.0 || value >= smallest;
        largest = largest.max(value);
    }
    if !exact || largest * row.len() as f32 > largest_sum {
        return None;
    }
    let (mut theta, mut kept) = (f64::NEG_INFINITY, None);
    loop {
        let (sum, count) = sum_above(row, theta);
        if kept == Some(count) {
            break;
        }
        kept = Some(count);
        theta = (sum - 1.0) / f64::from(count);
    }
    let close = |&value: &f32| (f64::from(value) - theta).abs() <= MARGIN;
    (!row.iter().any(close) && theta.is_finite()).then_some(theta)
}

/// The sum of the numbers above `theta`, which is exact, and their count.
fn sum_above(row: &[f32], theta: f64) -> (f64, u32) {
    let (mut sums, mut counts) = ([0.0; 8], [0; 8]);
    let (blocks, rest) = row.as_chunks::<8>();
    let mut add = |i: usize, value: f32| {
        let value = f64::from(value);
        let is_above = value > theta;
        sums[i] += if is_above { value } else { 0.0 };
        counts[i] += u32::from(is_above);
    };
    for block in blocks {
        for (i, &value) in block.iter().enumerate() {
            add(i, value);
        }
    }
    for (i, &value) in rest.iter().enumerate() {
        add(i, value);
    }
    (sums.iter().sum(), counts.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Rows near the simplex and far from it, with zeros, ties and numbers that are on θ.
    #[test]
    fn both_ways_give_the_same_bits() {
        let mut fast = 0;
        for case in 0..20_000u32 {
            let stream = Stream::new(5, Purpose::Init, case);
            let len = 1 + stream.below(0, 90) as usize;
            let scale = [0.01, 0.1, 1.0, 3.0, 100.0][stream.below(1, 5) as usize];
            let even = 1.0 / len as f32;
            let number = |i: usize| match stream.below(2 + 2 * i as u64, 8) {
                0 => 0.0,
                1 => even,
                2 => (8.0 * stream.uniform(3 + 2 * i as u64)).floor() / 8.0,
                _ => even + scale * (stream.uniform(3 + 2 * i as u64) - 0.5),
            };
            let row: Vec<f32> = (0..len).map(number).collect();
            if let Some(theta) = without_sorting(&row) {
                assert_eq!(theta.to_bits(), by_sorting(&row).to_bits(), "{row:?}");
                fast += 1;
            }
        }
        assert!(fast > 15_000, "{fast} rows were not sorted");
    }
}

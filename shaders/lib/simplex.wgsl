// The projection of a row of `matrix` onto the probability simplex: max(v − θ, 0) with Σ = 1.
// Michelot's algorithm (1986) computes θ from the entries above the last θ, until no entry drops out; θ only
// grows, so there are at most cols rounds. Each row has one workgroup. A row that is not finite, or whose
// sum is not, becomes θ, which then is not finite either.

const ROW_THREADS: u32 = 64u;

var<workgroup> sums: array<f32, ROW_THREADS>;
var<workgroup> counts: array<u32, ROW_THREADS>;

fn project_row(first: u32, cols: u32, thread: u32) {
    var theta = -3.4028235e38;
    var support = cols + 1u;
    for (var round = 0u; round < cols; round++) {
        // Relative to a nearby pivot the sum loses less to rounding than relative to 0.
        let pivot = select(theta, 0.0, round == 0u);
        var sum = 0.0;
        var count = 0u;
        for (var col = thread; col < cols; col += ROW_THREADS) {
            let value = f32(matrix[first + col]);
            if (round == 0u || value > theta) {
                sum += value - pivot;
                count += 1u;
            }
        }
        sums[thread] = sum;
        counts[thread] = count;
        workgroupBarrier();
        for (var half = ROW_THREADS / 2u; half > 0u; half /= 2u) {
            if (thread < half) {
                sums[thread] += sums[thread + half];
                counts[thread] += counts[thread + half];
            }
            workgroupBarrier();
        }
        let total = workgroupUniformLoad(&sums[0]);
        let count_above = workgroupUniformLoad(&counts[0]);
        if (count_above == support || count_above == 0u) {
            break;
        }
        support = count_above;
        theta = pivot + (total - 1.0) / f32(count_above);
    }
    for (var col = thread; col < cols; col += ROW_THREADS) {
        let value = f32(matrix[first + col]);
        let projected = select(value - theta, 0.0, value <= theta);
        matrix[first + col] = Stored(select(projected, theta, non_finite(theta)));
    }
}

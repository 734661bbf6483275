// Sums over a row that has one workgroup, always in the same order.

const ROW_THREADS: u32 = 128u;

var<workgroup> partial: array<f32, ROW_THREADS>;

fn row_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// The sum of x over the workgroup's invocations, in each of them.
fn row_sum(thread: u32, x: f32) -> f32 {
    workgroupBarrier();
    partial[thread] = x;
    workgroupBarrier();
    for (var half = ROW_THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            partial[thread] += partial[thread + half];
        }
        workgroupBarrier();
    }
    return partial[0];
}

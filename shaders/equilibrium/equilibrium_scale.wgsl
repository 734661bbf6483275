// scales (n) = D^{-1/2} with D_i = max(1, sum_j |Y_ij|), Y = (V + V^T)/2.
// Hooks: none.

struct Params {
    n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;

@compute @workgroup_size(ROW_THREADS)
fn equilibrium_scale(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = row_index(group, groups);
    if (i >= params.n) {
        return;
    }
    var sum = 0.0;
    for (var j = thread; j < params.n; j += ROW_THREADS) {
        sum += abs(0.5 * (v[i * params.n + j] + v[j * params.n + i]));
    }
    let total = row_sum(thread, sum);
    if (thread == 0u) {
        scales[i] = 1.0 / sqrt(max(total, 1.0));
    }
}

// scales (R) = min(1, norm / (G + 10⁻⁶)), where G is the root of the sum of squares (R, parts).
// Hooks: none.

struct Params {
    realizations: u32,
    parts: u32,
    norm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;

@compute @workgroup_size(ROW_THREADS)
fn clip_scale(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let realization = row_index(group, groups);
    if (realization >= params.realizations) {
        return;
    }
    var sum = 0.0;
    for (var i = thread; i < params.parts; i += ROW_THREADS) {
        sum += squares[realization * params.parts + i];
    }
    let total = row_sum(thread, sum);
    if (thread == 0u) {
        let found = sqrt(total);
        // A gradient that is not finite stays so.
        scales[realization] = select(params.norm / (found + 1e-6), 1.0, found + 1e-6 <= params.norm);
    }
}

// The part of dL/dV that goes through D: through (n) = t s^3 where D_i > 1, else 0, with
// t_i = sum_j (G_ij + G_ji)/2 Y_ij s_j, G = dL/dW, Y = (V + V^T)/2, s = D^{-1/2}.
// Hooks: none.

struct Params {
    n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read_write> through: array<f32>;

@compute @workgroup_size(ROW_THREADS)
fn equilibrium_through(
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
        let g = 0.5 * (gradient[i * params.n + j] + gradient[j * params.n + i]);
        let y = 0.5 * (v[i * params.n + j] + v[j * params.n + i]);
        sum += g * y * scales[j];
    }
    let t = row_sum(thread, sum);
    if (thread == 0u) {
        let s = scales[i];
        through[i] = select(0.0, t * s * s * s, s < 1.0);
    }
}

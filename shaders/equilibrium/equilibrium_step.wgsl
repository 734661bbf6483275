// One iteration of each row (rows, n): drift = zW + Ux + b, the root mean square of the natural
// residual z - clamp(z + drift), and, where that is above the tolerance, a += drift, z = rho(a).
// `inside` is 1 where z + drift is inside the range. With the largest f32 as the tolerance it only measures.
// Hooks: activation (rho).

struct Params {
    rows: u32,
    n: u32,
    tolerance: f32,
    low: f32,
    high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> product: array<f32>;
@group(0) @binding(2) var<storage, read> injected: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> a: array<f32>;
@group(0) @binding(5) var<storage, read_write> z: array<f32>;
@group(0) @binding(6) var<storage, read_write> inside: array<f32>;
@group(0) @binding(7) var<storage, read_write> residuals: array<f32>;
@group(0) @binding(8) var<storage, read_write> iterations: array<u32>;

@compute @workgroup_size(ROW_THREADS)
fn equilibrium_step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = row_index(group, groups);
    if (row >= params.rows) {
        return;
    }
    var squares = 0.0;
    for (var j = thread; j < params.n; j += ROW_THREADS) {
        let index = row * params.n + j;
        let target_z = z[index] + (product[index] + (injected[index] + bias[j]));
        let natural = z[index] - limit(target_z, params.low, params.high);
        squares += natural * natural;
        inside[index] = select(0.0, 1.0, params.low < target_z && target_z < params.high);
    }
    let residual = sqrt(row_sum(thread, squares) / f32(params.n));
    if (residual > params.tolerance) {
        for (var j = thread; j < params.n; j += ROW_THREADS) {
            let index = row * params.n + j;
            let next = a[index] + (product[index] + (injected[index] + bias[j]));
            a[index] = limit(next, -DUAL_MAX, DUAL_MAX);
            z[index] = rho(a[index]);
        }
        if (thread == 0u) {
            iterations[row] += 1u;
        }
    }
    if (thread == 0u) {
        residuals[row] = residual;
    }
}

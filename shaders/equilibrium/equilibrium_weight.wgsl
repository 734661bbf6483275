// W (n, n) = -center I + radius K with K = D^{-1/2} Y D^{-1/2}, Y = (V + V^T)/2: symmetric to the bit.
// Hooks: none.

struct Params {
    n: u32,
    center: f32,
    radius: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn equilibrium_weight(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.n * params.n) {
        return;
    }
    let i = index / params.n;
    let j = index % params.n;
    let y = 0.5 * (v[index] + v[j * params.n + i]);
    let w = params.radius * (scales[i] * scales[j] * y);
    weight[index] = select(w, w - params.center, i == j);
}

// q = δ′ / h(u), 0 where the clamp of u = Mz was active: the gradient in u of a Bregman layer.

struct Params {
    len: u32,
    gate_low: f32,
    gate_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read_write> q: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn mix_backward(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        let open = u[index] >= params.gate_low && u[index] <= params.gate_high;
        // The slope is taken from the clamped u, so that the branch not chosen is finite too.
        let slope = rho_slope(limit(u[index], params.gate_low, params.gate_high));
        q[index] = select(0.0, delta[index] / slope, open);
    }
}

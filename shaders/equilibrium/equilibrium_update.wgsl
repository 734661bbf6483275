// V (n, n) -= learning_rate dL/dV, from G = dL/dW and the part through D. One invocation updates both V_ij
// and V_ji: their gradients are equal and need both.
// Hooks: none.

struct Params {
    n: u32,
    radius: f32,
    learning_rate: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read> through: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn equilibrium_update(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    let i = index / params.n;
    let j = index % params.n;
    if (index >= params.n * params.n || i > j) {
        return;
    }
    let mirrored = j * params.n + i;
    let g = 0.5 * (gradient[index] + gradient[mirrored]);
    let y = v[index] + v[mirrored];
    let through_d = 0.5 * (through[i] + through[j]) * sign(y);
    let change = params.learning_rate * params.radius * (g * scales[i] * scales[j] - through_d);
    v[index] -= change;
    if (i != j) {
        v[mirrored] -= change;
    }
}

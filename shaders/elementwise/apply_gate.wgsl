// output = delta where low ≤ gate ≤ high, else 0: the skip path, which is shut where a clamp was active.
// Hooks: none.

struct Params {
    len: u32,
    gate_low: f32,
    gate_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn apply_gate(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        let open = gate[index] >= params.gate_low && gate[index] <= params.gate_high;
        output[index] = select(0.0, delta[index], open);
    }
}

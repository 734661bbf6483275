// parameter −= learning_rate · gradient.
// Hooks: none.

struct Params {
    len: u32,
    learning_rate: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameter: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn sgd(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        parameter[index] -= params.learning_rate * gradient[index];
    }
}

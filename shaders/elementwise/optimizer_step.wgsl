// A step of an optimizer on one tensor, (R, len / R), from its stored gradient times the realization's
// scale. The gradient is the sum of its parts, (R, parts, len / R), in order.
// Hooks: update (updated).

struct Params {
    len: u32,
    realizations: u32,
    parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameter: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn optimizer_step(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.len) {
        return;
    }
    let len = params.len / params.realizations;
    let realization = index / len;
    let first = index + realization * (params.parts - 1u) * len;
    var sum = gradient[first];
    for (var part = 1u; part < params.parts; part++) {
        sum += gradient[first + part * len];
    }
    let scaled = scales[realization] * sum;
    parameter[index] = updated(realization, index, parameter[index], scaled);
}

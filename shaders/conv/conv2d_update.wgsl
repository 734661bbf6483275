// Adds the parts of a convolution's gradients, (parts, R, filters, window + 1), always in the same order. An
// update file stores the gradients in weight (R, filters, window) and bias (R, filters), or updates these
// by them.
// Hooks: update (updated).

struct Params {
    len: u32,
    parts: u32,
    window: u32,
    filters: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial_gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn conv2d_update(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.len) {
        return;
    }
    var gradient = 0.0;
    for (var part = 0u; part < params.parts; part++) {
        gradient += partial_gradient[part * params.len + index];
    }
    let line = index / (params.window + 1u);
    let col = index % (params.window + 1u);
    let realization = line / params.filters;
    if (col == params.window) {
        bias[line] = updated(realization, index, bias[line], gradient);
    } else {
        let place = line * params.window + col;
        weight[place] = updated(realization, index, weight[place], gradient);
    }
}

// output (R, batch, filters, plane) += bias (R, filters), each added to all pixels of its channel.
// Hooks: none.

struct Params {
    len: u32,
    batch: u32,
    filters: u32,
    plane: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn add_channel_bias(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        let channel = index / params.plane % params.filters;
        let realization = index / (params.batch * params.filters * params.plane);
        output[index] += bias[realization * params.filters + channel];
    }
}

// The batch of a step: output (R, batch, features) from the data set's bytes in the realization's
// order (order_stride apart; 0 if all share one); rows past the step's count are 0.
// Hooks: none.

struct Params {
    batch: u32,
    features: u32,
    order_stride: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read> pixel_values: array<f32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<Stored>;

@compute @workgroup_size(ELEMENTS)
fn gather(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.realizations * params.batch * params.features) {
        return;
    }
    let feature = index % params.features;
    let row = index / params.features % params.batch;
    let realization = index / params.features / params.batch;
    var value = 0.0;
    if (row < step.count) {
        let sample = order[realization * params.order_stride + step.first + row];
        let byte = sample * params.features + feature;
        value = pixel_values[(pixels[byte / 4u] >> (8u * (byte % 4u))) & 255u];
    }
    output[index] = Stored(value);
}

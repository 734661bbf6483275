// The batch of a step: output (R, batch, features) from the data set's inputs in the realization's
// order (order_stride apart; 0 if all share one); rows past the step's count are 0.
// Hooks: input (input_value).

struct Params {
    batch: u32,
    features: u32,
    order_stride: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<Stored>;

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
        value = input_value(sample * params.features + feature);
    }
    output[index] = Stored(value);
}

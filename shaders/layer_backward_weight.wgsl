// The SGD update of a matrix (R, out, in) by its gradient δ′ᵀ z, and of the bias (R, out) by Σ δ′ over
// the batch, in one dispatch without a gradient buffer. Layout tn.

struct Params {
    outputs: u32,
    inputs: u32,
    batch: u32,
    learning_rate: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lhs: array<f32>;
@group(0) @binding(2) var<storage, read> rhs: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;

fn store_element(realization: u32, row: u32, col: u32, acc: f32) {
    let index = (realization * params.outputs + row) * params.inputs + col;
    weight[index] -= params.learning_rate * acc;
}

@compute @workgroup_size(THREADS)
fn layer_backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    tile_matmul(params.outputs, params.inputs, params.batch, group, thread);
    if (group.x == 0u) {
        update_bias(group, thread);
    }
}

// A whole layer in one dispatch: z′ (R, batch, out) from z (R, batch, in), W (R, out, in) and
// b (R, out); an epilogue file turns the pre-activation Wz + b into z′ (eq. 20). Layout nt.

struct Params {
    batch: u32,
    outputs: u32,
    inputs: u32,
    clamp_low: f32,
    clamp_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lhs: array<f32>;
@group(0) @binding(2) var<storage, read> rhs: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn store_element(realization: u32, row: u32, col: u32, acc: f32) {
    let index = (realization * params.batch + row) * params.outputs + col;
    epilogue(index, acc + bias[realization * params.outputs + col]);
}

@compute @workgroup_size(THREADS)
fn layer_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    tile_matmul(params.batch, params.outputs, params.inputs, group, thread);
}

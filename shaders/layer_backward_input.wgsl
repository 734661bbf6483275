// δ (R, batch, in) of the layer below from δ′ (R, batch, out) and W (R, out, in) in one dispatch: an
// epilogue file adds the skip path and multiplies by the slope h(z) of the layer below. Layout nn.

struct Params {
    batch: u32,
    inputs: u32,
    outputs: u32,
    gate_low: f32,
    gate_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lhs: array<f32>;
@group(0) @binding(2) var<storage, read> rhs: array<f32>;
@group(0) @binding(3) var<storage, read> z: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn store_element(realization: u32, row: u32, col: u32, acc: f32) {
    let index = (realization * params.batch + row) * params.inputs + col;
    output[index] = epilogue(index, acc);
}

@compute @workgroup_size(THREADS)
fn layer_backward_input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    tile_matmul(params.batch, params.inputs, params.outputs, group, thread);
}

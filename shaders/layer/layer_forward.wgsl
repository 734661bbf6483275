// A whole layer in one dispatch: z′ (R, batch, out) from z (R, batch, in), W (R, out, in) and
// b (R, out); an after_forward file turns the pre-activation Wz + b into z′ (eq. 20). Both operands are
// contiguous along k. An operand file loads z, and may gather the batch while it does; a skip file loads
// the skip path.
// Hooks: after_forward (epilogue), load (accumulate_tile), skip (skip_element).

struct Params {
    batch: u32,
    outputs: u32,
    inputs: u32,
    realizations: u32,
    order_stride: u32,
    clamp_low: f32,
    clamp_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Stored>;

// Whether the workgroup computes the first columns of the output.
var<private> first_column: bool;

// The bias and the skip path's variable.
fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    let index = (realization * params.batch + row) * params.outputs + col;
    return vec3(bias[realization * params.outputs + col], skip_element(index), 0.0);
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    let index = (realization * params.batch + row) * params.outputs + col;
    epilogue(index, acc + operands.x, operands.y);
}

@compute @workgroup_size(THREADS)
fn layer_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let size = vec3(params.batch, params.outputs, params.inputs);
    let tile = output_tile(group.y * groups.x + group.x, size.x, size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    first_column = tile.col == 0u;
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
}

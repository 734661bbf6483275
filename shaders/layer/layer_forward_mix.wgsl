// A whole layer that changes the width, in one dispatch: u = Mz and z′ (R, batch, out) from
// z (R, batch, in), M and W (R, out, in) and b (R, out); an after_forward file turns the
// pre-activation Wz + b into z′ (eq. 20). Both operands are contiguous along k. An element of u is read by
// the invocation that wrote it.
// Hooks: after_forward (epilogue), load (accumulate_tile).

struct Params {
    batch: u32,
    outputs: u32,
    inputs: u32,
    realizations: u32,
    clamp_low: f32,
    clamp_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Stored>;
@group(0) @binding(5) var<storage, read_write> u: array<Stored>;

// Whether the product is Mz or Wz.
var<private> mixing: bool;

// The bias and u, after u has been written.
fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    if (mixing) {
        return vec3<f32>();
    }
    let index = (realization * params.batch + row) * params.outputs + col;
    return vec3(bias[realization * params.outputs + col], f32(u[index]), 0.0);
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    let index = (realization * params.batch + row) * params.outputs + col;
    if (mixing) {
        u[index] = Stored(acc);
    } else {
        epilogue(index, acc + operands.x, operands.y);
    }
}

@compute @workgroup_size(THREADS)
fn layer_forward_mix(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let size = vec3(params.batch, params.outputs, params.inputs);
    let tile = output_tile(group.y * groups.x + group.x, size.x, size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    mixing = true;
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
    clear_tile();
    mixing = false;
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
}

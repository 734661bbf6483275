// The whole backward pass of a layer in one dispatch, from δ′ = dL/da′ (R, batch, out):
// - δ (R, batch, in) of the layer below, if it is needed: δ′W, plus qM for a skip path through M; an
//   after_backward file adds the skip path and multiplies by the slope h(z) of the layer below;
// - the update of W (R, out, in) by its gradient δ′ᵀ z, written to `next_weight`, because other workgroups
//   still read W, and that of the bias (R, out) by Σ δ′, the product with a column of ones. The
//   optimizer's state is (R, out, in + 1), with the bias last in a line.
// The workgroups of δ come first, because their sums are longer.
// Hooks: after_backward (epilogue, epilogue_operands), mix (q_vector), mix or operand (mix_vector),
// operand (delta_vector, weight_element, weight_vector, z_vector), update (updated).

struct Params {
    batch: u32,
    inputs: u32,
    outputs: u32,
    realizations: u32,
    wanted_rows: u32,
    gate_low: f32,
    gate_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> next_weight: array<Stored>;
@group(0) @binding(6) var<storage, read_write> bias: array<f32>;

const INPUT: u32 = 0u;
const MIX: u32 = 1u;
const WEIGHT: u32 = 2u;

// The product that the workgroup computes: δ′W, qM or δ′ᵀ z.
var<private> job: u32;

fn lhs_place(slot: u32) -> vec2<u32> {
    if (job == WEIGHT) {
        return place_across_k(slot, QUADS_M);
    }
    return place_along_k(slot, QUADS_M);
}

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

// The starts of δ′ of four samples, for the products whose depth is the outputs.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return (vec4(realization * params.batch) + within(0u, row, params.batch)) * params.outputs;
}

fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4<u32>();
}

// δ′ or q of a sample, outputs kk … kk + 3.
fn sample_line(start: u32, kk: u32) -> vec4<f32> {
    if (job == MIX) {
        return q_vector(start, kk, params.outputs);
    }
    return delta_vector(start, kk, params.outputs);
}

// δ′ of sample kk, outputs row … row + 3.
fn output_line(realization: u32, row: u32, kk: u32) -> vec4<f32> {
    let start = (realization * params.batch + min(kk, params.batch - 1u)) * params.outputs;
    return select(vec4(0.0), delta_vector(start, row, params.outputs), kk < params.batch);
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    if (job == WEIGHT) {
        return mat4x4(
            output_line(realization, row, kk),
            output_line(realization, row, kk + 1u),
            output_line(realization, row, kk + 2u),
            output_line(realization, row, kk + 3u),
        );
    }
    let exists = below(kk, params.outputs);
    return transpose(mat4x4(
        select(vec4(0.0), sample_line(lines.x, kk), exists),
        select(vec4(0.0), sample_line(lines.y, kk), exists),
        select(vec4(0.0), sample_line(lines.z, kk), exists),
        select(vec4(0.0), sample_line(lines.w, kk), exists),
    ));
}

// Line kk of W, M or z with its column of ones.
fn rhs_line(realization: u32, col: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = (realization * size.z + min(kk, size.z - 1u)) * params.inputs;
    if (job == WEIGHT) {
        let ones = vec4(col) + vec4(0u, 1u, 2u, 3u) == vec4(params.inputs);
        return select(z_vector(start, col, params.inputs), vec4(1.0), ones);
    }
    if (job == MIX) {
        return mix_vector(start, col, params.inputs);
    }
    return weight_vector(start, col, params.inputs);
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return mat4x4(
        rhs_line(realization, col, kk, size),
        rhs_line(realization, col, kk + 1u, size),
        rhs_line(realization, col, kk + 2u, size),
        rhs_line(realization, col, kk + 3u, size),
    );
}

// The parameter, or the operands of δ's epilogue.
fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    if (job != WEIGHT) {
        return epilogue_operands((realization * params.batch + row) * params.inputs + col);
    }
    let place = realization * params.outputs + row;
    if (col == params.inputs) {
        return vec3(bias[place], 0.0, 0.0);
    }
    return vec3(weight_element(place * params.inputs + col), 0.0, 0.0);
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    if (job == WEIGHT) {
        let place = realization * params.outputs + row;
        let state_place = place * (params.inputs + 1u) + col;
        let next = updated(realization, state_place, operands.x, acc);
        if (col == params.inputs) {
            bias[place] = next;
        } else {
            next_weight[place * params.inputs + col] = Stored(next);
        }
    } else {
        let index = (realization * params.batch + row) * params.inputs + col;
        output[index] = epilogue(acc, operands);
    }
}

fn tiles(m: u32, n: u32) -> u32 {
    return (m + TILE_M - 1u) / TILE_M * ((n + TILE_N - 1u) / TILE_N);
}

@compute @workgroup_size(THREADS)
fn layer_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group.y * groups.x + group.x;
    let input_size = vec3(params.wanted_rows, params.inputs, params.outputs);
    let weight_size = vec3(params.outputs, params.inputs + 1u, params.batch);
    let input_tiles = params.realizations * tiles(input_size.x, input_size.y);
    if (index < input_tiles) {
        let tile = output_tile(index, input_size.x, input_size.y);
        job = INPUT;
        accumulate_tile(tile, thread, input_size);
        if (MIXES) {
            job = MIX;
            accumulate_tile(tile, thread, input_size);
        }
        store_tile(tile, thread, input_size);
        return;
    }
    let tile = output_tile(index - input_tiles, weight_size.x, weight_size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    job = WEIGHT;
    accumulate_tile(tile, thread, weight_size);
    store_tile(tile, thread, weight_size);
}

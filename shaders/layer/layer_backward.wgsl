// The whole backward pass of a layer in one dispatch, from δ′ = dL/da′ (R, batch, out):
// - δ (R, batch, in) of the layer below, if it is needed: δ′W, plus qM for a skip path through M; an
//   after_backward file adds the skip path and multiplies by the slope h(z) of the layer below;
// - the update of W (R, out, in) by its gradient δ′ᵀ z, written to `next_weight`, because other workgroups
//   still read W, and that of the bias (R, out) by Σ δ′. The optimizer's state is (R, out, in + 1), with
//   the bias last in a line.
// The bias is the product with a column of ones after the last of z, unless the width of z is a multiple of
// BIAS_MULTIPLE, where that column would open another column of most tiles: then workgroups of their own add δ′.
// They come first, then those of the product with the longer sums, so that no long sum starts last and is
// waited for.
// Hooks: after_backward (epilogue, epilogue_operands), load (accumulate_tile), mix (q_vector), mix or
// operand (mix_vector), operand (delta_element, delta_vector, weight_element, weight_vector, z_vector), update (updated).

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

// Widths of z that are multiples of this have no column of ones; it is also the number of outputs whose δ′ a
// workgroup adds, in BIAS_PARTS parts of the batch.
const BIAS_MULTIPLE: u32 = 32u;
const BIAS_PARTS: u32 = 8u;
const BIAS_SUMS: u32 = BIAS_MULTIPLE * BIAS_PARTS;
// The vectors of a stage's line that have one such sum each.
const BIAS_LINE: u32 = BIAS_SUMS / 4u;

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

// The starts of δ′ of four samples, for the products whose depth is the outputs; else that of the
// realization.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    let first = vec4(realization * params.batch);
    if (job == WEIGHT) {
        return first * params.outputs;
    }
    return (first + four_within(row, params.batch)) * params.outputs;
}

// The start of W, M or z.
fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(realization * size.z * params.inputs);
}

// δ′ or q of a sample, outputs kk … kk + 3.
fn sample_line(start: u32, kk: u32) -> vec4<f32> {
    if (job == MIX) {
        return q_vector(start, kk);
    }
    return delta_vector(start, kk);
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    if (job == WEIGHT) {
        let start = lines.x + kk * params.outputs;
        return mat4x4(
            delta_vector(start, row),
            delta_vector(start + params.outputs, row),
            delta_vector(start + 2u * params.outputs, row),
            delta_vector(start + 3u * params.outputs, row),
        );
    }
    return transpose(mat4x4(
        sample_line(lines.x, kk),
        sample_line(lines.y, kk),
        sample_line(lines.z, kk),
        sample_line(lines.w, kk),
    ));
}

// A line of W, M or z with its column of ones.
fn rhs_line(start: u32, col: u32) -> vec4<f32> {
    if (job == WEIGHT) {
        let ones = vec4(col) + vec4(0u, 1u, 2u, 3u) == vec4(params.inputs);
        return select(z_vector(start, col), vec4(1.0), ones);
    }
    if (job == MIX) {
        return mix_vector(start, col);
    }
    return weight_vector(start, col);
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    let start = lines.x + kk * params.inputs;
    return mat4x4(
        rhs_line(start, col),
        rhs_line(start + params.inputs, col),
        rhs_line(start + 2u * params.inputs, col),
        rhs_line(start + 3u * params.inputs, col),
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

fn updated_parameter(realization: u32, row: u32, col: u32, old: f32, gradient: f32) -> f32 {
    let place = realization * params.outputs + row;
    return updated(realization, place * (params.inputs + 1u) + col, old, gradient);
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    if (job == WEIGHT) {
        let place = realization * params.outputs + row;
        let next = updated_parameter(realization, row, col, operands.x, acc);
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

// The update of the bias of BIAS_MULTIPLE outputs: each part of the batch adds every BIAS_PARTS-th sample, and
// the parts are added in order, whatever the number of invocations.
fn update_bias(group: u32, thread: u32) {
    let groups = (params.outputs + BIAS_MULTIPLE - 1u) / BIAS_MULTIPLE;
    let realization = group / groups;
    let first = group % groups * BIAS_MULTIPLE;
    for (var i = thread; i < BIAS_SUMS; i += THREADS) {
        let row = min(first + i % BIAS_MULTIPLE, params.outputs - 1u);
        let start = realization * params.batch * params.outputs + row;
        var sum = 0.0;
        for (var sample = i / BIAS_MULTIPLE; sample < params.batch; sample += BIAS_PARTS) {
            sum += delta_element(start + sample * params.outputs);
        }
        stage[i / BIAS_LINE][i % BIAS_LINE] = vec4(sum);
    }
    workgroupBarrier();
    let row = first + thread;
    if (thread < BIAS_MULTIPLE && row < params.outputs) {
        var gradient = 0.0;
        for (var part = 0u; part < BIAS_PARTS; part++) {
            let i = part * BIAS_MULTIPLE + thread;
            gradient += stage[i / BIAS_LINE][i % BIAS_LINE].x;
        }
        let place = realization * params.outputs + row;
        bias[place] = updated_parameter(realization, row, params.inputs, bias[place], gradient);
    }
}

fn tiles(size: vec3<u32>) -> u32 {
    let rows = (size.x + TILE_M - 1u) / TILE_M;
    return params.realizations * rows * ((size.y + TILE_N - 1u) / TILE_N);
}

@compute @workgroup_size(THREADS)
fn layer_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group.y * groups.x + group.x;
    var bias_groups = 0u;
    var columns = params.inputs + 1u;
    if (params.inputs % BIAS_MULTIPLE == 0u) {
        bias_groups = params.realizations * ((params.outputs + BIAS_MULTIPLE - 1u) / BIAS_MULTIPLE);
        columns = params.inputs;
    }
    if (index < bias_groups) {
        update_bias(index, thread);
        return;
    }
    let input_size = vec3(params.wanted_rows, params.inputs, params.outputs);
    let weight_size = vec3(params.outputs, columns, params.batch);
    let weight_first = weight_size.z > input_size.z;
    let input_start = bias_groups + select(0u, tiles(weight_size), weight_first);
    let weight_start = bias_groups + select(tiles(input_size), 0u, weight_first);
    if (index >= input_start && index < input_start + tiles(input_size)) {
        let tile = output_tile(index - input_start, input_size.x, input_size.y);
        job = INPUT;
        accumulate_tile(tile, thread, input_size);
        if (MIXES) {
            job = MIX;
            accumulate_tile(tile, thread, input_size);
        }
        store_tile(tile, thread, input_size);
        return;
    }
    let tile = output_tile(index - weight_start, weight_size.x, weight_size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    job = WEIGHT;
    accumulate_tile(tile, thread, weight_size);
    store_tile(tile, thread, weight_size);
}

// The head and the loss in one dispatch: logits = Wz + b, each sample's loss, whether its class is right,
// and δ (R, batch, outputs), the loss's gradient in the logits; a below file goes on to δ of the layer below.
// z is (R, batch, in), W (R, outputs, in) and b (R, outputs). A workgroup has one sample, or four where there
// are many, so that W is read less often. Its invocations share the sums of a few classes at a time and add
// them always in the same order.
// Hooks: below (store_below), loss (sample_loss).

const HEAD_LANES: u32 = 128u;
// The most outputs. More take kernels for products and for the loss.
const HEAD_CLASSES: u32 = 256u;
// The most outputs with which the kernel goes on to δ of the layer below, which takes W once more for a few
// samples at a time.
const BELOW_CLASSES: u32 = 32u;
// The number of classes at a time.
const BLOCK_CLASSES: u32 = 16u;
// The number of invocations that add the sums of a class, and the number of sums that each adds.
const HEAD_PARTS: u32 = HEAD_LANES / BLOCK_CLASSES;
const PART_LANES: u32 = HEAD_LANES / HEAD_PARTS;

struct Params {
    batch: u32,
    inputs: u32,
    outputs: u32,
    order_stride: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<Stored>;
@group(0) @binding(2) var<storage, read> weight: array<Stored>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> targets: array<u32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> metrics: array<vec2<u32>>;

// [class][lane], with one lane too many, so that the entries of a column fall into different banks.
var<workgroup> lane_sums: array<array<f32, HEAD_LANES + 1u>, BLOCK_CLASSES>;
var<workgroup> part_sums: array<array<f32, HEAD_PARTS>, BLOCK_CLASSES>;
// The logits of each sample, and later δ.
var<workgroup> logits: array<f32, HEAD_SAMPLES * HEAD_CLASSES>;

// Column kk of W for four classes from `first` on; past the last class, that of the last.
fn weights_of(matrix: u32, first: u32, kk: u32) -> vec4<f32> {
    let label = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(params.outputs - 1u));
    let at = vec4(matrix + kk) + label * params.inputs;
    return vec4<f32>(vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]));
}

// Element kk of z of each sample.
fn values_of(lines: vec4<u32>, kk: u32) -> vec4<f32> {
    var values = vec4(f32(z[lines.x + kk]), 0.0, 0.0, 0.0);
    if (HEAD_SAMPLES == 4u) {
        values.y = f32(z[lines.y + kk]);
        values.z = f32(z[lines.z + kk]);
        values.w = f32(z[lines.w + kk]);
    }
    return values;
}

// `sums` and the products of four classes with the values of each sample, a column each.
fn added(sums: mat4x4<f32>, weights: vec4<f32>, values: vec4<f32>) -> mat4x4<f32> {
    if (HEAD_SAMPLES == 1u) {
        return mat4x4(sums[0] + values.x * weights, sums[1], sums[2], sums[3]);
    }
    return mat4x4(
        sums[0] + values.x * weights,
        sums[1] + values.y * weights,
        sums[2] + values.z * weights,
        sums[3] + values.w * weights,
    );
}

fn keep_sums(first: u32, lane: u32, sums: vec4<f32>) {
    lane_sums[first][lane] = sums.x;
    lane_sums[first + 1u][lane] = sums.y;
    lane_sums[first + 2u][lane] = sums.z;
    lane_sums[first + 3u][lane] = sums.w;
}

// The logits of a sample of the workgroup for a block of classes from `first` on, of which each lane has a part.
fn add_lanes(
    realization: u32,
    own: u32,
    first: u32,
    lane: u32,
    sums0: vec4<f32>,
    sums4: vec4<f32>,
    sums8: vec4<f32>,
    sums12: vec4<f32>,
) {
    keep_sums(0u, lane, sums0);
    keep_sums(4u, lane, sums4);
    keep_sums(8u, lane, sums8);
    keep_sums(12u, lane, sums12);
    workgroupBarrier();
    let label = lane / HEAD_PARTS;
    let part = lane % HEAD_PARTS;
    var part_sum = 0.0;
    for (var l = 0u; l < PART_LANES; l++) {
        part_sum += lane_sums[label][part * PART_LANES + l];
    }
    part_sums[label][part] = part_sum;
    workgroupBarrier();
    if (lane < BLOCK_CLASSES && first + lane < params.outputs) {
        var sum = 0.0;
        for (var l = 0u; l < HEAD_PARTS; l++) {
            sum += part_sums[lane][l];
        }
        let place = own * HEAD_CLASSES + first + lane;
        logits[place] = sum + bias[realization * params.outputs + first + lane];
    }
    workgroupBarrier();
}

// The logits of a block of classes from `first` on.
fn block_logits(realization: u32, lines: vec4<u32>, first: u32, lane: u32) {
    let matrix = realization * params.outputs * params.inputs;
    // Four names, not an array, because drivers may keep an array in memory.
    var sums0 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    var sums8 = mat4x4<f32>();
    var sums12 = mat4x4<f32>();
    for (var kk = lane; kk < params.inputs; kk += HEAD_LANES) {
        let values = values_of(lines, kk);
        sums0 = added(sums0, weights_of(matrix, first, kk), values);
        sums4 = added(sums4, weights_of(matrix, first + 4u, kk), values);
        sums8 = added(sums8, weights_of(matrix, first + 8u, kk), values);
        sums12 = added(sums12, weights_of(matrix, first + 12u, kk), values);
    }
    add_lanes(realization, 0u, first, lane, sums0[0], sums4[0], sums8[0], sums12[0]);
    if (HEAD_SAMPLES == 4u) {
        add_lanes(realization, 1u, first, lane, sums0[1], sums4[1], sums8[1], sums12[1]);
        add_lanes(realization, 2u, first, lane, sums0[2], sums4[2], sums8[2], sums12[2]);
        add_lanes(realization, 3u, first, lane, sums0[3], sums4[3], sums8[3], sums12[3]);
    }
}

@compute @workgroup_size(HEAD_LANES)
fn head(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let groups_of_batch = (params.batch + HEAD_SAMPLES - 1u) / HEAD_SAMPLES;
    let index = group.y * groups.x + group.x;
    let realization = index / groups_of_batch;
    if (realization >= params.realizations) {
        return;
    }
    let first_row = index % groups_of_batch * HEAD_SAMPLES;
    // Past the end of the batch, the last row.
    let rows = min(vec4(first_row) + vec4(0u, 1u, 2u, 3u), vec4(params.batch - 1u));
    let lines = (vec4(realization * params.batch) + rows) * params.inputs;
    for (var first = 0u; first < params.outputs; first += BLOCK_CLASSES) {
        block_logits(realization, lines, first, lane);
    }
    let row = first_row + lane;
    if (lane < HEAD_SAMPLES && row < params.batch) {
        let sample = realization * params.batch + row;
        if (row < step.count) {
            let base = lane * HEAD_CLASSES;
            let one = sample_loss(base, sample * params.outputs, sample_of(realization, row));
            let place = step.slot * params.realizations * params.batch + sample;
            metrics[place] = metrics_of(base, one);
        } else {
            // Rows past the end of the batch have no gradient.
            for (var j = 0u; j < params.outputs; j++) {
                delta[sample * params.outputs + j] = 0.0;
            }
        }
    }
    store_below(realization, first_row, lane);
}

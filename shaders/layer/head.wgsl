// The head and the loss in one dispatch: logits = Wz + b, each sample's loss, whether its class is right,
// and δ (R, batch, outputs), the loss's gradient in the logits. z is (R, batch, in), W (R, outputs, in)
// and b (R, outputs). Each sample has one workgroup, whose invocations share the sums of a few classes at
// a time and add them always in the same order.
// Hooks: loss (sample_loss).

const HEAD_LANES: u32 = 128u;
// The most outputs. More take kernels for products and for the loss.
const HEAD_CLASSES: u32 = 256u;
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
var<workgroup> logits: array<f32, HEAD_CLASSES>;

// Column kk of W for four classes from `first` on; past the last class, that of the last.
fn weights_of(matrix: u32, first: u32, kk: u32) -> vec4<f32> {
    let label = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(params.outputs - 1u));
    let at = vec4(matrix + kk) + label * params.inputs;
    return vec4<f32>(vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]));
}

fn keep_sums(first: u32, lane: u32, sums: vec4<f32>) {
    lane_sums[first][lane] = sums.x;
    lane_sums[first + 1u][lane] = sums.y;
    lane_sums[first + 2u][lane] = sums.z;
    lane_sums[first + 3u][lane] = sums.w;
}

// The logits of a block of classes from `first` on.
fn block_logits(realization: u32, sample: u32, first: u32, lane: u32) {
    let line = sample * params.inputs;
    let matrix = realization * params.outputs * params.inputs;
    // Four names, not an array, because drivers may keep an array in memory.
    var sums0 = vec4(0.0);
    var sums4 = vec4(0.0);
    var sums8 = vec4(0.0);
    var sums12 = vec4(0.0);
    for (var kk = lane; kk < params.inputs; kk += HEAD_LANES) {
        let value = f32(z[line + kk]);
        sums0 += value * weights_of(matrix, first, kk);
        sums4 += value * weights_of(matrix, first + 4u, kk);
        sums8 += value * weights_of(matrix, first + 8u, kk);
        sums12 += value * weights_of(matrix, first + 12u, kk);
    }
    keep_sums(0u, lane, sums0);
    keep_sums(4u, lane, sums4);
    keep_sums(8u, lane, sums8);
    keep_sums(12u, lane, sums12);
    workgroupBarrier();
    let own = lane / HEAD_PARTS;
    let part = lane % HEAD_PARTS;
    var part_sum = 0.0;
    for (var l = 0u; l < PART_LANES; l++) {
        part_sum += lane_sums[own][part * PART_LANES + l];
    }
    part_sums[own][part] = part_sum;
    workgroupBarrier();
    if (lane < BLOCK_CLASSES && first + lane < params.outputs) {
        var sum = 0.0;
        for (var l = 0u; l < HEAD_PARTS; l++) {
            sum += part_sums[lane][l];
        }
        logits[first + lane] = sum + bias[realization * params.outputs + first + lane];
    }
    workgroupBarrier();
}

@compute @workgroup_size(HEAD_LANES)
fn head(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let sample = group.y * groups.x + group.x;
    let realization = sample / params.batch;
    if (realization >= params.realizations) {
        return;
    }
    for (var first = 0u; first < params.outputs; first += BLOCK_CLASSES) {
        block_logits(realization, sample, first, lane);
    }
    if (lane == 0u) {
        let row = sample % params.batch;
        if (row < step.count) {
            let one = sample_loss(0u, sample * params.outputs, sample_of(realization, row));
            let place = step.slot * params.realizations * params.batch + sample;
            metrics[place] = metrics_of(0u, one);
        } else {
            // Rows past the end of the batch have no gradient.
            for (var j = 0u; j < params.outputs; j++) {
                delta[sample * params.outputs + j] = 0.0;
            }
        }
    }
}

// The head and the loss in one dispatch: logits = Wz + b of a few classes, each sample's loss, whether
// its class is right, and δ (R, batch, outputs), the loss's gradient in the logits. z is
// (R, batch, in), W (R, outputs, in) and b (R, outputs). A workgroup has a few samples, and each sample
// a row of invocations that share its sums; they are added in one order.

const HEAD_ROWS: u32 = 4u;
const HEAD_LANES: u32 = 32u;
const HEAD_CLASSES: u32 = 16u;
const HEAD_THREADS: u32 = HEAD_ROWS * HEAD_LANES;

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
@group(0) @binding(4) var<storage, read> labels: array<u32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> metrics: array<vec2<u32>>;

// [row and class][lane], one lane more than there are, so that a column's entries fall into different
// banks.
var<workgroup> partial_sums: array<array<f32, HEAD_LANES + 1u>, HEAD_ROWS * HEAD_CLASSES>;
var<workgroup> logits: array<f32, HEAD_ROWS * HEAD_CLASSES>;
var<private> sums: array<f32, HEAD_CLASSES>;

@compute @workgroup_size(HEAD_THREADS)
fn head(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let groups_of_batch = (params.batch + HEAD_ROWS - 1u) / HEAD_ROWS;
    let index = group.y * groups.x + group.x;
    let realization = index / groups_of_batch;
    if (realization >= params.realizations) {
        return;
    }
    let first_row = index % groups_of_batch * HEAD_ROWS;
    let lane = thread % HEAD_LANES;
    let own = thread / HEAD_LANES;
    let row = min(first_row + own, params.batch - 1u);
    let line = (realization * params.batch + row) * params.inputs;
    let matrix = realization * params.outputs * params.inputs;
    for (var kk = lane; kk < params.inputs; kk += HEAD_LANES) {
        let value = f32(z[line + kk]);
        for (var j = 0u; j < HEAD_CLASSES; j++) {
            let place = matrix + min(j, params.outputs - 1u) * params.inputs + kk;
            sums[j] += value * f32(weight[place]);
        }
    }
    for (var j = 0u; j < HEAD_CLASSES; j++) {
        partial_sums[own * HEAD_CLASSES + j][lane] = sums[j];
    }
    workgroupBarrier();
    if (thread < HEAD_ROWS * HEAD_CLASSES) {
        var sum = 0.0;
        for (var l = 0u; l < HEAD_LANES; l++) {
            sum += partial_sums[thread][l];
        }
        let j = min(thread % HEAD_CLASSES, params.outputs - 1u);
        logits[thread] = sum + bias[realization * params.outputs + j];
    }
    workgroupBarrier();
    if (thread < HEAD_ROWS && first_row + thread < params.batch) {
        let sample = realization * params.batch + first_row + thread;
        let base = thread * HEAD_CLASSES;
        if (first_row + thread < step.count) {
            let label = label_of(realization, first_row + thread);
            let one = sample_loss(base, sample * params.outputs, label);
            let place = step.slot * params.realizations * params.batch + sample;
            metrics[place] = metrics_of(base, one);
        } else {
            // Rows past the batch's end carry no gradient.
            for (var j = 0u; j < params.outputs; j++) {
                delta[sample * params.outputs + j] = 0.0;
            }
        }
    }
}

// The loss of a step, its gradient δ (R, batch, outputs) in the logits, and the count of correct
// classes; a loss file defines both for one sample. One workgroup a realization, sums in one order.

const LOSS_THREADS: u32 = 128u;

struct Params {
    batch: u32,
    outputs: u32,
    order_stride: u32,
    realizations: u32,
}

struct SampleLoss {
    loss: f32,
    correct: bool,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;
@group(0) @binding(5) var<storage, read_write> metrics: array<vec2<u32>>;

var<workgroup> losses: array<f32, LOSS_THREADS>;
var<workgroup> corrects: array<u32, LOSS_THREADS>;
var<workgroup> bads: array<u32, LOSS_THREADS>;

@compute @workgroup_size(LOSS_THREADS)
fn loss(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let realization = group.y * groups.x + group.x;
    if (realization >= params.realizations) {
        return;
    }
    var loss = 0.0;
    var correct = 0u;
    var bad = false;
    for (var row = thread; row < params.batch; row += LOSS_THREADS) {
        let base = (realization * params.batch + row) * params.outputs;
        if (row < step.count) {
            let sample = order[realization * params.order_stride + step.first + row];
            let label = (labels[sample / 4u] >> (8u * (sample % 4u))) & 255u;
            let one = sample_loss(base, label);
            loss += one.loss;
            correct += u32(one.correct);
            for (var j = 0u; j < params.outputs; j++) {
                bad = bad || non_finite(logits[base + j]);
            }
        } else {
            // Rows past the batch's end carry no gradient.
            for (var j = 0u; j < params.outputs; j++) {
                delta[base + j] = 0.0;
            }
        }
    }
    losses[thread] = loss;
    corrects[thread] = correct;
    bads[thread] = u32(bad);
    workgroupBarrier();
    for (var half = LOSS_THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            losses[thread] += losses[thread + half];
            corrects[thread] += corrects[thread + half];
            bads[thread] |= bads[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        // A batch with an infinite or NaN output reports the bits of NaN, whatever the driver made
        // of the sum.
        let mean = losses[0] / loss_terms();
        let nan = bads[0] != 0u || non_finite(mean);
        let place = step.slot * params.realizations + realization;
        metrics[place] = vec2(select(bitcast<u32>(mean), 0x7fc00000u, nan), corrects[0]);
    }
}

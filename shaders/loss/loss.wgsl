// The loss of each sample of a step, its gradient δ (R, batch, outputs) in the logits, and whether the
// class is right; a loss file defines them for one sample. Each sample has one invocation.
// Hooks: loss (sample_loss).

struct Params {
    batch: u32,
    outputs: u32,
    order_stride: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<Stored>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;
@group(0) @binding(5) var<storage, read_write> metrics: array<vec2<u32>>;

@compute @workgroup_size(ELEMENTS)
fn loss(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let sample = element_index(global, groups);
    if (sample >= params.realizations * params.batch) {
        return;
    }
    let row = sample % params.batch;
    let base = sample * params.outputs;
    if (row < step.count) {
        let one = sample_loss(base, base, sample_of(sample / params.batch, row));
        let place = step.slot * params.realizations * params.batch + sample;
        metrics[place] = metrics_of(base, one);
    } else {
        // Rows past the end of the batch have no gradient.
        for (var j = 0u; j < params.outputs; j++) {
            delta[base + j] = 0.0;
        }
    }
}

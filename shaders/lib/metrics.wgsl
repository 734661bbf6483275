// The metrics of each sample.

struct SampleLoss {
    loss: f32,
    correct: bool,
}

// The position in the data of the sample in a row of the step.
fn sample_of(realization: u32, row: u32) -> u32 {
    return order[realization * params.order_stride + step.first + row];
}

// The pair of a sample: the bits of its loss, and whether its class is right. If an output is infinite or
// NaN, the bits are those of NaN, whatever loss the driver computed.
fn metrics_of(base: u32, one: SampleLoss) -> vec2<u32> {
    var bad = non_finite(one.loss);
    for (var j = 0u; j < params.outputs; j++) {
        bad = bad || non_finite(f32(logits[base + j]));
    }
    return vec2(select(bitcast<u32>(one.loss), 0x7fc00000u, bad), u32(one.correct));
}

// Softmax cross-entropy; δ is that of the mean over the samples, and goes to delta[place …]. The class
// is the first largest logit.

fn sample_loss(base: u32, place: u32, sample: u32) -> SampleLoss {
    let label = targets[sample];
    var best = 0u;
    for (var j = 1u; j < params.outputs; j++) {
        if (f32(logits[base + j]) > f32(logits[base + best])) {
            best = j;
        }
    }
    let largest = f32(logits[base + best]);
    var sum = 0.0;
    for (var j = 0u; j < params.outputs; j++) {
        sum += exp_f32(f32(logits[base + j]) - largest);
    }
    for (var j = 0u; j < params.outputs; j++) {
        let probability = exp_f32(f32(logits[base + j]) - largest) / sum;
        delta[place + j] = (probability - select(0.0, 1.0, j == label)) / f32(step.count);
    }
    return SampleLoss(log_f32(sum) + (largest - f32(logits[base + label])), best == label);
}

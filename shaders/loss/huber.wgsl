// Huber's loss of the values of each sample, with δ = 1, the mean over the outputs: ½d² for |d| < 1, |d| − ½
// beyond. The gradient is that of the mean over samples × outputs, and goes to delta[place …]. Values have no
// class, so none is right.

fn sample_loss(base: u32, place: u32, sample: u32) -> SampleLoss {
    var loss = 0.0;
    for (var j = 0u; j < params.outputs; j++) {
        let value = bitcast<f32>(targets[sample * params.outputs + j]);
        let difference = f32(logits[base + j]) - value;
        // With s = min(|d|, 1), both branches are s · (|d| − s/2).
        let size = abs(difference);
        let small = select(1.0, size, size < 1.0);
        loss += small * (size - 0.5 * small);
        delta[place + j] = select(sign(difference), difference, size < 1.0) / f32(step.count * params.outputs);
    }
    return SampleLoss(loss / f32(params.outputs), false);
}

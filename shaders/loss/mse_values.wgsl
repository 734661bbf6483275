// Squared error to the values of each sample, the mean over the outputs; δ is that of the mean over
// samples × outputs, and goes to delta[place …]. Values have no class, so none is right.

fn sample_loss(base: u32, place: u32, sample: u32) -> SampleLoss {
    var loss = 0.0;
    for (var j = 0u; j < params.outputs; j++) {
        let value = bitcast<f32>(targets[sample * params.outputs + j]);
        let difference = f32(logits[base + j]) - value;
        loss += difference * difference;
        delta[place + j] = 2.0 * difference / f32(step.count * params.outputs);
    }
    return SampleLoss(loss / f32(params.outputs), false);
}

// Squared error to classes, the mean over the outputs; δ is that of the mean over samples × outputs, and goes to
// delta[place …]. Targets are one-hot and the class is the first largest output; with one output the
// target is the label, 0 or 1, and the class is 1 above ½.

fn sample_loss(base: u32, place: u32, sample: u32) -> SampleLoss {
    let label = targets[sample];
    let single = params.outputs == 1u;
    var best = 0u;
    var loss = 0.0;
    for (var j = 0u; j < params.outputs; j++) {
        if (f32(logits[base + j]) > f32(logits[base + best])) {
            best = j;
        }
        let hit = select(j, 1u, single) == label;
        let difference = f32(logits[base + j]) - select(0.0, 1.0, hit);
        loss += difference * difference;
        delta[place + j] = 2.0 * difference / f32(step.count * params.outputs);
    }
    let predicted = select(best, u32(f32(logits[base]) > 0.5), single);
    return SampleLoss(loss / f32(params.outputs), predicted == label);
}

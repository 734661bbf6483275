// Squared error of one output against the label, 0 or 1; the class is 1 above ½.
const OUTPUTS: u32 = 1u;

fn sample_loss(y: vec2<f32>, label: u32) -> SampleLoss {
    let difference = y.x - f32(label);
    let correct = u32(y.x > 0.5) == label;
    return SampleLoss(difference * difference, correct, vec2(2.0 * difference, 0.0));
}

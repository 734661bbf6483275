// Softmax cross-entropy of two outputs; the class is the first largest.
const OUTPUTS: u32 = 2u;

fn sample_loss(y: vec2<f32>, label: u32) -> SampleLoss {
    let higher = y.y > y.x;
    let largest = select(y.x, y.y, higher);
    let e = vec2(exp_f32(y.x - largest), exp_f32(y.y - largest));
    let sum = e.x + e.y;
    let loss = log_f32(sum) + (largest - select(y.x, y.y, label == 1u));
    let target_of = vec2(f32(label == 0u), f32(label == 1u));
    return SampleLoss(loss, u32(higher) == label, e / sum - target_of);
}

// y = ρ(x ∗ weight + bias), bias (R, filters).
@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn epilogue(index: u32, channel: u32, acc: f32) {
    output[index] = rho(acc + bias[channel]);
}

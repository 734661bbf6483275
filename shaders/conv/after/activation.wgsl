// y = ρ(x ∗ weight + bias), bias (R, filters).
// Hooks: activation (rho).
@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn epilogue_operand(channel: u32) -> f32 {
    return bias[channel];
}

fn epilogue(acc: f32, operand: f32) -> f32 {
    return rho(acc + operand);
}

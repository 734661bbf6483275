// z′ = ρ(Wz + b).
// Hooks: activation (rho).
fn epilogue(index: u32, pre_activation: f32, skip: f32) {
    output[index] = Stored(rho(pre_activation));
}

// z′ = ρ(u + Wz + b), u = z or Mz in `skip`.
// Hooks: activation (rho).
fn epilogue(index: u32, pre_activation: f32, skip: f32) {
    output[index] = Stored(rho(skip + pre_activation));
}

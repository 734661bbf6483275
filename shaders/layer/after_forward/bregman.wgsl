// z′ = ρ(ρ⁻¹(clamp(u)) + Wz + b), u = z or Mz in `skip`: the primal form.
// Hooks: activation (rho, rho_inv).
fn epilogue(index: u32, pre_activation: f32, skip: f32) {
    let u = limit(skip, params.clamp_low, params.clamp_high);
    output[index] = Stored(rho(rho_inv(u) + pre_activation));
}

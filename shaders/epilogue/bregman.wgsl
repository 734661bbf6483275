// z′ = ρ(ρ⁻¹(clamp(u)) + Wz + b), u = z or Mz in `skip`: the primal form.
@group(0) @binding(5) var<storage, read> skip: array<f32>;

fn epilogue(index: u32, pre_activation: f32) {
    let u = limit(skip[index], params.clamp_low, params.clamp_high);
    output[index] = rho(rho_inv(u) + pre_activation);
}

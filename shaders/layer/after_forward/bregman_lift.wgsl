// a′ = ρ⁻¹(clamp(u)) + Wz + b, z′ = ρ(a′), u = z or Mz in `skip`: the start of the dual form, at the
// input and at changes of width.
// Hooks: activation (rho, rho_inv), storage (stored_dual).
@group(0) @binding(6) var<storage, read_write> dual: array<Stored>;

fn epilogue(index: u32, pre_activation: f32, skip: f32) {
    let u = limit(skip, params.clamp_low, params.clamp_high);
    let a = limit(rho_inv(u) + pre_activation, -DUAL_MAX, DUAL_MAX);
    dual[index] = stored_dual(a);
    output[index] = Stored(rho(a));
}

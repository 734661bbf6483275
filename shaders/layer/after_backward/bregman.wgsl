// δ = h(z) ∘ δ′W + δ′: h(z) and the 1/h(z) of ρ⁻¹ cancel on the skip path, which is shut where the
// forward pass's clamp of `gate` (z in primal, a in dual form) was active.
// Hooks: activation (rho_slope), operand (delta_element, z_element).
@group(0) @binding(7) var<storage, read> gate: array<Stored>;

fn epilogue_operands(index: u32) -> vec3<f32> {
    return vec3(z_element(index), delta_element(index), f32(gate[index]));
}

fn epilogue(acc: f32, operands: vec3<f32>) -> f32 {
    let open = operands.z >= params.gate_low && operands.z <= params.gate_high;
    return rho_slope(operands.x) * acc + select(0.0, operands.y, open);
}

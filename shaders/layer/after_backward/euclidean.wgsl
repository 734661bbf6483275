// δ = h(z) ∘ (δ′W + δ′).
// Hooks: activation (rho_slope), operand (delta_element, z_element).
fn epilogue_operands(index: u32) -> vec3<f32> {
    return vec3(z_element(index), delta_element(index), 0.0);
}

fn epilogue(acc: f32, operands: vec3<f32>) -> f32 {
    return rho_slope(operands.x) * (acc + operands.y);
}

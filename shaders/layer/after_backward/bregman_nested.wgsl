// dL/dz = δ′W + δ′ / h(z), without the second term where the clamp of z was active: z is the output of
// another activation than this layer's, whose slope another dispatch applies.
// Hooks: operand (delta_element, z_element).
fn epilogue_operands(index: u32) -> vec3<f32> {
    return vec3(z_element(index), delta_element(index), 0.0);
}

fn epilogue(acc: f32, operands: vec3<f32>) -> f32 {
    return acc + mix_gradient(operands.y, operands.x);
}

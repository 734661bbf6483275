// Vectors and elements of the operands of a backward pass, in lines of any length: see lhs_scalar.
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<Stored>;
@group(0) @binding(3) var<storage, read> z: array<Stored>;

fn delta_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4(delta[at.x], delta[at.y], delta[at.z], delta[at.w]);
}

fn weight_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4<f32>(vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]));
}

fn z_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4<f32>(vec4(z[at.x], z[at.y], z[at.z], z[at.w]));
}

fn delta_element(index: u32) -> f32 {
    return delta[index];
}

fn weight_element(index: u32) -> f32 {
    return f32(weight[index]);
}

fn z_element(index: u32) -> f32 {
    return f32(z[index]);
}

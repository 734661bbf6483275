// Vectors and elements of the operands of a backward pass, in lines of any length: see lhs_scalar.
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<Stored>;
@group(0) @binding(3) var<storage, read> z: array<Stored>;

fn delta_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4(delta[at], delta[at + 1u], delta[at + 2u], delta[at + 3u]);
}

fn weight_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4<f32>(vec4(weight[at], weight[at + 1u], weight[at + 2u], weight[at + 3u]));
}

fn z_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4<f32>(vec4(z[at], z[at + 1u], z[at + 2u], z[at + 3u]));
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

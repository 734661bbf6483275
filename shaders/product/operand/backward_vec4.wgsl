// Vectors and elements of the operands of a backward pass, in lines of a multiple of 4: see lhs_vec4.
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<Stored4>;
@group(0) @binding(3) var<storage, read> z: array<Stored4>;

fn delta_vector(start: u32, offset: u32) -> vec4<f32> {
    return delta[start / 4u + offset / 4u];
}

fn weight_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4<f32>(weight[start / 4u + offset / 4u]);
}

fn z_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4<f32>(z[start / 4u + offset / 4u]);
}

fn delta_element(index: u32) -> f32 {
    return delta[index / 4u][index % 4u];
}

fn weight_element(index: u32) -> f32 {
    return f32(weight[index / 4u][index % 4u]);
}

fn z_element(index: u32) -> f32 {
    return f32(z[index / 4u][index % 4u]);
}

// Vectors and elements of what a backward pass reads, in lines of a multiple of 4: see lhs_vec4.
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<Stored4>;
@group(0) @binding(3) var<storage, read> z: array<Stored4>;

fn delta_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let value = delta[(start + min(offset, len - 4u)) / 4u];
    return select(vec4(0.0), value, inside && offset < len);
}

fn weight_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let value = vec4<f32>(weight[(start + min(offset, len - 4u)) / 4u]);
    return select(vec4(0.0), value, inside && offset < len);
}

fn z_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let value = vec4<f32>(z[(start + min(offset, len - 4u)) / 4u]);
    return select(vec4(0.0), value, inside && offset < len);
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

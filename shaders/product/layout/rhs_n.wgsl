// rhs (R, k, n), contiguous across k.
// Hooks: operand (rhs_vector).

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

// The start of the matrix.
fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(realization * size.z * size.y);
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    let start = lines.x + kk * size.y;
    return mat4x4(
        rhs_vector(start, col),
        rhs_vector(start + size.y, col),
        rhs_vector(start + 2u * size.y, col),
        rhs_vector(start + 3u * size.y, col),
    );
}

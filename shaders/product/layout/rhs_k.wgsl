// rhsᵀ, rhs (R, n, k), contiguous along k.
// Hooks: operand (rhs_vector).

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_N);
}

// The starts of four columns.
fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return (vec4(realization * size.y) + four_within(col, size.y)) * size.z;
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return transpose(mat4x4(
        rhs_vector(lines.x, kk),
        rhs_vector(lines.y, kk),
        rhs_vector(lines.z, kk),
        rhs_vector(lines.w, kk),
    ));
}

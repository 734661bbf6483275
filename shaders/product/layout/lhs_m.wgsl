// lhsᵀ, lhs (R, k, m), contiguous across k.
// Hooks: operand (lhs_vector).

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_M);
}

// The start of the matrix.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(realization * size.z * size.x);
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    let start = lines.x + kk * size.x;
    return mat4x4(
        lhs_vector(start, row),
        lhs_vector(start + size.x, row),
        lhs_vector(start + 2u * size.x, row),
        lhs_vector(start + 3u * size.x, row),
    );
}

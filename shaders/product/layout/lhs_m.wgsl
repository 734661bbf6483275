// lhsᵀ, lhs (R, k, m), contiguous across k.
// Hooks: operand (lhs_vector).

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_M);
}

// The start of the matrix.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(realization * size.z * size.x);
}

fn lhs_line(matrix: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = matrix + min(kk, size.z - 1u) * size.x;
    return select(vec4(0.0), lhs_vector(start, row, size.x), kk < size.z);
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return mat4x4(
        lhs_line(lines.x, row, kk, size),
        lhs_line(lines.x, row, kk + 1u, size),
        lhs_line(lines.x, row, kk + 2u, size),
        lhs_line(lines.x, row, kk + 3u, size),
    );
}

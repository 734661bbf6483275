// rhs (R, k, n), contiguous across k.
// Hooks: operand (rhs_vector).

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

// The start of the matrix.
fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(realization * size.z * size.y);
}

fn rhs_line(matrix: u32, col: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = matrix + min(kk, size.z - 1u) * size.y;
    return rhs_vector(start, col, size.y);
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return mat4x4(
        rhs_line(lines.x, col, kk, size),
        rhs_line(lines.x, col, kk + 1u, size),
        rhs_line(lines.x, col, kk + 2u, size),
        rhs_line(lines.x, col, kk + 3u, size),
    );
}

// lhs (R, m, k), contiguous along k.
// Hooks: operand (lhs_vector).

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

// The starts of four rows.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return (vec4(realization * size.x) + four_within(row, size.x)) * size.z;
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return transpose(mat4x4(
        lhs_vector(lines.x, kk),
        lhs_vector(lines.y, kk),
        lhs_vector(lines.z, kk),
        lhs_vector(lines.w, kk),
    ));
}

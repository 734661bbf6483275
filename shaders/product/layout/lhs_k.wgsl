// lhs (R, m, k), contiguous along k.
// Hooks: operand (lhs_vector).

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

// The starts of four rows.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return (vec4(realization * size.x) + within(0u, row, size.x)) * size.z;
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    let exists = below(kk, size.z);
    return transpose(mat4x4(
        select(vec4(0.0), lhs_vector(lines.x, kk, size.z), exists),
        select(vec4(0.0), lhs_vector(lines.y, kk, size.z), exists),
        select(vec4(0.0), lhs_vector(lines.z, kk, size.z), exists),
        select(vec4(0.0), lhs_vector(lines.w, kk, size.z), exists),
    ));
}

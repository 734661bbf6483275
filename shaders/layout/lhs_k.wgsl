// lhs (R, m, k), contiguous along k.

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

fn lhs_line(realization: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = (realization * size.x + min(row, size.x - 1u)) * size.z;
    return lhs_vector(start, kk, size.z, row < size.x);
}

fn lhs_block(realization: u32, row: u32, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    return transpose(mat4x4(
        lhs_line(realization, row, kk, size),
        lhs_line(realization, row + 1u, kk, size),
        lhs_line(realization, row + 2u, kk, size),
        lhs_line(realization, row + 3u, kk, size),
    ));
}

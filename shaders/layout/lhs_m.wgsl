// lhsᵀ, lhs (R, k, m), contiguous across k.

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_M);
}

fn lhs_line(realization: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = (realization * size.z + min(kk, size.z - 1u)) * size.x;
    return lhs_vector(start, row, size.x, kk < size.z);
}

fn lhs_block(realization: u32, row: u32, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    return mat4x4(
        lhs_line(realization, row, kk, size),
        lhs_line(realization, row, kk + 1u, size),
        lhs_line(realization, row, kk + 2u, size),
        lhs_line(realization, row, kk + 3u, size),
    );
}

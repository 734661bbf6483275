// rhs (R, k, n), contiguous across k.

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

fn rhs_line(realization: u32, col: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = (realization * size.z + min(kk, size.z - 1u)) * size.y;
    return rhs_vector(start, col, size.y, kk < size.z);
}

fn rhs_block(realization: u32, col: u32, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    return mat4x4(
        rhs_line(realization, col, kk, size),
        rhs_line(realization, col, kk + 1u, size),
        rhs_line(realization, col, kk + 2u, size),
        rhs_line(realization, col, kk + 3u, size),
    );
}

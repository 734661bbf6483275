// rhsᵀ, rhs (R, n, k), contiguous along k.

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_N);
}

fn rhs_line(realization: u32, col: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let start = (realization * size.y + min(col, size.y - 1u)) * size.z;
    return rhs_vector(start, kk, size.z, col < size.y);
}

fn rhs_block(realization: u32, col: u32, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    return transpose(mat4x4(
        rhs_line(realization, col, kk, size),
        rhs_line(realization, col + 1u, kk, size),
        rhs_line(realization, col + 2u, kk, size),
        rhs_line(realization, col + 3u, kk, size),
    ));
}

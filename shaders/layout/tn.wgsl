// lhsᵀ, lhs (k, m), · rhs (k, n): the weight gradient δᵀ z.
fn lhs_index(row: u32, kk: u32, m: u32, k: u32) -> u32 {
    return kk * m + row;
}

fn rhs_index(kk: u32, col: u32, k: u32, n: u32) -> u32 {
    return kk * n + col;
}

fn lhs_quad(slot: u32) -> vec2<u32> {
    return vec2(slot % (TILE_M / 4u), slot / (TILE_M / 4u));
}

fn rhs_quad(slot: u32) -> vec2<u32> {
    return vec2(slot % (TILE_N / 4u), slot / (TILE_N / 4u));
}

// lhs (m, k) · rhs (k, n): the input gradient δ W.
fn lhs_index(row: u32, kk: u32, m: u32, k: u32) -> u32 {
    return row * k + kk;
}

fn rhs_index(kk: u32, col: u32, k: u32, n: u32) -> u32 {
    return kk * n + col;
}

fn lhs_quad(slot: u32) -> vec2<u32> {
    return vec2(slot / TILE_K, slot % TILE_K);
}

fn rhs_quad(slot: u32) -> vec2<u32> {
    return vec2(slot % (TILE_N / 4u), slot / (TILE_N / 4u));
}

// lhs (m, k) · rhsᵀ, rhs (n, k): the forward product z Wᵀ. Neighbouring invocations load along k,
// where both operands are contiguous.
fn lhs_index(row: u32, kk: u32, m: u32, k: u32) -> u32 {
    return row * k + kk;
}

fn rhs_index(kk: u32, col: u32, k: u32, n: u32) -> u32 {
    return col * k + kk;
}

fn lhs_quad(slot: u32) -> vec2<u32> {
    return vec2(slot / TILE_K, slot % TILE_K);
}

fn rhs_quad(slot: u32) -> vec2<u32> {
    return vec2(slot / TILE_K, slot % TILE_K);
}

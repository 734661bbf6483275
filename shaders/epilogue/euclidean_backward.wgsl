// δ = h(z) ∘ (δ′W + δ′).
fn epilogue(index: u32, acc: f32) -> f32 {
    return rho_slope(z_element(index)) * (acc + delta_element(index));
}

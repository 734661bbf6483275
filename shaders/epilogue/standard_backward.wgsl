// δ = h(z) ∘ δ′W, or h(z) ∘ (δ′W + qM): no skip, or one through M.
fn epilogue(index: u32, acc: f32) -> f32 {
    return rho_slope(z_element(index)) * acc;
}

// δ = h(z) ∘ δ′W: no skip.
fn epilogue(index: u32, acc: f32) -> f32 {
    return rho_slope(z[index]) * acc;
}

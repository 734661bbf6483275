// δ = h(z) ∘ (δ′W + s), s in `skip`: δ′ itself, δ′M, or qM of a Bregman layer.
@group(0) @binding(5) var<storage, read> skip: array<f32>;

fn epilogue(index: u32, acc: f32) -> f32 {
    return rho_slope(z[index]) * (acc + skip[index]);
}

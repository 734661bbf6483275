// h(z) ∘ the gradient, with z in `active_z`: the gradient before the activation.
// Hooks: activation (rho_slope).
@group(0) @binding(4) var<storage, read> active_z: array<f32>;

fn epilogue(index: u32, sum: f32) {
    output[index] = rho_slope(active_z[index]) * sum;
}

// a′ = a + Wz + b, z′ = ρ(a′), a₀ = ρ⁻¹(clamp(x)): the dual form.
// Hooks: activation (rho_inv).

fn dual_input(point: vec2<f32>) -> vec2<f32> {
    let x = limit_pair(point, params.clamp_low, params.clamp_high);
    return vec2(rho_inv(x.x), rho_inv(x.y));
}

fn with_skip(z: vec2<f32>, a: vec2<f32>, affine: vec2<f32>) -> vec2<f32> {
    return limit_pair(a + affine, -DUAL_MAX, DUAL_MAX);
}

fn delta_below(z: vec2<f32>, a: vec2<f32>, g: vec2<f32>, delta: vec2<f32>) -> vec2<f32> {
    // Clamping reaches only a finite bound.
    let open = (abs(a) < vec2(DUAL_MAX)) | vec2(DUAL_MAX >= F32_MAX);
    return slope(z) * g + select(vec2(0.0), delta, open);
}

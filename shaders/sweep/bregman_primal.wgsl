// z′ = ρ(ρ⁻¹(clamp(z)) + Wz + b): the primal form. h(z) and the 1/h(z) of ρ⁻¹ cancel on the skip path.
// Hooks: activation (rho_inv).

fn dual_input(point: vec2<f32>) -> vec2<f32> {
    return vec2(0.0);
}

fn with_skip(z: vec2<f32>, a: vec2<f32>, affine: vec2<f32>) -> vec2<f32> {
    let u = limit_pair(z, params.clamp_low, params.clamp_high);
    return vec2(rho_inv(u.x), rho_inv(u.y)) + affine;
}

fn delta_below(z: vec2<f32>, a: vec2<f32>, g: vec2<f32>, delta: vec2<f32>) -> vec2<f32> {
    let open = (z >= vec2(params.clamp_low)) & (z <= vec2(params.clamp_high));
    return slope(z) * g + select(vec2(0.0), delta, open);
}

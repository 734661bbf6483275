// Limits and slopes of two neurons.
// Hooks: activation (rho_slope).

fn limit_pair(x: vec2<f32>, low: f32, high: f32) -> vec2<f32> {
    return vec2(limit(x.x, low, high), limit(x.y, low, high));
}

fn slope(z: vec2<f32>) -> vec2<f32> {
    return vec2(rho_slope(z.x), rho_slope(z.y));
}

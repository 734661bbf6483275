// q of a Bregman layer: δ′ / h(u), 0 where the clamp of u = Mz was active.
// Hooks: activation (rho_slope).
fn mix_gradient(delta: f32, u: f32) -> f32 {
    let open = u >= params.gate_low && u <= params.gate_high;
    // The slope of the clamped u keeps the branch that is not chosen finite.
    let slope = rho_slope(limit(u, params.gate_low, params.gate_high));
    return select(0.0, delta / slope, open);
}

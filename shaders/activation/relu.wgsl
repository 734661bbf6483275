// relu: rho(a) = max(a, 0), h(z) = 1 where z > 0, for convolutions only; it has no inverse.
// Range [0, ∞). NaN passes, so that a diverged run stays visible.
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return select(a, 0.0, a < 0.0);
}

fn rho_inv(z: f32) -> f32 {
    return z;
}

fn rho_slope(z: f32) -> f32 {
    return select(0.0, 1.0, z > 0.0);
}

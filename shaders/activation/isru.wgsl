// isru: rho(a) = a / sqrt(1 + a^2), h(z) = (1 - z^2)^(3/2).
// Range [-1, 1].
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return isru_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return isru_inv_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return isru_slope(z);
}

// tanh: rho(a) = tanh(a), h(z) = (1 - z) (1 + z).
// Range [-1, 1].
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return tanh_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return artanh_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return tanh_slope(z);
}

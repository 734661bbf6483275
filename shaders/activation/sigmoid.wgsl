// sigmoid: rho(a) = 1 / (1 + exp(-a)), h(z) = z (1 - z).
// Range [0, 1].
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return sigmoid_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return logit_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return sigmoid_slope(z);
}

// softplus, beta = 1: rho(a) = log(1 + exp(a)), h(z) = 1 - exp(-z).
// Range [0, inf).
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return softplus_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return softplus_inv_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return softplus_slope(z);
}

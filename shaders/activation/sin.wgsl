// sin: rho(a) = sin(a) for a within +-pi/2, h(z) = sqrt(1 - z^2).
// Range [-1, 1]; its potential is not Legendre, so the dual variable is clamped.
const DUAL_MAX: f32 = 1.5707964;

fn rho(a: f32) -> f32 {
    return sin_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return asin_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return sin_slope(z);
}

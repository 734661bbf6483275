// arcsinh: rho(a) = asinh(a), h(z) = 1 / cosh(z).
// Range all reals.
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return asinh_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return sinh_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return arcsinh_slope(z);
}

// scaled-arctan: rho(a) = (2/pi) atan(a), h(z) = (2/pi) cos^2(pi z/2).
// Range (-1, 1).
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return scaled_arctan_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return scaled_arctan_inv_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return scaled_arctan_slope(z);
}

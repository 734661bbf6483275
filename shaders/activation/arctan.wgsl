// arctan: rho(a) = atan(a), h(z) = cos^2 z.
// Range (-pi/2, pi/2).
const DUAL_MAX: f32 = 3.4028235e38;

fn rho(a: f32) -> f32 {
    return atan_f32(a);
}

fn rho_inv(z: f32) -> f32 {
    return tan_f32(z);
}

fn rho_slope(z: f32) -> f32 {
    return arctan_slope(z);
}

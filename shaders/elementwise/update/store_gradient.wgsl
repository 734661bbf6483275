// The gradient itself, for another kernel to use.
fn updated(realization: u32, place: u32, parameter: f32, gradient: f32) -> f32 {
    return gradient;
}

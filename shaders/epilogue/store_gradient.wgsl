// The gradient itself.
fn epilogue(index: u32, gradient: f32) {
    parameter[index] = gradient;
}

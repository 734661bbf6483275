// parameter −= learning_rate · gradient, without a gradient buffer.
fn epilogue(index: u32, gradient: f32) {
    parameter[index] -= params.learning_rate * gradient;
}

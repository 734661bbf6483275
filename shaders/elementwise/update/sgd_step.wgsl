// parameter − learning_rate · gradient, without a gradient buffer.
fn epilogue(parameter: f32, gradient: f32) -> f32 {
    return parameter - params.learning_rate * gradient;
}

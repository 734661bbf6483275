// The parameter after a step of SGD, without a buffer for the gradient.
fn epilogue(parameter: f32, gradient: f32) -> f32 {
    return parameter - params.learning_rate * gradient;
}

// Weights and activations are stored in single precision, like all arithmetic.
alias Stored = f32;
alias Stored4 = vec4<f32>;

// A dual variable.
fn stored_dual(a: f32) -> Stored {
    return a;
}

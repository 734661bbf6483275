// How weights and activations lie in memory: in single precision, which all is computed in.
alias Stored = f32;
alias Stored4 = vec4<f32>;

// A dual variable.
fn stored_dual(a: f32) -> Stored {
    return a;
}

// Weights and activations are stored in half precision; all arithmetic is in single precision.
enable f16;

alias Stored = f16;
alias Stored4 = vec4<f16>;

// A dual variable: ρ⁻¹ near an end of the range may exceed the largest number, 65504, and is clamped to it;
// NaN stays NaN.
fn stored_dual(a: f32) -> Stored {
    return f16(select(select(a, 65504.0, a > 65504.0), -65504.0, a < -65504.0));
}

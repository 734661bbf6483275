// y = x ∗ weight.
fn epilogue(index: u32, channel: u32, acc: f32) {
    output[index] = acc;
}

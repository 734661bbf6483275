// z′ = Wz + b: the head.
fn epilogue(index: u32, pre_activation: f32, skip: f32) {
    output[index] = Stored(pre_activation);
}

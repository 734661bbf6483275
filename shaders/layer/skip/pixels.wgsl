// The skip path of the first layer is the batch itself, which has the width of the output.
fn skip_element(index: u32) -> f32 {
    let row = index / params.inputs;
    let byte = sample_start(row / params.batch, row % params.batch) + index % params.inputs;
    return select(0.0, pixel(byte), row % params.batch < step.count);
}

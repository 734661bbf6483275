// The skip path of the first layer is the batch itself, which has the width of the output.
// Hooks: input (input_value).
fn skip_element(index: u32) -> f32 {
    let row = index / params.inputs;
    let at = sample_start(row / params.batch, row % params.batch) + index % params.inputs;
    return select(0.0, input_value(at), row % params.batch < step.count);
}

// The batch of a step, read from the data set's bytes in the realization's order (order_stride
// apart; 0 where all share one); rows past the step's count are 0.
@group(0) @binding(7) var<storage, read> pixels: array<u32>;
@group(0) @binding(8) var<storage, read> pixel_values: array<f32>;
@group(0) @binding(9) var<storage, read> order: array<u32>;

// The first byte of the sample in a row.
fn sample_start(realization: u32, row: u32) -> u32 {
    let place = step.first + min(row, step.count - 1u);
    return order[realization * params.order_stride + place] * params.inputs;
}

fn pixel(byte: u32) -> f32 {
    return pixel_values[(pixels[byte / 4u] >> (8u * (byte % 4u))) & 255u];
}

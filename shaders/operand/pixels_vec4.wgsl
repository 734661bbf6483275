// lhs, whose lines are samples of a multiple of 4 pixels: one word a vector. The workgroups of the
// first column leave the batch in z for the backward pass.
@group(0) @binding(1) var<storage, read_write> z: array<Stored4>;

fn lhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let line = start / len;
    let row = line % params.batch;
    let byte = sample_start(line / params.batch, row) + min(offset, len - 4u);
    let word = pixels[byte / 4u];
    let value = select(
        vec4(0.0),
        vec4(
            pixel_values[word & 255u],
            pixel_values[word >> 8u & 255u],
            pixel_values[word >> 16u & 255u],
            pixel_values[word >> 24u],
        ),
        inside && row < step.count && offset < len,
    );
    if (first_column && inside && offset < len) {
        z[(start + offset) / 4u] = Stored4(value);
    }
    return value;
}

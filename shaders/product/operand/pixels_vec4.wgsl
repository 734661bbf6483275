// lhs is the batch, one sample to a line of a multiple of 4 pixels, four to a word. The words of a stage are
// loaded while the stage before is multiplied, and looked up when the stage is written. The workgroups of
// the first column write the batch to z for the backward pass.
@group(0) @binding(1) var<storage, read_write> z: array<Stored4>;

var<private> words: vec4<u32>;

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    let at = lines / 4u + vec4(kk / 4u);
    words = vec4(pixels[at.x], pixels[at.y], pixels[at.z], pixels[at.w]);
    return mat4x4<f32>();
}

fn pixel_line(word: u32, realization: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let inside = row < size.x && kk < size.z;
    let value = select(
        vec4(0.0),
        vec4(
            pixel_values[word & 255u],
            pixel_values[(word >> 8u) & 255u],
            pixel_values[(word >> 16u) & 255u],
            pixel_values[word >> 24u],
        ),
        inside && row < step.count,
    );
    if (first_column && inside) {
        z[((realization * size.x + row) * size.z + kk) / 4u] = Stored4(value);
    }
    return value;
}

fn finish_lhs(
    block: mat4x4<f32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return transpose(mat4x4(
        pixel_line(words.x, realization, row, kk, size),
        pixel_line(words.y, realization, row + 1u, kk, size),
        pixel_line(words.z, realization, row + 2u, kk, size),
        pixel_line(words.w, realization, row + 3u, kk, size),
    ));
}

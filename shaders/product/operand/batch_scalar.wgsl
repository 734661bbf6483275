// lhs is the batch, one sample to a line. The workgroups of the first column write it to z for the backward
// pass.
// Hooks: input (input_value).
@group(0) @binding(1) var<storage, read_write> z: array<Stored>;

fn sample_line(start: u32, realization: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let at = start + kk;
    let value = select(
        vec4(0.0),
        vec4(input_value(at), input_value(at + 1u), input_value(at + 2u), input_value(at + 3u)),
        row < step.count,
    );
    if (first_column && row < size.x) {
        for (var i = kk; i < min(kk + 4u, size.z); i++) {
            z[(realization * size.x + row) * size.z + i] = Stored(value[i - kk]);
        }
    }
    return value;
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    return transpose(mat4x4(
        sample_line(lines.x, realization, row, kk, size),
        sample_line(lines.y, realization, row + 1u, kk, size),
        sample_line(lines.z, realization, row + 2u, kk, size),
        sample_line(lines.w, realization, row + 3u, kk, size),
    ));
}

// lhs is the batch, one sample to a line. The workgroups of the first column write it to z for the backward
// pass.
// Hooks: input (input_value).
@group(0) @binding(1) var<storage, read_write> z: array<Stored>;

fn sample_line(start: u32, realization: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let at = within(start, kk, size.z);
    let exists = below(kk, select(0u, size.z, row < size.x));
    let value = select(
        vec4(0.0),
        vec4(input_value(at.x), input_value(at.y), input_value(at.z), input_value(at.w)),
        exists & vec4(row < step.count),
    );
    if (first_column) {
        for (var i = 0u; i < 4u; i++) {
            if (exists[i]) {
                z[(realization * size.x + row) * size.z + kk + i] = Stored(value[i]);
            }
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

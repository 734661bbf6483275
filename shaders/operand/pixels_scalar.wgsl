// lhs, whose lines are samples. The workgroups of the first column leave the batch in z for the
// backward pass.
@group(0) @binding(1) var<storage, read_write> z: array<Stored>;

fn lhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let line = start / len;
    let row = line % params.batch;
    let byte = within(sample_start(line / params.batch, row), offset, len);
    let exists = below(offset, select(0u, len, inside));
    let value = select(
        vec4(0.0),
        vec4(pixel(byte.x), pixel(byte.y), pixel(byte.z), pixel(byte.w)),
        exists & vec4(row < step.count),
    );
    if (first_column) {
        for (var i = 0u; i < 4u; i++) {
            if (exists[i]) {
                z[start + offset + i] = Stored(value[i]);
            }
        }
    }
    return value;
}

// Elements offset … offset + 3 of a line of `lhs` that begins at start, in one load; both are multiples of 4. Past
// the line's end they may be anything.
@group(0) @binding(1) var<storage, read> lhs: array<Stored4>;

fn lhs_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4<f32>(lhs[start / 4u + offset / 4u]);
}

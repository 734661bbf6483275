// Elements offset … offset + 3 of a line of `lhs` that begins at start, in one load. Its length len is a
// multiple of 4; past its end, the last four elements.
@group(0) @binding(1) var<storage, read> lhs: array<Stored4>;

fn lhs_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    return vec4<f32>(lhs[start / 4u + min(offset, len - 4u) / 4u]);
}

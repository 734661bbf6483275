// Elements offset … offset + 3 of a line of `lhs` that begins at start and is len long, a multiple of
// 4, in one load; 0 past its end and for lines that are not inside.
@group(0) @binding(1) var<storage, read> lhs: array<Stored4>;

fn lhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let value = vec4<f32>(lhs[(start + min(offset, len - 4u)) / 4u]);
    return select(vec4(0.0), value, inside && offset < len);
}

// Elements offset … offset + 3 of a line of `lhs` of length len that begins at start; past its end, the
// last element.
@group(0) @binding(1) var<storage, read> lhs: array<Stored>;

fn lhs_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4<f32>(vec4(lhs[at.x], lhs[at.y], lhs[at.z], lhs[at.w]));
}

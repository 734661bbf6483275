// Elements offset … offset + 3 of a line of `lhs` that begins at start and is len long; 0 past its end
// and for lines that are not inside.
@group(0) @binding(1) var<storage, read> lhs: array<Stored>;

fn lhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let at = within(start, offset, len);
    let value = vec4<f32>(vec4(lhs[at.x], lhs[at.y], lhs[at.z], lhs[at.w]));
    return select(vec4(0.0), value, below(offset, select(0u, len, inside)));
}

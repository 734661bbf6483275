// Elements offset … offset + 3 of a line of `rhs` that begins at start and is len long; 0 past its end
// and for lines that are not inside.
@group(0) @binding(2) var<storage, read> rhs: array<Stored>;

fn rhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let at = within(start, offset, len);
    let value = vec4<f32>(vec4(rhs[at.x], rhs[at.y], rhs[at.z], rhs[at.w]));
    return select(vec4(0.0), value, below(offset, select(0u, len, inside)));
}

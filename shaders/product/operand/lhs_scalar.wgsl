// Elements offset … offset + 3 of a line of `lhs` that begins at start. Past the line's end they may be anything.
@group(0) @binding(1) var<storage, read> lhs: array<Stored>;

fn lhs_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4<f32>(vec4(lhs[at], lhs[at + 1u], lhs[at + 2u], lhs[at + 3u]));
}

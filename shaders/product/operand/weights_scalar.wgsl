// `rhs` or, if `mixing`, `mix`, a matrix of the same shape; otherwise like rhs_scalar.
@group(0) @binding(2) var<storage, read> rhs: array<Stored>;
@group(0) @binding(7) var<storage, read> mix: array<Stored>;

fn rhs_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    if (mixing) {
        return vec4<f32>(vec4(mix[at.x], mix[at.y], mix[at.z], mix[at.w]));
    }
    return vec4<f32>(vec4(rhs[at.x], rhs[at.y], rhs[at.z], rhs[at.w]));
}

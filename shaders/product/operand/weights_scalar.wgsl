// `rhs` or, if `mixing`, `mix`, a matrix of the same shape; otherwise like rhs_scalar.
@group(0) @binding(2) var<storage, read> rhs: array<Stored>;
@group(0) @binding(7) var<storage, read> mix: array<Stored>;

fn rhs_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    if (mixing) {
        return vec4<f32>(vec4(mix[at], mix[at + 1u], mix[at + 2u], mix[at + 3u]));
    }
    return vec4<f32>(vec4(rhs[at], rhs[at + 1u], rhs[at + 2u], rhs[at + 3u]));
}

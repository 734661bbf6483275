// `rhs` or, if `mixing`, `mix`, a matrix of the same shape; otherwise like rhs_vec4.
@group(0) @binding(2) var<storage, read> rhs: array<Stored4>;
@group(0) @binding(7) var<storage, read> mix: array<Stored4>;

fn rhs_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start / 4u + offset / 4u;
    if (mixing) {
        return vec4<f32>(mix[at]);
    }
    return vec4<f32>(rhs[at]);
}

// `rhs` and `mix`, matrices of one shape, of which `mixing` names the one meant: as rhs_vec4 otherwise.
@group(0) @binding(2) var<storage, read> rhs: array<Stored4>;
@group(0) @binding(7) var<storage, read> mix: array<Stored4>;

fn rhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let at = (start + min(offset, len - 4u)) / 4u;
    var value: vec4<f32>;
    if (mixing) {
        value = vec4<f32>(mix[at]);
    } else {
        value = vec4<f32>(rhs[at]);
    }
    return select(vec4(0.0), value, inside && offset < len);
}

// `rhs` and `mix`, matrices of one shape, of which `mixing` names the one meant: as rhs_scalar
// otherwise.
@group(0) @binding(2) var<storage, read> rhs: array<Stored>;
@group(0) @binding(7) var<storage, read> mix: array<Stored>;

fn rhs_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let at = within(start, offset, len);
    var value: vec4<f32>;
    if (mixing) {
        value = vec4<f32>(vec4(mix[at.x], mix[at.y], mix[at.z], mix[at.w]));
    } else {
        value = vec4<f32>(vec4(rhs[at.x], rhs[at.y], rhs[at.z], rhs[at.w]));
    }
    return select(vec4(0.0), value, below(offset, select(0u, len, inside)));
}

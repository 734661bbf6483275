// `rhs`, in lines of any length: see lhs_scalar.
@group(0) @binding(2) var<storage, read> rhs: array<Stored>;

fn rhs_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4<f32>(vec4(rhs[at], rhs[at + 1u], rhs[at + 2u], rhs[at + 3u]));
}

// `rhs`, in lines of any length: see lhs_scalar.
@group(0) @binding(2) var<storage, read> rhs: array<Stored>;

fn rhs_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4<f32>(vec4(rhs[at.x], rhs[at.y], rhs[at.z], rhs[at.w]));
}

// `rhs`, in lines of a multiple of 4: see lhs_vec4.
@group(0) @binding(2) var<storage, read> rhs: array<Stored4>;

fn rhs_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4<f32>(rhs[start / 4u + offset / 4u]);
}

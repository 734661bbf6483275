// Vectors of u = Mz and M, in lines of a multiple of 4: see lhs_vec4.
@group(0) @binding(7) var<storage, read> u: array<Stored4>;
@group(0) @binding(8) var<storage, read> mix: array<Stored4>;

fn u_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4<f32>(u[start / 4u + offset / 4u]);
}

fn mix_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4<f32>(mix[start / 4u + offset / 4u]);
}

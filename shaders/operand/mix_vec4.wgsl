// Vectors of u = Mz and M, in lines of a multiple of 4: see lhs_vec4.
@group(0) @binding(7) var<storage, read> u: array<Stored4>;
@group(0) @binding(8) var<storage, read> mix: array<Stored4>;

fn u_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let value = vec4<f32>(u[(start + min(offset, len - 4u)) / 4u]);
    return select(vec4(0.0), value, inside && offset < len);
}

fn mix_vector(start: u32, offset: u32, len: u32, inside: bool) -> vec4<f32> {
    let value = vec4<f32>(mix[(start + min(offset, len - 4u)) / 4u]);
    return select(vec4(0.0), value, inside && offset < len);
}

// Vectors of u = Mz and M, in lines of any length: see lhs_scalar.
@group(0) @binding(7) var<storage, read> u: array<Stored>;
@group(0) @binding(8) var<storage, read> mix: array<Stored>;

fn u_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4<f32>(vec4(u[at], u[at + 1u], u[at + 2u], u[at + 3u]));
}

fn mix_vector(start: u32, offset: u32) -> vec4<f32> {
    let at = start + offset;
    return vec4<f32>(vec4(mix[at], mix[at + 1u], mix[at + 2u], mix[at + 3u]));
}

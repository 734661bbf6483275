// Vectors of u = Mz and M, in lines of any length: see lhs_scalar.
@group(0) @binding(7) var<storage, read> u: array<Stored>;
@group(0) @binding(8) var<storage, read> mix: array<Stored>;

fn u_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4<f32>(vec4(u[at.x], u[at.y], u[at.z], u[at.w]));
}

fn mix_vector(start: u32, offset: u32, len: u32) -> vec4<f32> {
    let at = within(start, offset, len);
    return vec4<f32>(vec4(mix[at.x], mix[at.y], mix[at.z], mix[at.w]));
}

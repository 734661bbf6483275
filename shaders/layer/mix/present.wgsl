// A skip path through M: q, the gradient in u = Mz, is computed from δ′ and u as they are loaded.
// Hooks: mix (mix_gradient), operand (delta_vector, u_vector).
const MIXES: bool = true;

fn q_vector(start: u32, offset: u32) -> vec4<f32> {
    let delta = delta_vector(start, offset);
    let u = u_vector(start, offset);
    return vec4(
        mix_gradient(delta.x, u.x),
        mix_gradient(delta.y, u.y),
        mix_gradient(delta.z, u.z),
        mix_gradient(delta.w, u.w),
    );
}

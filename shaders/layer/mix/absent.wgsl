// No skip path through M.
const MIXES: bool = false;

fn q_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4(0.0);
}

fn mix_vector(start: u32, offset: u32) -> vec4<f32> {
    return vec4(0.0);
}

// The moments m and s of Adam, and its step without the learning rate.
@group(0) @binding(14) var<storage, read_write> state: array<vec2<f32>>;

fn adam(place: u32, gradient: f32) -> f32 {
    let old = state[place];
    let m = step.beta_1 * old.x + step.rest_1 * gradient;
    let s = step.beta_2 * old.y + step.rest_2 * (gradient * gradient);
    state[place] = vec2(m, s);
    return step.unbias_1 * m / (sqrt(s) * step.unbias_2 + step.epsilon);
}

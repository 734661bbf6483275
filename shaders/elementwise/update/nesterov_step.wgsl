// w − η(g′ + μv) with g′ = g + λw and v = μv + g′: Nesterov's momentum.
@group(0) @binding(14) var<storage, read_write> state: array<f32>;

fn updated(realization: u32, place: u32, parameter: f32, gradient: f32) -> f32 {
    let run = runs[realization];
    let decayed = gradient + run.z * parameter;
    let velocity = run.y * state[place] + decayed;
    state[place] = velocity;
    return parameter - step.factor * run.x * (decayed + run.y * velocity);
}

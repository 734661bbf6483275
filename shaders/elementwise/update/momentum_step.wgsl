// w − ηv with v = μv + g + λw: stochastic gradient descent with momentum.
@group(0) @binding(14) var<storage, read_write> state: array<f32>;

fn updated(realization: u32, place: u32, parameter: f32, gradient: f32) -> f32 {
    let run = runs[realization];
    let velocity = run.y * state[place] + (gradient + run.z * parameter);
    state[place] = velocity;
    return parameter - step.factor * run.x * velocity;
}

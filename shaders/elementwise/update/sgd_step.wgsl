// w − η(g + λw): stochastic gradient descent, without a buffer for the gradient.
fn updated(realization: u32, place: u32, parameter: f32, gradient: f32) -> f32 {
    let run = runs[realization];
    return parameter - step.factor * run.x * (gradient + run.z * parameter);
}

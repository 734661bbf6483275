// Adam, with the weight decay in the gradient.
fn updated(realization: u32, place: u32, parameter: f32, gradient: f32) -> f32 {
    let run = runs[realization];
    let moved = adam(place, gradient + run.z * parameter);
    return parameter - step.factor * run.x * moved;
}

// AdamW, with the weight decay apart from the gradient.
fn updated(realization: u32, place: u32, parameter: f32, gradient: f32) -> f32 {
    let run = runs[realization];
    let rate = step.factor * run.x;
    return (1.0 - rate * run.z) * parameter - rate * adam(place, gradient);
}

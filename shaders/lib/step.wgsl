// The samples of a step are order[first .. first + count]; its metrics go to place `slot`. `number` counts
// the run's training steps from 0, and `factor` multiplies the learning rates. The rest is Adam's: the
// betas, 1 minus each of them, the reciprocal of 1 − β₁ᵗ, that of √(1 − β₂ᵗ), and ε.
struct Step {
    first: u32,
    count: u32,
    slot: u32,
    number: u32,
    factor: f32,
    beta_1: f32,
    beta_2: f32,
    rest_1: f32,
    rest_2: f32,
    unbias_1: f32,
    unbias_2: f32,
    epsilon: f32,
}

@group(1) @binding(0) var<uniform> step: Step;

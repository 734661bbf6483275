// z′ = ρ(Wz + b).

fn dual_input(point: vec2<f32>) -> vec2<f32> {
    return vec2(0.0);
}

fn with_skip(z: vec2<f32>, a: vec2<f32>, affine: vec2<f32>) -> vec2<f32> {
    return affine;
}

fn delta_below(z: vec2<f32>, a: vec2<f32>, g: vec2<f32>, delta: vec2<f32>) -> vec2<f32> {
    return slope(z) * g;
}

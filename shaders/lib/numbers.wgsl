// Tests and limits that let NaN through, so that a diverged run stays visible. Float comparisons
// cannot find NaN portably; exponent bits can.

fn non_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

fn limit(x: f32, low: f32, high: f32) -> f32 {
    return select(select(x, high, x > high), low, x < low);
}

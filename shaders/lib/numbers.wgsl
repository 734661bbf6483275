// Tests and limits that keep NaN, so that a diverged run stays visible. Comparisons of floats do not find
// NaN on all adapters; the exponent's bits do.

fn non_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

fn limit(x: f32, low: f32, high: f32) -> f32 {
    return select(select(x, high, x > high), low, x < low);
}

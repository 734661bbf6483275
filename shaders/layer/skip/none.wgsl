// No skip path.
fn skip_element(index: u32) -> f32 {
    return 0.0;
}

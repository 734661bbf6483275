// The skip path's variable, (R, batch, out).
@group(0) @binding(5) var<storage, read> skip: array<f32>;

fn skip_element(index: u32) -> f32 {
    return skip[index];
}

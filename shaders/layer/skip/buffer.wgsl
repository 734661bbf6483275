// The skip path's variable, (R, batch, out).
@group(0) @binding(5) var<storage, read> skip: array<Stored>;

fn skip_element(index: u32) -> f32 {
    return f32(skip[index]);
}

// The inputs of the data set are bytes, four to a word, and pixel_values has the value of each byte.
@group(0) @binding(7) var<storage, read> pixels: array<u32>;
@group(0) @binding(8) var<storage, read> pixel_values: array<f32>;

fn input_value(index: u32) -> f32 {
    return pixel_values[(pixels[index / 4u] >> (8u * (index % 4u))) & 255u];
}

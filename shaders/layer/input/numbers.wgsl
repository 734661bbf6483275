// The inputs of the data set are numbers.
@group(0) @binding(7) var<storage, read> numbers: array<f32>;

fn input_value(index: u32) -> f32 {
    return numbers[index];
}

// lhs is the batch of a step, one sample to a line, gathered from the data set's inputs in the
// realization's order (order_stride apart; 0 if all share one). Rows past the step's count are 0.
@group(0) @binding(9) var<storage, read> order: array<u32>;

// The first input of the sample in a row.
fn sample_start(realization: u32, row: u32) -> u32 {
    let place = step.first + min(row, step.count - 1u);
    return order[realization * params.order_stride + place] * params.inputs;
}

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

// The first inputs of four samples.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    let rows = four_within(row, params.batch);
    return vec4(
        sample_start(realization, rows.x),
        sample_start(realization, rows.y),
        sample_start(realization, rows.z),
        sample_start(realization, rows.w),
    );
}

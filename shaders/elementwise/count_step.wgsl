// Counts the training steps: dropout draws its numbers by the step.
// Hooks: none.

struct Params {
    steps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> counter: array<u32>;

@compute @workgroup_size(1)
fn count_step() {
    counter[0] += params.steps;
}

// The samples of a step are order[first .. first + count]; its metrics go to place `slot`.
struct Step {
    first: u32,
    count: u32,
    slot: u32,
}

@group(1) @binding(0) var<uniform> step: Step;

// The settings in which realizations may differ: learning rate, momentum, weight decay.
const MOST_RUNS: u32 = 1024u;

@group(0) @binding(15) var<uniform> runs: array<vec4<f32>, MOST_RUNS>;

// Measures how fast an adapter multiplies and adds: each invocation has eight independent chains of vectors,
// with 64 rounds of 8 · 4 FMAs, on numbers that stay near 1.
// Hooks: none.

const PEAK_THREADS: u32 = 256u;
const PEAK_ROUNDS: u32 = 64u;

struct Params {
    factor: f32,
    summand: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(PEAK_THREADS)
fn fma_peak(@builtin(global_invocation_id) global: vec3<u32>) {
    let start = vec4(1.0, 1.1, 1.2, 1.3) + vec4(f32(global.x % 7u));
    let a = vec4(params.factor);
    let b = vec4(params.summand);
    var x0 = start;
    var x1 = start + 0.01;
    var x2 = start + 0.02;
    var x3 = start + 0.03;
    var x4 = start + 0.04;
    var x5 = start + 0.05;
    var x6 = start + 0.06;
    var x7 = start + 0.07;
    for (var round = 0u; round < PEAK_ROUNDS; round++) {
        x0 = x0 * a + b;
        x1 = x1 * a + b;
        x2 = x2 * a + b;
        x3 = x3 * a + b;
        x4 = x4 * a + b;
        x5 = x5 * a + b;
        x6 = x6 * a + b;
        x7 = x7 * a + b;
    }
    let sum = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7;
    output[global.x] = sum.x + sum.y + sum.z + sum.w;
}

// output (R, len / R) = input with each number left out with a probability, the others times `kept`;
// which, is a function of seed + realization, step and place alone: Philox4x32-10, the twin of
// src/rng.rs. Probability 0 copies.

struct Params {
    len: u32,
    row_len: u32,
    seed_low: u32,
    seed_high: u32,
    first_step: u32,
    purpose: u32,
    probability: f32,
    kept: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> counter: array<u32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// The upper 32 bits of a · b.
fn mul_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let middle = a_high * b_low + (a_low * b_low >> 16u);
    let other = a_low * b_high + (middle & 0xffffu);
    return a_high * b_high + (middle >> 16u) + (other >> 16u);
}

fn philox4x32_10(first: vec4<u32>, first_key: vec2<u32>) -> vec4<u32> {
    var c = first;
    var key = first_key;
    for (var round = 0u; round < 10u; round++) {
        c = vec4(
            mul_high(c.z, 0xcd9e8d57u) ^ c.y ^ key.x,
            c.z * 0xcd9e8d57u,
            mul_high(c.x, 0xd2511f53u) ^ c.w ^ key.y,
            c.x * 0xd2511f53u,
        );
        key += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}

@compute @workgroup_size(ELEMENTS)
fn dropout(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.len) {
        return;
    }
    let realization = index / params.row_len;
    let place = index % params.row_len;
    let low = params.seed_low + realization;
    let carry = select(0u, 1u, low < realization);
    let counters = vec4(place / 4u, 0u, params.purpose, params.first_step + counter[0]);
    let bits = philox4x32_10(counters, vec2(low, params.seed_high + carry));
    // Uniform on [0, 1), a multiple of 2⁻²⁴.
    let uniform_value = f32(bits[place % 4u] >> 8u) * 5.9604645e-8;
    let stays = uniform_value >= params.probability;
    output[index] = select(0.0, input[index] * params.kept, stays);
}

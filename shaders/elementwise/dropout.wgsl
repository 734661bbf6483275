// output (R, len / R) = input, each number 0 with a probability, else times `kept`. Which numbers are
// dropped depends on the realization's seed, step and place only. Probability 0 copies.
// Hooks: none.

struct Params {
    len: u32,
    row_len: u32,
    purpose: u32,
    probability: f32,
    kept: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> seeds: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

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
    let bits = random_bits(seeds[realization], params.purpose, step.number, place / 4u);
    let stays = uniform_of(bits[place % 4u]) >= params.probability;
    output[index] = select(0.0, input[index] * params.kept, stays);
}

// output = input, as fast as the memory allows: an invocation reads EACH vectors before it writes the first,
// because a single vector leaves a card's memory waiting. Neighbouring invocations copy neighbouring
// vectors of a workgroup's part, which has EACH · ELEMENTS vectors.
// Hooks: none.

const EACH: u32 = 4u;

struct Params {
    vectors: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(ELEMENTS)
fn copy(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = element_index(global, groups) / ELEMENTS;
    let first = group * (EACH * ELEMENTS) + local;
    let last = first + (EACH - 1u) * ELEMENTS;
    if (last < params.vectors) {
        let v0 = input[first];
        let v1 = input[first + ELEMENTS];
        let v2 = input[first + 2u * ELEMENTS];
        let v3 = input[last];
        output[first] = v0;
        output[first + ELEMENTS] = v1;
        output[first + 2u * ELEMENTS] = v2;
        output[last] = v3;
    } else {
        for (var index = first; index < params.vectors; index += ELEMENTS) {
            output[index] = input[index];
        }
    }
}

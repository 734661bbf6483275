// flags[r] = 1 if a number of realization r is infinite or NaN, by its exponent bits.
// Hooks: none.

struct Params {
    len: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<Stored>;
@group(0) @binding(2) var<storage, read_write> flags: array<atomic<u32>>;

@compute @workgroup_size(ELEMENTS)
fn check_finite(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len && non_finite(f32(values[index]))) {
        atomicOr(&flags[index / (params.len / params.realizations)], 1u);
    }
}

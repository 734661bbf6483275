// Keeps a within ±DUAL_MAX, in place.
// Hooks: none.

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn limit_dual(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        a[index] = limit(a[index], -DUAL_MAX, DUAL_MAX);
    }
}

// The start of the iteration: a = 0, z = rho(0), no iteration done.
// Hooks: activation (rho).

struct Params {
    rows: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> iterations: array<u32>;

@compute @workgroup_size(ELEMENTS)
fn equilibrium_start(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.rows) {
        iterations[index] = 0u;
    }
    if (index < params.rows * params.n) {
        a[index] = 0.0;
        z[index] = rho(0.0);
    }
}

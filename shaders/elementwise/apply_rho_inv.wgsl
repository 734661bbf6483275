// a = ρ⁻¹(clamp(u)).
// Hooks: activation (rho_inv).

struct Params {
    len: u32,
    clamp_low: f32,
    clamp_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> a: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn apply_rho_inv(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        a[index] = rho_inv(limit(u[index], params.clamp_low, params.clamp_high));
    }
}

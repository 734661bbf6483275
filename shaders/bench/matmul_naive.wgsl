// output (m, n) = lhs (m, k) · rhsᵀ, rhs (n, k), one element for each invocation: the baseline for the
// tiles.
// Hooks: none.

struct Params {
    m: u32,
    n: u32,
    k: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lhs: array<f32>;
@group(0) @binding(2) var<storage, read> rhs: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn matmul_naive(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.m * params.n) {
        return;
    }
    let lhs_line = index / params.n * params.k;
    let rhs_line = index % params.n * params.k;
    var sum = 0.0;
    for (var kk = 0u; kk < params.k; kk++) {
        sum += lhs[lhs_line + kk] * rhs[rhs_line + kk];
    }
    output[index] = sum;
}

// output (R, rows, cols) += bias (R, cols) in every row.
// Hooks: none.

struct Params {
    len: u32,
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn add_bias(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        let realization = index / (params.rows * params.cols);
        output[index] += bias[realization * params.cols + index % params.cols];
    }
}

// gradient (R, cols) = the sum of delta (R, rows, cols) over its rows.
// Hooks: none.

struct Params {
    len: u32,
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(ELEMENTS)
fn bias_gradient(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index < params.len) {
        let first = index / params.cols * params.rows * params.cols + index % params.cols;
        var sum = 0.0;
        for (var row = 0u; row < params.rows; row++) {
            sum += delta[first + row * params.cols];
        }
        gradient[index] = sum;
    }
}

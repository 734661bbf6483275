// Sums of the squares of a gradient (R, len), in parts: each workgroup sums `part_len` numbers of one
// realization, always in the same order, and writes to its place in squares (R, stride).
// Hooks: none.

struct Params {
    len: u32,
    realizations: u32,
    part_len: u32,
    first: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;

@compute @workgroup_size(ROW_THREADS)
fn gradient_squares(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = row_index(group, groups);
    let parts = (params.len + params.part_len - 1u) / params.part_len;
    let realization = index / parts;
    if (realization >= params.realizations) {
        return;
    }
    let part = index % parts;
    let start = part * params.part_len;
    let end = min(start + params.part_len, params.len);
    var sum = 0.0;
    for (var i = start + thread; i < end; i += ROW_THREADS) {
        let g = gradient[realization * params.len + i];
        sum += g * g;
    }
    let total = row_sum(thread, sum);
    if (thread == 0u) {
        squares[realization * params.stride + params.first + part] = total;
    }
}

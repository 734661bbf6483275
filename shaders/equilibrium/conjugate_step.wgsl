// A step of conjugate gradients on -W restricted to the units inside the range, for each row
// (rows, n); image = direction W. Rows that are done do not change.
// Hooks: none.

struct Params {
    rows: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> inside: array<f32>;
@group(0) @binding(3) var<storage, read_write> solution: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> direction: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<vec2<f32>>;

@compute @workgroup_size(ROW_THREADS)
fn conjugate_step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = row_index(group, groups);
    if (row >= params.rows) {
        return;
    }
    let before = squares[row];
    let going = before.x > before.y;
    var curvature = 0.0;
    for (var j = thread; j < params.n; j += ROW_THREADS) {
        let index = row * params.n + j;
        curvature -= direction[index] * inside[index] * image[index];
    }
    let step = select(0.0, before.x / row_sum(thread, curvature), going);
    var sum = 0.0;
    for (var j = thread; j < params.n; j += ROW_THREADS) {
        let index = row * params.n + j;
        solution[index] += step * direction[index];
        residual[index] += step * inside[index] * image[index];
        sum += residual[index] * residual[index];
    }
    let after = row_sum(thread, sum);
    if (!going) {
        return;
    }
    let turn = after / before.x;
    for (var j = thread; j < params.n; j += ROW_THREADS) {
        let index = row * params.n + j;
        direction[index] = residual[index] + turn * direction[index];
    }
    if (thread == 0u) {
        squares[row].x = after;
    }
}

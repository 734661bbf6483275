// Starts conjugate gradients for each row (rows, n): the solution is 0, residual and direction are g inside
// the range; squares = (|residual|^2, the square at which the row is done).
// Hooks: none.

struct Params {
    rows: u32,
    n: u32,
    tolerance: f32,
    negligible_square: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> inside: array<f32>;
@group(0) @binding(3) var<storage, read_write> solution: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> direction: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<vec2<f32>>;

@compute @workgroup_size(ROW_THREADS)
fn conjugate_start(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = row_index(group, groups);
    if (row >= params.rows) {
        return;
    }
    var sum = 0.0;
    for (var j = thread; j < params.n; j += ROW_THREADS) {
        let index = row * params.n + j;
        let r = g[index] * inside[index];
        solution[index] = 0.0;
        residual[index] = r;
        direction[index] = r;
        sum += r * r;
    }
    let total = row_sum(thread, sum);
    if (thread == 0u) {
        let part = params.tolerance * params.tolerance * total;
        squares[row] = vec2(total, max(part, params.negligible_square));
    }
}

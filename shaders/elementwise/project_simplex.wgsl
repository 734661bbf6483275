// Projects each row of a matrix (rows, cols) onto the probability simplex, in place. Each row has one
// workgroup; workgroups are folded over x and y.
// Hooks: none.

struct Params {
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> matrix: array<Stored>;

@compute @workgroup_size(ROW_THREADS)
fn project_simplex(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.y * groups.x + group.x;
    if (row >= params.rows) {
        return;
    }
    project_row(row * params.cols, params.cols, thread);
}

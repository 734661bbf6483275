// output (R, m, n) = lhs · rhs for each realization, with the operands in the order that the layout files load.
// Hooks: load (accumulate_tile).

struct Params {
    m: u32,
    n: u32,
    k: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    return vec3<f32>();
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    output[(realization * params.m + row) * params.n + col] = acc;
}

@compute @workgroup_size(THREADS)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let size = vec3(params.m, params.n, params.k);
    let tile = output_tile(group.y * groups.x + group.x, size.x, size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
}

// The update of M (R, out, in) by its gradient qᵀz and the projection of its rows onto the simplex,
// in one dispatch. Each row has one workgroup; workgroups are folded over x and y, and an invocation keeps
// the same columns of the row throughout.
// Hooks: mix (mix_gradient), update (updated).

struct Params {
    batch: u32,
    inputs: u32,
    outputs: u32,
    realizations: u32,
    gate_low: f32,
    gate_high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> u: array<Stored>;
@group(0) @binding(3) var<storage, read> z: array<Stored>;
@group(0) @binding(4) var<storage, read_write> matrix: array<Stored>;

// q of the row's output for a few samples.
var<workgroup> q: array<f32, ROW_THREADS>;

@compute @workgroup_size(ROW_THREADS)
fn mix_update(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.y * groups.x + group.x;
    if (row >= params.realizations * params.outputs) {
        return;
    }
    let realization = row / params.outputs;
    let first_sample = realization * params.batch;
    let output = row % params.outputs;
    for (var first = 0u; first < params.inputs; first += ROW_THREADS) {
        let col = min(first + thread, params.inputs - 1u);
        var gradient = 0.0;
        for (var sample = 0u; sample < params.batch; sample += ROW_THREADS) {
            if (sample + thread < params.batch) {
                let index = (first_sample + sample + thread) * params.outputs + output;
                q[thread] = mix_gradient(delta[index], f32(u[index]));
            }
            workgroupBarrier();
            for (var i = 0u; i < min(ROW_THREADS, params.batch - sample); i++) {
                gradient += q[i] * f32(z[(first_sample + sample + i) * params.inputs + col]);
            }
            workgroupBarrier();
        }
        if (first + thread < params.inputs) {
            let place = row * params.inputs + col;
            matrix[place] = Stored(updated(realization, place, f32(matrix[place]), gradient));
        }
    }
    project_row(row * params.inputs, params.inputs, thread);
}

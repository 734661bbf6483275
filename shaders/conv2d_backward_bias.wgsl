// The bias gradient of a convolution, (R, filters): the sums of delta (R, batch, filters, plane) over
// images and pixels, a workgroup each; an epilogue file says whether it is stored or taken off the
// bias.

struct Params {
    batch: u32,
    filters: u32,
    plane: u32,
    realizations: u32,
    learning_rate: f32,
}

const SUM_THREADS: u32 = 128u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameter: array<f32>;

var<workgroup> sums: array<f32, SUM_THREADS>;

@compute @workgroup_size(SUM_THREADS)
fn conv2d_backward_bias(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group.y * groups.x + group.x;
    if (index >= params.realizations * params.filters) {
        return;
    }
    let realization = index / params.filters;
    let filter_index = index % params.filters;
    var sum = 0.0;
    for (var i = thread; i < params.batch * params.plane; i += SUM_THREADS) {
        let image = realization * params.batch + i / params.plane;
        sum += delta[(image * params.filters + filter_index) * params.plane + i % params.plane];
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = SUM_THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        epilogue(index, sums[0]);
    }
}

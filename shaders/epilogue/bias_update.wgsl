// The first column of workgroups updates the bias of its rows.
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;

fn update_bias(group: vec3<u32>, thread: u32) {
    for (var i = thread; i < TILE_M; i += THREADS) {
        let row = group.y * TILE_M + i;
        if (row < params.outputs) {
            var sum = 0.0;
            for (var kk = 0u; kk < params.batch; kk++) {
                sum += lhs[(group.z * params.batch + kk) * params.outputs + row];
            }
            bias[group.z * params.outputs + row] -= params.learning_rate * sum;
        }
    }
}

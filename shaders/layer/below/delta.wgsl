// δ of the layer below, (R, batch, in): h(z) ∘ δW, the classes in order. The head has no skip path.
// Hooks: activation (rho_slope).
@group(0) @binding(8) var<storage, read_write> below: array<f32>;

// δ of a class for each sample of the workgroup, which takes the place of the logits.
fn deltas_of(label: u32) -> vec4<f32> {
    var deltas = vec4(logits[label], 0.0, 0.0, 0.0);
    if (HEAD_SAMPLES == 4u) {
        deltas.y = logits[HEAD_CLASSES + label];
        deltas.z = logits[2u * HEAD_CLASSES + label];
        deltas.w = logits[3u * HEAD_CLASSES + label];
    }
    return deltas;
}

fn store_below(realization: u32, first_row: u32, lane: u32) {
    // One invocation wrote δ of a sample, and all read it.
    storageBarrier();
    workgroupBarrier();
    let outputs = (params.outputs + 3u) / 4u * 4u;
    for (var i = lane; i < HEAD_SAMPLES * outputs; i += HEAD_LANES) {
        let own = i / outputs;
        let label = i % outputs;
        let row = min(first_row + own, params.batch - 1u);
        let place = (realization * params.batch + row) * params.outputs + label;
        logits[own * HEAD_CLASSES + label] = select(0.0, delta[place], label < params.outputs);
    }
    workgroupBarrier();
    let matrix = realization * params.outputs * params.inputs;
    for (var kk = lane; kk < params.inputs; kk += HEAD_LANES) {
        var sums = vec4(0.0);
        for (var label = 0u; label < params.outputs; label += 4u) {
            let weights = weights_of(matrix, label, kk);
            sums += weights.x * deltas_of(label);
            sums += weights.y * deltas_of(label + 1u);
            sums += weights.z * deltas_of(label + 2u);
            sums += weights.w * deltas_of(label + 3u);
        }
        for (var own = 0u; own < min(HEAD_SAMPLES, params.batch - first_row); own++) {
            let place = (realization * params.batch + first_row + own) * params.inputs + kk;
            below[place] = rho_slope(f32(z[place])) * sums[own];
        }
    }
}

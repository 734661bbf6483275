// lhs, the weights of filters in the order of window_quads.
@group(0) @binding(1) var<storage, read> lhs: array<f32>;

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

// Where four filters start.
fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return (vec4(realization * size.x) + within(0u, row, size.x)) * size.z;
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    if (kk >= size.z) {
        return mat4x4<f32>();
    }
    let taps = params.kernel_height * params.kernel_width;
    var at = lines + vec4(weight_of(kk));
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(lhs[at.x], lhs[at.y], lhs[at.z], lhs[at.w]);
        at += vec4(taps);
    }
    return block;
}

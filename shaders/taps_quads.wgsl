// As taps, for filters of a multiple of 4: the filters of one tap side by side, so that four elements of
// the depth lie at one place of four planes.

// (filter, ky, kx) of the first of four elements of the depth.
fn tap_start(kk: u32) -> vec3<u32> {
    let tap = kk / params.filters;
    let ky = tap / params.kernel_width;
    return vec3(kk - tap * params.filters, ky, tap - ky * params.kernel_width);
}

// Four filters (columns) of four channels.
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
    let tap = tap_start(kk);
    let taps = params.kernel_height * params.kernel_width;
    let first = (realization * params.filters + tap.x) * params.channels;
    let channels = min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(params.channels - 1u));
    var at = (vec4(first) + channels) * taps + vec4(tap.y * params.kernel_width + tap.z);
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
        at += vec4(params.channels * taps);
    }
    return block;
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    if (kk >= size.z) {
        return mat4x4<f32>();
    }
    let tap = tap_start(kk);
    let plane = params.out_height * params.out_width;
    var pixel = lines.xyz;
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let output = meeting(tap, pixel);
        let first = (realization * params.batch + pixel.x) * params.filters + tap.x;
        let at = select(0u, first * plane + output.place, output.exists);
        let value = vec4(
            delta[at],
            delta[at + plane],
            delta[at + 2u * plane],
            delta[at + 3u * plane],
        );
        block[i] = select(vec4(0.0), value, output.exists);
        pixel = next_pixel(pixel);
    }
    return transpose(block);
}

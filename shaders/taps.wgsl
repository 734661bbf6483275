// The operands of conv2d_backward_input, the depth in the order of filters: taps (filter, ky, kx).

// A tap (filter, ky, kx) of four channels; 0 past the last filter.
fn lhs_line(realization: u32, row: u32, tap: vec3<u32>) -> vec4<f32> {
    let taps = params.kernel_height * params.kernel_width;
    let first = (realization * params.filters + min(tap.x, params.filters - 1u)) * params.channels;
    let channels = min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(params.channels - 1u));
    let at = (vec4(first) + channels) * taps + vec4(tap.y * params.kernel_width + tap.z);
    let value = vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
    return select(vec4(0.0), value, tap.x < params.filters);
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    var tap = place_of(kk, tap_extent());
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = lhs_line(realization, row, tap);
        tap = next_place(tap, tap_extent());
    }
    return block;
}

// δ of the output that met pixel with a tap, 0 where none did.
fn delta_at(realization: u32, tap: vec3<u32>, pixel: vec3<u32>) -> f32 {
    let output = meeting(tap, pixel);
    let exists = output.exists && tap.x < params.filters;
    let plane = (realization * params.batch + pixel.x) * params.filters + tap.x;
    let at = plane * params.out_height * params.out_width + output.place;
    return select(0.0, delta[select(0u, at, exists)], exists);
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
    let p0 = lines.xyz;
    let p1 = next_pixel(p0);
    let p2 = next_pixel(p1);
    let p3 = next_pixel(p2);
    var tap = place_of(kk, tap_extent());
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(
            delta_at(realization, tap, p0),
            delta_at(realization, tap, p1),
            delta_at(realization, tap, p2),
            delta_at(realization, tap, p3),
        );
        tap = next_place(tap, tap_extent());
    }
    return block;
}

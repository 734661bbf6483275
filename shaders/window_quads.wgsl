// As window, for channels of a multiple of 4: a window is in an order of its own, the channels of one tap
// side by side, so that four elements lie at one place of four planes.

fn window_start(element: u32) -> vec3<u32> {
    let tap = element / params.channels;
    let ky = tap / params.kernel_width;
    return vec3(element - tap * params.channels, ky, tap - ky * params.kernel_width);
}

fn weight_of(element: u32) -> u32 {
    let tap = element / params.channels;
    let taps = params.kernel_height * params.kernel_width;
    return (element - tap * params.channels) * taps + tap;
}

fn position_extent() -> vec2<u32> {
    return vec2(params.out_height, params.out_width);
}

fn window_block(realization: u32, element: vec3<u32>, position: vec3<u32>) -> mat4x4<f32> {
    let plane = params.height * params.width;
    var p = position;
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        // What lies before the image wraps around to large numbers.
        let row = p.y * params.stride + element.y - params.padding;
        let col = p.z * params.stride + element.z - params.padding;
        let inside = row < params.height && col < params.width && p.x < params.batch;
        let first = (realization * params.batch + p.x) * params.channels + element.x;
        let at = select(0u, first * plane + row * params.width + col, inside);
        let value = vec4(x[at], x[at + plane], x[at + 2u * plane], x[at + 3u * plane]);
        block[i] = select(vec4(0.0), value, inside);
        p = next_place(p, position_extent());
    }
    return block;
}

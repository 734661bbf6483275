// The pixels by which a convolution multiplies its weights, in x (R, batch, channels, height, width): element
// (channel, ky, kx) of the window of an output pixel, its position (image, row, column).

fn position_extent() -> vec2<u32> {
    return vec2(params.out_height, params.out_width);
}

// 0 in the padding, and past the last channel or image.
fn window_pixel(realization: u32, element: vec3<u32>, position: vec3<u32>) -> f32 {
    // Counted from the corner of the padding; places before the image wrap around to large numbers.
    let row = position.y * params.stride + element.y - params.padding;
    let col = position.z * params.stride + element.z - params.padding;
    let inside = row < params.height && col < params.width && element.x < params.channels
        && position.x < params.batch;
    let plane = (realization * params.batch + position.x) * params.channels + element.x;
    let index = (plane * params.height + row) * params.width + col;
    return select(0.0, x[select(0u, index, inside)], inside);
}

// Four elements (rows) of the windows of four positions (columns), from the first of each.
fn window_block(realization: u32, element: vec3<u32>, position: vec3<u32>) -> mat4x4<f32> {
    let e1 = next_place(element, tap_extent());
    let e2 = next_place(e1, tap_extent());
    let e3 = next_place(e2, tap_extent());
    var p = position;
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(
            window_pixel(realization, element, p),
            window_pixel(realization, e1, p),
            window_pixel(realization, e2, p),
            window_pixel(realization, e3, p),
        );
        p = next_place(p, position_extent());
    }
    return block;
}

// The pixels that the weights of a convolution meet, in x (R, batch, channels, height, width): weight
// `tap` = (channel, ky, kx) of the window of output pixel `position` = (image, row, column).

// (plane, row, column) of an element of planes of `extent` = (height, width); the next element's without a
// division.
fn place_of(index: u32, extent: vec2<u32>) -> vec3<u32> {
    let line = index / extent.y;
    let plane = line / extent.x;
    return vec3(plane, line - plane * extent.x, index - line * extent.y);
}

fn next_place(place: vec3<u32>, extent: vec2<u32>) -> vec3<u32> {
    if (place.z + 1u < extent.y) {
        return vec3(place.xy, place.z + 1u);
    }
    if (place.y + 1u < extent.x) {
        return vec3(place.x, place.y + 1u, 0u);
    }
    return vec3(place.x + 1u, 0u, 0u);
}

fn tap_extent() -> vec2<u32> {
    return vec2(params.kernel_height, params.kernel_width);
}

fn position_extent() -> vec2<u32> {
    return vec2(params.out_height, params.out_width);
}

// 0 in the padding, and past the last channel or image.
fn window_pixel(realization: u32, tap: vec3<u32>, position: vec3<u32>) -> f32 {
    // Counted from the padding's corner; what lies before the image wraps around to large numbers.
    let row = position.y * params.stride + tap.y - params.padding;
    let col = position.z * params.stride + tap.z - params.padding;
    let inside = row < params.height && col < params.width && tap.x < params.channels
        && position.x < params.batch;
    let plane = (realization * params.batch + position.x) * params.channels + tap.x;
    let index = (plane * params.height + row) * params.width + col;
    return select(0.0, x[select(0u, index, inside)], inside);
}

// Four taps (rows) of four positions (columns).
fn window_block(realization: u32, tap: u32, position: u32) -> mat4x4<f32> {
    let t0 = place_of(tap, tap_extent());
    let t1 = next_place(t0, tap_extent());
    let t2 = next_place(t1, tap_extent());
    let t3 = next_place(t2, tap_extent());
    var p = place_of(position, position_extent());
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(
            window_pixel(realization, t0, p),
            window_pixel(realization, t1, p),
            window_pixel(realization, t2, p),
            window_pixel(realization, t3, p),
        );
        p = next_place(p, position_extent());
    }
    return block;
}

// The pixels that the weights of a convolution meet, in x (R, batch, channels, height, width): weight
// `tap` = (channel, ky, kx) of the window of output pixel `position` = (image, row, column).

// (channel, ky, kx) of a tap; the next tap's without a division.
fn tap_of(tap: u32) -> vec3<u32> {
    let line = tap / params.kernel_width;
    let channel = line / params.kernel_height;
    return vec3(channel, line - channel * params.kernel_height, tap - line * params.kernel_width);
}

fn next_tap(tap: vec3<u32>) -> vec3<u32> {
    if (tap.z + 1u < params.kernel_width) {
        return vec3(tap.xy, tap.z + 1u);
    }
    if (tap.y + 1u < params.kernel_height) {
        return vec3(tap.x, tap.y + 1u, 0u);
    }
    return vec3(tap.x + 1u, 0u, 0u);
}

// (image, row, column) of a position; the next position's.
fn position_of(position: u32) -> vec3<u32> {
    let line = position / params.out_width;
    let image = line / params.out_height;
    return vec3(image, line - image * params.out_height, position - line * params.out_width);
}

fn next_position(position: vec3<u32>) -> vec3<u32> {
    if (position.z + 1u < params.out_width) {
        return vec3(position.xy, position.z + 1u);
    }
    if (position.y + 1u < params.out_height) {
        return vec3(position.x, position.y + 1u, 0u);
    }
    return vec3(position.x + 1u, 0u, 0u);
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
    let t0 = tap_of(tap);
    let t1 = next_tap(t0);
    let t2 = next_tap(t1);
    let t3 = next_tap(t2);
    var p = position_of(position);
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(
            window_pixel(realization, t0, p),
            window_pixel(realization, t1, p),
            window_pixel(realization, t2, p),
            window_pixel(realization, t3, p),
        );
        p = next_position(p);
    }
    return block;
}

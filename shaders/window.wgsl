// The pixel that a weight meets: weight `tap` = (channel, ky, kx) of the window of output pixel
// `position` = (image, row, column) in x (R, batch, channels, height, width); 0 in the padding.
fn window_pixel(realization: u32, tap: u32, position: u32) -> f32 {
    let kx = tap % params.kernel_width;
    let ky = tap / params.kernel_width % params.kernel_height;
    let channel = tap / params.kernel_width / params.kernel_height;
    let col = position % params.out_width;
    let row = position / params.out_width % params.out_height;
    let image = position / params.out_width / params.out_height;
    // Counted from the padding's corner.
    let pixel_row = row * params.stride + ky;
    let pixel_col = col * params.stride + kx;
    if (pixel_row < params.padding || pixel_row >= params.padding + params.height
        || pixel_col < params.padding || pixel_col >= params.padding + params.width) {
        return 0.0;
    }
    let plane = (realization * params.batch + image) * params.channels + channel;
    let line = plane * params.height + pixel_row - params.padding;
    return x[line * params.width + pixel_col - params.padding];
}

// The input gradient of a convolution: output (R, batch, channels, height, width) from
// delta (R, batch, filters, height′, width′) and weight (R, filters, channels, kernel, kernel). Each
// pixel gathers from the outputs that saw it, so no two invocations write one number.

struct Params {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    filters: u32,
    out_height: u32,
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
    padding: u32,
    realizations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

fn taps() -> u32 {
    return params.kernel_height * params.kernel_width;
}

fn lhs_element(realization: u32, row: u32, kk: u32) -> f32 {
    let first = realization * params.filters + kk / taps();
    return weight[(first * params.channels + row) * taps() + kk % taps()];
}

fn rhs_element(realization: u32, kk: u32, col: u32) -> f32 {
    let tap = kk % taps();
    let ky = tap / params.kernel_width;
    let kx = tap % params.kernel_width;
    // Counted from the padding's corner.
    let pixel_col = col % params.width + params.padding;
    let pixel_row = col / params.width % params.height + params.padding;
    let image = realization * params.batch + col / params.width / params.height;
    if (pixel_row < ky || pixel_col < kx) {
        return 0.0;
    }
    let row = (pixel_row - ky) / params.stride;
    let out_col = (pixel_col - kx) / params.stride;
    let meets = row * params.stride + ky == pixel_row && out_col * params.stride + kx == pixel_col;
    if (!meets || row >= params.out_height || out_col >= params.out_width) {
        return 0.0;
    }
    let line = (image * params.filters + kk / taps()) * params.out_height + row;
    return delta[line * params.out_width + out_col];
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32) {
    let pixels = params.height * params.width;
    let image = realization * params.batch + col / pixels;
    output[(image * params.channels + row) * pixels + col % pixels] = acc;
}

@compute @workgroup_size(THREADS)
fn conv2d_backward_input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let pixels = params.batch * params.height * params.width;
    tile_conv(params.channels, pixels, params.filters * taps(), group, groups, thread);
}

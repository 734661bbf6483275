// A convolution: output (R, batch, filters, height′, width′) from x (R, batch, channels, height,
// width) and weight (R, filters, channels, kernel, kernel), NCHW and OIHW; an epilogue file turns the
// sums into the output. The product of the weights, (filters, window), with the windows.

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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

fn window() -> u32 {
    return params.channels * params.kernel_height * params.kernel_width;
}

fn plane() -> u32 {
    return params.out_height * params.out_width;
}

fn lhs_element(realization: u32, row: u32, kk: u32) -> f32 {
    return weight[(realization * params.filters + row) * window() + kk];
}

fn rhs_element(realization: u32, kk: u32, col: u32) -> f32 {
    return window_pixel(realization, kk, col);
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32) {
    let image = realization * params.batch + col / plane();
    let index = (image * params.filters + row) * plane() + col % plane();
    epilogue(index, realization * params.filters + row, acc);
}

@compute @workgroup_size(THREADS)
fn conv2d_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    tile_conv(params.filters, params.batch * plane(), window(), group, groups, thread);
}

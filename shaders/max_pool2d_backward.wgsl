// The input gradient of max-pooling, (planes, height, width), from delta (planes, height′, width′)
// and the positions that the forward pass left: each pixel gathers from the windows that took it. An
// epilogue file may carry it through the activation before the pooling.

struct Params {
    len: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// The first window, along one axis, that reaches `pixel`.
fn first_window(pixel: u32) -> u32 {
    if (pixel < params.kernel) {
        return 0u;
    }
    return (pixel - params.kernel) / params.stride + 1u;
}

@compute @workgroup_size(ELEMENTS)
fn max_pool2d_backward(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = element_index(global, groups);
    if (index >= params.len) {
        return;
    }
    let pixel = index % (params.height * params.width);
    let plane = index / (params.height * params.width) * params.out_height * params.out_width;
    let pixel_row = pixel / params.width;
    let pixel_col = pixel % params.width;
    let rows = min(pixel_row / params.stride + 1u, params.out_height);
    let cols = min(pixel_col / params.stride + 1u, params.out_width);
    var sum = 0.0;
    for (var row = first_window(pixel_row); row < rows; row++) {
        for (var col = first_window(pixel_col); col < cols; col++) {
            let window = plane + row * params.out_width + col;
            if (positions[window] == pixel) {
                sum += delta[window];
            }
        }
    }
    epilogue(index, sum);
}

// The input gradient of max-pooling, (planes, height, width), from delta (planes, height′, width′)
// and the positions that the forward pass left: each pixel gathers from the windows whose largest number
// it is. An after file may multiply by the slope of the activation before the pooling.
// Hooks: after (epilogue).

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

// The first window, along one axis, that has `pixel`; `last` is the last one.
fn first_window(pixel: u32, last: u32) -> u32 {
    if (params.kernel <= params.stride) {
        return last;
    }
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
    // Divisions take most of the time here, so there are few.
    let line = index / params.width;
    let plane = line / params.height;
    let pixel_row = line - plane * params.height;
    let pixel_col = index - line * params.width;
    let pixel = pixel_row * params.width + pixel_col;
    let last_row = pixel_row / params.stride;
    let last_col = pixel_col / params.stride;
    let rows = min(last_row + 1u, params.out_height);
    let cols = min(last_col + 1u, params.out_width);
    var sum = 0.0;
    for (var row = first_window(pixel_row, last_row); row < rows; row++) {
        for (var col = first_window(pixel_col, last_col); col < cols; col++) {
            let window = (plane * params.out_height + row) * params.out_width + col;
            if (positions[window] == pixel) {
                sum += delta[window];
            }
        }
    }
    epilogue(index, sum);
}

// The shape of a convolution of (R, batch, channels, height, width) by (R, filters, channels,
// kernel_height, kernel_width) to (R, batch, filters, out_height, out_width). Only the gradient of the
// weights has parts, and positions of the output in each of them.

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
    parts: u32,
    part_positions: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// The input gradient of a convolution: output (R, batch, channels, height, width) from
// delta (R, batch, filters, height′, width′) and weight (R, filters, channels, kernel, kernel). Each
// pixel gathers from the outputs that saw it, so no two invocations write one number: the product of
// the weights, (channels, filters × kernel), with those outputs.

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

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

// Tap kk of four channels.
fn lhs_line(realization: u32, row: u32, kk: u32, size: vec3<u32>) -> vec4<f32> {
    let taps = params.kernel_height * params.kernel_width;
    let first = (realization * params.filters + min(kk, size.z - 1u) / taps) * params.channels;
    let channels = vec4(row) + vec4(0u, 1u, 2u, 3u);
    let at = (vec4(first) + min(channels, vec4(size.x - 1u))) * taps + vec4(kk % taps);
    let value = vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
    return select(vec4(0.0), value, channels < vec4(select(0u, size.x, kk < size.z)));
}

fn lhs_block(realization: u32, row: u32, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    return mat4x4(
        lhs_line(realization, row, kk, size),
        lhs_line(realization, row, kk + 1u, size),
        lhs_line(realization, row, kk + 2u, size),
        lhs_line(realization, row, kk + 3u, size),
    );
}

// (image, row, column) of a pixel, counted from the padding's corner; the next pixel's.
fn pixel_of(pixel: u32) -> vec3<u32> {
    let line = pixel / params.width;
    let image = line / params.height;
    let row = line - image * params.height;
    return vec3(image, row + params.padding, pixel - line * params.width + params.padding);
}

fn next_pixel(pixel: vec3<u32>) -> vec3<u32> {
    if (pixel.z + 1u < params.width + params.padding) {
        return vec3(pixel.xy, pixel.z + 1u);
    }
    if (pixel.y + 1u < params.height + params.padding) {
        return vec3(pixel.x, pixel.y + 1u, params.padding);
    }
    return vec3(pixel.x + 1u, params.padding, params.padding);
}

// δ of the output that met pixel with a tap (filter, ky, kx), 0 where none did.
fn delta_at(realization: u32, tap: vec3<u32>, pixel: vec3<u32>) -> f32 {
    // What lies before the first output wraps around to large numbers.
    let offset = pixel.yz - tap.yz;
    var place = offset;
    var meets = true;
    if (params.stride > 1u) {
        place = offset / params.stride;
        meets = all(place * params.stride == offset);
    }
    let inside = meets && place.x < params.out_height && place.y < params.out_width
        && pixel.x < params.batch && tap.x < params.filters;
    let plane = (realization * params.batch + pixel.x) * params.filters + tap.x;
    let index = (plane * params.out_height + place.x) * params.out_width + place.y;
    return select(0.0, delta[select(0u, index, inside)], inside);
}

// Four pixels at one tap.
fn rhs_line(
    realization: u32,
    tap: u32,
    p0: vec3<u32>,
    p1: vec3<u32>,
    p2: vec3<u32>,
    p3: vec3<u32>,
) -> vec4<f32> {
    let line = tap / params.kernel_width;
    let filter_index = line / params.kernel_height;
    let place = vec3(
        filter_index,
        line - filter_index * params.kernel_height,
        tap - line * params.kernel_width,
    );
    return vec4(
        delta_at(realization, place, p0),
        delta_at(realization, place, p1),
        delta_at(realization, place, p2),
        delta_at(realization, place, p3),
    );
}

fn rhs_block(realization: u32, col: u32, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    let p0 = pixel_of(col);
    let p1 = next_pixel(p0);
    let p2 = next_pixel(p1);
    let p3 = next_pixel(p2);
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = rhs_line(realization, kk + i, p0, p1, p2, p3);
    }
    return block;
}

fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    return vec3<f32>();
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    let plane = params.height * params.width;
    let image = realization * params.batch + col / plane;
    output[(image * params.channels + row) * plane + col % plane] = acc;
}

@compute @workgroup_size(THREADS)
fn conv2d_backward_input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let pixels = params.batch * params.height * params.width;
    let taps = params.kernel_height * params.kernel_width;
    let size = vec3(params.channels, pixels, params.filters * taps);
    let tile = output_tile(group.y * groups.x + group.x, size.x, size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
}

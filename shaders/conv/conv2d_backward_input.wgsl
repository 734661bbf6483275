// The input gradient of a convolution: output (R, batch, channels, height, width) from
// delta (R, batch, filters, height′, width′) and weight (R, filters, channels, kernel, kernel). Each
// pixel gathers from the outputs whose windows have it, so that no two invocations write the same number:
// it is the product of the weights, (channels, filters × kernel), with those outputs.
// Hooks: load (accumulate_tile).

@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

fn lhs_lines(realization: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4<u32>();
}

// A tap (filter, ky, kx) of four channels; 0 past the last filter.
fn lhs_line(realization: u32, row: u32, tap: vec3<u32>) -> vec4<f32> {
    let taps = params.kernel_height * params.kernel_width;
    let first = (realization * params.filters + min(tap.x, params.filters - 1u)) * params.channels;
    let channels = min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(params.channels - 1u));
    let at = (vec4(first) + channels) * taps + vec4(tap.y * params.kernel_width + tap.z);
    let value = vec4(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
    return select(vec4(0.0), value, tap.x < params.filters);
}

fn lhs_block(
    lines: vec4<u32>,
    realization: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    var tap = place_of(kk, tap_extent());
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = lhs_line(realization, row, tap);
        tap = next_place(tap, tap_extent());
    }
    return block;
}

// (image, row, column) of a pixel, counted from the corner of the padding, and of the next pixel.
fn pixel_of(pixel: u32) -> vec3<u32> {
    let place = place_of(pixel, vec2(params.height, params.width));
    return place + vec3(0u, params.padding, params.padding);
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

// δ of the output that multiplied a pixel by a tap, or 0 if there is none.
fn delta_at(realization: u32, tap: vec3<u32>, pixel: vec3<u32>) -> f32 {
    // Places before the first output wrap around to large numbers.
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

// The first pixel.
fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(pixel_of(col), 0u);
}

fn rhs_block(
    lines: vec4<u32>,
    realization: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    if (kk >= size.z) {
        return mat4x4<f32>();
    }
    let p0 = lines.xyz;
    let p1 = next_pixel(p0);
    let p2 = next_pixel(p1);
    let p3 = next_pixel(p2);
    var tap = place_of(kk, tap_extent());
    var block: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        block[i] = vec4(
            delta_at(realization, tap, p0),
            delta_at(realization, tap, p1),
            delta_at(realization, tap, p2),
            delta_at(realization, tap, p3),
        );
        tap = next_place(tap, tap_extent());
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

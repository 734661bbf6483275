// A convolution: output (R, batch, filters, height′, width′) from x (R, batch, channels, height,
// width) and weight (R, filters, channels, kernel, kernel), NCHW and OIHW; an after file turns the
// sums into the output. It is the product of the weights, (filters, window), with the windows, which are
// never stored in memory (implicit GEMM).
// Hooks: after (epilogue, epilogue_operand), load (accumulate_tile).

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_across_k(slot, QUADS_N);
}

// The first position.
fn rhs_lines(realization: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(place_of(col, position_extent()), 0u);
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
    return transpose(window_block(realization, place_of(kk, tap_extent()), lines.xyz));
}

fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    return vec3(epilogue_operand(realization * params.filters + row), 0.0, 0.0);
}

fn store_element(realization: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    let plane = params.out_height * params.out_width;
    let image = realization * params.batch + col / plane;
    output[(image * params.filters + row) * plane + col % plane] = epilogue(acc, operands.x);
}

@compute @workgroup_size(THREADS)
fn conv2d_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let positions = params.batch * params.out_height * params.out_width;
    let window = params.channels * params.kernel_height * params.kernel_width;
    let size = vec3(params.filters, positions, window);
    let tile = output_tile(group.y * groups.x + group.x, size.x, size.y);
    if (tile.realization >= params.realizations) {
        return;
    }
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
}

// Parts of the gradients of a convolution's weights and bias, (parts, R, filters, window + 1), the bias
// last in a filter's line, from delta (R, batch, filters, height′, width′) and x (R, batch, channels,
// height, width). The sums are long and few, so each part is the product over `part_positions` output pixels,
// and `conv2d_update` adds the parts.
// Hooks: none.

@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial_gradient: array<f32>;

// The part's first position. The tile's realization is realization × parts + part.
var<private> first_position: u32;

fn lhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_M);
}

fn rhs_place(slot: u32) -> vec2<u32> {
    return place_along_k(slot, QUADS_N);
}

// δ of four filters at one position.
fn lhs_line(realization: u32, row: u32, position: vec3<u32>, exists: bool) -> vec4<f32> {
    let plane = params.out_height * params.out_width;
    let image = realization * params.batch + min(position.x, params.batch - 1u);
    let filters = vec4(row) + vec4(0u, 1u, 2u, 3u);
    let planes = vec4(image * params.filters) + min(filters, vec4(params.filters - 1u));
    let at = planes * plane + vec4(position.y * params.out_width + position.z);
    let value = vec4(delta[at.x], delta[at.y], delta[at.z], delta[at.w]);
    return select(vec4(0.0), value, filters < vec4(select(0u, params.filters, exists)));
}

fn lhs_lines(realization_part: u32, row: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4<u32>();
}

fn lhs_block(
    lines: vec4<u32>,
    realization_part: u32,
    row: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    let realization = realization_part / params.parts;
    let p0 = place_of(first_position + kk, position_extent());
    let p1 = next_place(p0, position_extent());
    let p2 = next_place(p1, position_extent());
    let p3 = next_place(p2, position_extent());
    return mat4x4(
        lhs_line(realization, row, p0, kk < size.z),
        lhs_line(realization, row, p1, kk + 1u < size.z),
        lhs_line(realization, row, p2, kk + 2u < size.z),
        lhs_line(realization, row, p3, kk + 3u < size.z),
    );
}

// The first element of the window.
fn rhs_lines(realization_part: u32, col: u32, size: vec3<u32>) -> vec4<u32> {
    return vec4(place_of(col, tap_extent()), 0u);
}

// The window of each position, and a one for the bias after it. Values past the part's positions are
// multiplied by zeros of lhs.
fn rhs_block(
    lines: vec4<u32>,
    realization_part: u32,
    col: u32,
    kk: u32,
    size: vec3<u32>,
) -> mat4x4<f32> {
    if (kk >= size.z) {
        return mat4x4<f32>();
    }
    let position = place_of(first_position + kk, position_extent());
    let block = window_block(realization_part / params.parts, lines.xyz, position);
    let ones = vec4(col) + vec4(0u, 1u, 2u, 3u) == vec4(size.y - 1u);
    return mat4x4(
        select(block[0], vec4(1.0), ones),
        select(block[1], vec4(1.0), ones),
        select(block[2], vec4(1.0), ones),
        select(block[3], vec4(1.0), ones),
    );
}

fn operands_of(realization: u32, row: u32, col: u32) -> vec3<f32> {
    return vec3<f32>();
}

fn store_element(realization_part: u32, row: u32, col: u32, acc: f32, operands: vec3<f32>) {
    let realization = realization_part / params.parts;
    let part = realization_part % params.parts;
    let window = params.channels * params.kernel_height * params.kernel_width;
    let line = (part * params.realizations + realization) * params.filters + row;
    partial_gradient[line * (window + 1u) + col] = acc;
}

@compute @workgroup_size(THREADS)
fn conv2d_backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let window = params.channels * params.kernel_height * params.kernel_width;
    let tile = output_tile(group.y * groups.x + group.x, params.filters, window + 1u);
    if (tile.realization >= params.realizations * params.parts) {
        return;
    }
    // `first` is not read back from the private variable: that would count as different in each
    // invocation, and barriers follow.
    let first = tile.realization % params.parts * params.part_positions;
    first_position = first;
    let positions = params.batch * params.out_height * params.out_width;
    let depth = min(params.part_positions, positions - first);
    let size = vec3(params.filters, window + 1u, depth);
    accumulate_tile(tile, thread, size);
    store_tile(tile, thread, size);
}

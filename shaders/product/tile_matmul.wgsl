// One workgroup's tile of a matrix product lhs (m, k) · rhs (k, n). A tile file states the sizes. A size is
// (m, n, k). Past k, elements of both operands count as 0, so their blocks may be anything there, as they may
// past m and n; a block may even begin past the end of its buffer, where WebGPU reads some number.
//
// The depth is processed in stages of TILE_K: while one is multiplied, the next is loaded to registers.
// SLICES groups of invocations share each stage. Depth k belongs to slice k / 8 mod SLICES, and the sums of
// the slices are added always in the same order: so tiles with as many slices give the same bits.
//
// Hooks: kernel (operands_of, store_element), kernel or layout (rhs_block, rhs_lines, rhs_place), kernel
// or layout or operand (lhs_block, lhs_lines, lhs_place), layout or operand (finish_lhs).

const THREADS_M: u32 = TILE_M / THREAD_M;
const THREADS_N: u32 = TILE_N / THREAD_N;
const SLICE_THREADS: u32 = THREADS_M * THREADS_N;
const THREADS: u32 = SLICE_THREADS * SLICES;
const QUADS_M: u32 = TILE_M / 4u;
const QUADS_N: u32 = TILE_N / 4u;
const QUADS: u32 = QUADS_M + QUADS_N;
// An invocation has one or two quads of rows, and of columns.
const TWO_ROWS: bool = THREAD_M == 8u;
const TWO_COLS: bool = THREAD_N == 8u;
// The number of blocks of four depths in a stage, and in a slice's part of it.
const FOURS: u32 = TILE_K / 4u;
const SLICE_FOURS: u32 = FOURS / SLICES;
const_assert SLICE_FOURS == 2u || SLICE_FOURS == 4u || SLICE_FOURS == 8u;
// Blocks of 4 × 4 elements in a stage. A load file gives each invocation one, or one of each operand.
const LHS_BLOCKS: u32 = QUADS_M * FOURS;
const RHS_BLOCKS: u32 = QUADS_N * FOURS;
// Invocations are laid out in squares of four by four.
const_assert THREADS_M % 4u == 0u && THREADS_N % 4u == 0u;
// The number of rows whose sums, one for each slice, fit the memory of the stage, and the power of two that is
// stored at a time.
const FITTING_ROWS: u32 = TILE_K * QUADS / (SLICES * QUADS_N);
const PASS_ROWS: u32 = min(TILE_M, 1u << firstLeadingBit(FITTING_ROWS));
const KEPT_LINE: u32 = FOURS * QUADS;
// The number of their elements that an invocation stores.
const PASS_ELEMENTS: u32 = PASS_ROWS * TILE_N / THREADS;

// [kk % 4][kk / 4, quad]: four neighbouring rows of lhs to a vector, then four columns of rhs. Which of
// the four lines is meant is known when the kernel is compiled, and the rest of an index does not change
// from stage to stage: a read costs neither arithmetic nor a bounds check. Invocations that load along k
// write the same quad of neighbouring blocks at a time: so that they fall into different banks, blocks are
// PADDING vectors apart or, without padding, their quads are swapped.
var<workgroup> stage: array<array<vec4<f32>, (QUADS + PADDING) * FOURS>, 4>;
// The invocation's sums: row r of its one or two quads of rows, for its first and second quad of columns.
// They are named one by one, because drivers keep larger arrays in memory, not in registers.
var<private> acc00: vec4<f32>;
var<private> acc01: vec4<f32>;
var<private> acc10: vec4<f32>;
var<private> acc11: vec4<f32>;
var<private> acc20: vec4<f32>;
var<private> acc21: vec4<f32>;
var<private> acc30: vec4<f32>;
var<private> acc31: vec4<f32>;
var<private> acc40: vec4<f32>;
var<private> acc41: vec4<f32>;
var<private> acc50: vec4<f32>;
var<private> acc51: vec4<f32>;
var<private> acc60: vec4<f32>;
var<private> acc61: vec4<f32>;
var<private> acc70: vec4<f32>;
var<private> acc71: vec4<f32>;

struct OutputTile {
    realization: u32,
    row: u32,
    col: u32,
}

// The workgroup's tile of the (R, m, n) output; workgroups are folded over x and y.
fn output_tile(group: u32, m: u32, n: u32) -> OutputTile {
    let rows = (m + TILE_M - 1u) / TILE_M;
    let cols = (n + TILE_N - 1u) / TILE_N;
    let row = group / cols;
    return OutputTile(row / rows, row % rows * TILE_M, group % cols * TILE_N);
}

// The (quad, block of kk) that invocation `slot` loads where memory is contiguous along k: along k
// first, for whole lines of memory.
fn place_along_k(slot: u32, quads: u32) -> vec2<u32> {
    let run = min(FOURS, 8u);
    return vec2(slot / run % quads, slot % run + slot / (run * quads) * run);
}

// The same where memory is contiguous across k.
fn place_across_k(slot: u32, quads: u32) -> vec2<u32> {
    return vec2(slot % quads, slot / quads);
}

// The place of a quad of block `four` among the quads of an operand.
fn swizzled(quad: u32, four: u32, quads: u32) -> u32 {
    if (PADDING > 0u) {
        return quad;
    }
    return quad ^ (four & (min(quads, 8u) - 1u));
}

fn place_of_lhs(quad: u32, four: u32) -> u32 {
    return four * (QUADS + PADDING) + swizzled(quad, four, QUADS_M);
}

fn place_of_rhs(quad: u32, four: u32) -> u32 {
    return four * (QUADS + PADDING) + QUADS_M + swizzled(quad, four, QUADS_N);
}

// A block of 4 × 4 elements of an operand that an invocation loads in each stage.
struct Share {
    realization: u32,
    // Its first row of lhs or column of rhs.
    start: u32,
    // Its first depth within a stage.
    kk: u32,
    // Its offset in a line of a stage.
    at: u32,
    // The layout's line offsets of its four rows or columns, which do not depend on the depth.
    lines: vec4<u32>,
}

fn lhs_share(tile: OutputTile, slot: u32, size: vec3<u32>) -> Share {
    let place = lhs_place(slot);
    let start = tile.row + 4u * place.x;
    let lines = lhs_lines(tile.realization, start, size);
    return Share(tile.realization, start, 4u * place.y, place_of_lhs(place.x, place.y), lines);
}

fn rhs_share(tile: OutputTile, slot: u32, size: vec3<u32>) -> Share {
    let place = rhs_place(slot);
    let start = tile.col + 4u * place.x;
    let lines = rhs_lines(tile.realization, start, size);
    return Share(tile.realization, start, 4u * place.y, place_of_rhs(place.x, place.y), lines);
}

// A loaded block, with zeros past the depth. Column c is vector kk + c of the stage.
fn within_depth(block: mat4x4<f32>, kk: u32, size: vec3<u32>) -> mat4x4<f32> {
    return mat4x4(
        select(vec4(0.0), block[0], kk < size.z),
        select(vec4(0.0), block[1], kk + 1u < size.z),
        select(vec4(0.0), block[2], kk + 2u < size.z),
        select(vec4(0.0), block[3], kk + 3u < size.z),
    );
}

fn load_lhs(share: Share, k0: u32, size: vec3<u32>) -> mat4x4<f32> {
    return lhs_block(share.lines, share.realization, share.start, k0 + share.kk, size);
}

fn load_rhs(share: Share, k0: u32, size: vec3<u32>) -> mat4x4<f32> {
    return rhs_block(share.lines, share.realization, share.start, k0 + share.kk, size);
}

fn finished(block: mat4x4<f32>, share: Share, k0: u32, size: vec3<u32>) -> mat4x4<f32> {
    return finish_lhs(block, share.realization, share.start, k0 + share.kk, size);
}

fn store_block(block: mat4x4<f32>, at: u32) {
    stage[0][at] = block[0];
    stage[1][at] = block[1];
    stage[2][at] = block[2];
    stage[3][at] = block[3];
}

// The quads that an invocation multiplies: its first of rows in .x, of columns in .y. Sixteen neighbours
// form a square: together they read four quads of rows and four of columns.
fn quads_of(thread: u32) -> vec2<u32> {
    let local = thread % SLICE_THREADS;
    let low = vec2((local & 1u) | ((local >> 2u) & 2u), (local >> 1u) & 3u);
    let columns = THREADS_N / 4u;
    return 4u * vec2(local / 16u / columns, local / 16u % columns) + low;
}

fn multiply_line(line: u32, a0_at: u32, a1_at: u32, b0_at: u32, b1_at: u32) {
    let a0 = stage[line][a0_at];
    let a1 = stage[line][a1_at];
    let b0 = stage[line][b0_at];
    let b1 = stage[line][b1_at];
    acc00 += a0.x * b0;
    acc10 += a0.y * b0;
    acc20 += a0.z * b0;
    acc30 += a0.w * b0;
    if (TWO_COLS) {
        acc01 += a0.x * b1;
        acc11 += a0.y * b1;
        acc21 += a0.z * b1;
        acc31 += a0.w * b1;
    }
    if (TWO_ROWS) {
        acc40 += a1.x * b0;
        acc50 += a1.y * b0;
        acc60 += a1.z * b0;
        acc70 += a1.w * b0;
    }
    if (TWO_ROWS && TWO_COLS) {
        acc41 += a1.x * b1;
        acc51 += a1.y * b1;
        acc61 += a1.z * b1;
        acc71 += a1.w * b1;
    }
}

fn multiply_four(four: u32, quads: vec2<u32>) {
    let a0 = place_of_lhs(quads.x, four);
    let a1 = place_of_lhs(select(quads.x, quads.x + THREADS_M, TWO_ROWS), four);
    let b0 = place_of_rhs(quads.y, four);
    let b1 = place_of_rhs(select(quads.y, quads.y + THREADS_N, TWO_COLS), four);
    multiply_line(0u, a0, a1, b0, b1);
    multiply_line(1u, a0, a1, b0, b1);
    multiply_line(2u, a0, a1, b0, b1);
    multiply_line(3u, a0, a1, b0, b1);
}

fn clear_tile() {
    acc00 = vec4(0.0);
    acc01 = vec4(0.0);
    acc10 = vec4(0.0);
    acc11 = vec4(0.0);
    acc20 = vec4(0.0);
    acc21 = vec4(0.0);
    acc30 = vec4(0.0);
    acc31 = vec4(0.0);
    acc40 = vec4(0.0);
    acc41 = vec4(0.0);
    acc50 = vec4(0.0);
    acc51 = vec4(0.0);
    acc60 = vec4(0.0);
    acc61 = vec4(0.0);
    acc70 = vec4(0.0);
    acc71 = vec4(0.0);
}

// Multiplies the slice's part of a stage: pairs of blocks, SLICES pairs apart.
fn multiply_stage(slice: u32, quads: vec2<u32>) {
    let four = 2u * slice;
    multiply_four(four, quads);
    multiply_four(four + 1u, quads);
    if (SLICE_FOURS >= 4u) {
        multiply_four(four + 2u * SLICES, quads);
        multiply_four(four + 2u * SLICES + 1u, quads);
    }
    if (SLICE_FOURS == 8u) {
        multiply_four(four + 4u * SLICES, quads);
        multiply_four(four + 4u * SLICES + 1u, quads);
        multiply_four(four + 6u * SLICES, quads);
        multiply_four(four + 6u * SLICES + 1u, quads);
    }
}

// Leaves the sums of four rows and a quad of columns to `store_tile`, if the pass from row `first` has
// them.
fn pass_on(
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
    first: u32,
    slice: u32,
    quad_row: u32,
    quad_col: u32,
) {
    let row = 4u * quad_row;
    if (row >= first && row < first + PASS_ROWS) {
        let flat = (slice * PASS_ROWS + row - first) * QUADS_N + quad_col;
        keep(flat, r0);
        keep(flat + QUADS_N, r1);
        keep(flat + 2u * QUADS_N, r2);
        keep(flat + 3u * QUADS_N, r3);
    }
}

fn keep(flat: u32, sums: vec4<f32>) {
    stage[flat / KEPT_LINE][flat % KEPT_LINE] = sums;
}

// An element of the output, and the sum for it.
struct Element {
    realization: u32,
    row: u32,
    col: u32,
    sum: f32,
    inside: bool,
    // The operands that the kernel prefetches for the element; outside the output, those of the last
    // row or column.
    operands: vec3<f32>,
}

fn element_of(tile: OutputTile, first: u32, element: u32, size: vec3<u32>) -> Element {
    let row = tile.row + first + element / TILE_N;
    let col = tile.col + element % TILE_N;
    let operands = operands_of(tile.realization, min(row, size.x - 1u), min(col, size.y - 1u));
    var sum = 0.0;
    for (var s = 0u; s < SLICES; s++) {
        let flat = s * PASS_ROWS * QUADS_N + element / 4u;
        sum += stage[flat / KEPT_LINE][flat % KEPT_LINE][element % 4u];
    }
    return Element(tile.realization, row, col, sum, row < size.x && col < size.y, operands);
}

fn store(element: Element) {
    if (element.inside) {
        store_element(
            element.realization,
            element.row,
            element.col,
            element.sum,
            element.operands,
        );
    }
}

// Hands each element of the tile that exists to `store_element`, neighbouring invocations
// neighbouring columns. An element always has the same invocation.
fn store_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let slice = thread / SLICE_THREADS;
    let quads = quads_of(thread);
    for (var first = 0u; first < TILE_M; first += PASS_ROWS) {
        pass_on(acc00, acc10, acc20, acc30, first, slice, quads.x, quads.y);
        if (TWO_COLS) {
            pass_on(acc01, acc11, acc21, acc31, first, slice, quads.x, quads.y + THREADS_N);
        }
        if (TWO_ROWS) {
            pass_on(acc40, acc50, acc60, acc70, first, slice, quads.x + THREADS_M, quads.y);
        }
        if (TWO_ROWS && TWO_COLS) {
            pass_on(acc41, acc51, acc61, acc71, first, slice, quads.x + THREADS_M, quads.y + THREADS_N);
        }
        workgroupBarrier();
        if (PASS_ELEMENTS < 4u) {
            for (var element = thread; element < PASS_ROWS * TILE_N; element += THREADS) {
                store(element_of(tile, first, element, size));
            }
        } else {
            // Four elements read their operands at the same time.
            for (var i = thread; i < PASS_ROWS * TILE_N; i += 4u * THREADS) {
                let e0 = element_of(tile, first, i, size);
                let e1 = element_of(tile, first, i + THREADS, size);
                let e2 = element_of(tile, first, i + 2u * THREADS, size);
                let e3 = element_of(tile, first, i + 3u * THREADS, size);
                store(e0);
                store(e1);
                store(e2);
                store(e3);
            }
        }
        workgroupBarrier();
    }
}

// One workgroup's tile of a matrix product lhs (m, k) · rhs (k, n). A tile file gives the sizes; a
// layout file, or the kernel itself, gives `lhs_place`, `rhs_place`, `lhs_block`, `late_lhs` and
// `rhs_block`, and the kernel `operands_of` and `store_element`. A size is (m, n, k); elements past it
// count as 0.
//
// The depth is taken in stages of TILE_K, kept twice: while one is multiplied the next is on its way.
// SLICES groups of invocations share each stage, every one with its own part of the depth, and their
// sums are added in one order.

const THREADS_M: u32 = TILE_M / THREAD_M;
const THREADS_N: u32 = TILE_N / THREAD_N;
const SLICE_THREADS: u32 = THREADS_M * THREADS_N;
const THREADS: u32 = SLICE_THREADS * SLICES;
const SLICE_K: u32 = TILE_K / SLICES;
const QUADS_M: u32 = TILE_M / 4u;
const QUADS_N: u32 = TILE_N / 4u;
const QUADS: u32 = QUADS_M + QUADS_N;
// An invocation has one or two quads of rows, and of columns.
const TWO_ROWS: bool = THREAD_M == 8u;
const TWO_COLS: bool = THREAD_N == 8u;
// Blocks of 4 × 4 elements: an invocation loads one a stage, or none.
const LHS_BLOCKS: u32 = QUADS_M * TILE_K / 4u;
const BLOCKS: u32 = QUADS * TILE_K / 4u;
// Rows whose sums, one a slice, fit the memory of the stages.
const PASS_ROWS: u32 = min(TILE_M, 2u * TILE_K * QUADS / (SLICES * QUADS_N));
// Of those, what an invocation stores.
const PASS_ELEMENTS: u32 = PASS_ROWS * TILE_N / THREADS;

// [stage][kk][quad]: four neighbouring rows of lhs to a vector, then four columns of rhs. Indices of
// one dimension each leave nothing for bounds checks to do in the inner loop.
var<workgroup> stages: array<array<array<vec4<f32>, QUADS>, TILE_K>, 2>;
// The invocation's sums: row r of its one or two quads of rows, for its first and second quad of columns.
// Named one by one, because drivers keep larger arrays in memory, not in registers.
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

// Which tile of the (R, m, n) output is the workgroup's, workgroups being folded over x and y.
fn output_tile(group: u32, m: u32, n: u32) -> OutputTile {
    let rows = (m + TILE_M - 1u) / TILE_M;
    let cols = (n + TILE_N - 1u) / TILE_N;
    let row = group / cols;
    return OutputTile(row / rows, row % rows * TILE_M, group % cols * TILE_N);
}

// The (quad, block of kk) that invocation `slot` loads where memory is contiguous along k: along k
// first, for whole lines of memory.
fn place_along_k(slot: u32, quads: u32) -> vec2<u32> {
    let run = min(TILE_K / 4u, 8u);
    return vec2(slot / run % quads, slot % run + slot / (run * quads) * run);
}

// The same where memory is contiguous across k.
fn place_across_k(slot: u32, quads: u32) -> vec2<u32> {
    return vec2(slot % quads, slot / quads);
}

// Where a line kk of a stage has a quad: they trade places from one block of four lines to the next, so
// that invocations that load along k write to different banks.
fn swizzled(quad: u32, kk: u32, quads: u32) -> u32 {
    return quad ^ ((kk / 4u) & (min(quads, 8u) - 1u));
}

// Column c is vector kk + c of the stage.
fn load_block(tile: OutputTile, k0: u32, thread: u32, size: vec3<u32>) -> mat4x4<f32> {
    if (thread < LHS_BLOCKS) {
        let place = lhs_place(thread);
        return lhs_block(tile.realization, tile.row + 4u * place.x, k0 + 4u * place.y, size);
    }
    let place = rhs_place(thread - LHS_BLOCKS);
    return rhs_block(tile.realization, tile.col + 4u * place.x, k0 + 4u * place.y, size);
}

fn store_block(
    stage: u32,
    loaded: mat4x4<f32>,
    tile: OutputTile,
    k0: u32,
    thread: u32,
    size: vec3<u32>,
) {
    var block = loaded;
    var kk: u32;
    var quad: u32;
    if (thread < LHS_BLOCKS) {
        let place = lhs_place(thread);
        kk = 4u * place.y;
        quad = swizzled(place.x, kk, QUADS_M);
        block = late_lhs(loaded, tile.realization, tile.row + 4u * place.x, k0 + kk, size);
    } else {
        let place = rhs_place(thread - LHS_BLOCKS);
        kk = 4u * place.y;
        quad = QUADS_M + swizzled(place.x, kk, QUADS_N);
    }
    stages[stage][kk][quad] = block[0];
    stages[stage][kk + 1u][quad] = block[1];
    stages[stage][kk + 2u][quad] = block[2];
    stages[stage][kk + 3u][quad] = block[3];
}

// Quads of lhs in .x and .y, of rhs in .z and .w; the second of each only where there are two.
fn multiply_line(stage: u32, kk: u32, quads: vec4<u32>) {
    let a0 = stages[stage][kk][quads.x];
    let a1 = stages[stage][kk][quads.y];
    let b0 = stages[stage][kk][quads.z];
    let b1 = stages[stage][kk][quads.w];
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

// Neighbouring invocations take neighbouring quads, so that their reads fall into different banks.
fn multiply_four_lines(stage: u32, kk: u32, row: u32, col: u32) {
    let quads = vec4(
        swizzled(row, kk, QUADS_M),
        swizzled(select(row, row + THREADS_M, TWO_ROWS), kk, QUADS_M),
        QUADS_M + swizzled(col, kk, QUADS_N),
        QUADS_M + swizzled(select(col, col + THREADS_N, TWO_COLS), kk, QUADS_N),
    );
    multiply_line(stage, kk, quads);
    multiply_line(stage, kk + 1u, quads);
    multiply_line(stage, kk + 2u, quads);
    multiply_line(stage, kk + 3u, quads);
}

// Four or eight lines a turn: not every driver unrolls by itself.
fn multiply_stage(stage: u32, thread: u32) {
    let depth = thread / SLICE_THREADS * SLICE_K;
    let row = thread % SLICE_THREADS / THREADS_N;
    let col = thread % THREADS_N;
    for (var kk = depth; kk < depth + SLICE_K; kk += min(SLICE_K, 8u)) {
        multiply_four_lines(stage, kk, row, col);
        if (SLICE_K >= 8u) {
            multiply_four_lines(stage, kk + 4u, row, col);
        }
    }
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

// Adds the product over all of the depth. One place loads, for the first stage too: drivers that inline
// all of it get by with half the code.
fn accumulate_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let count = (size.z + TILE_K - 1u) / TILE_K;
    for (var next = 0u; next <= count; next++) {
        let loads = thread < BLOCKS && next < count;
        var block: mat4x4<f32>;
        if (loads) {
            block = load_block(tile, next * TILE_K, thread, size);
        }
        if (next > 0u) {
            multiply_stage((next + 1u) % 2u, thread);
        }
        if (loads) {
            store_block(next % 2u, block, tile, next * TILE_K, thread, size);
        }
        workgroupBarrier();
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
    stages[flat / (TILE_K * QUADS)][flat / QUADS % TILE_K][flat % QUADS] = sums;
}

// An element of the output, and the sum for it.
struct Element {
    realization: u32,
    row: u32,
    col: u32,
    sum: f32,
    inside: bool,
    // What the kernel reads there beforehand; past the output, of the last row or column.
    operands: vec3<f32>,
}

fn element_of(tile: OutputTile, first: u32, element: u32, size: vec3<u32>) -> Element {
    let row = tile.row + first + element / TILE_N;
    let col = tile.col + element % TILE_N;
    let operands = operands_of(tile.realization, min(row, size.x - 1u), min(col, size.y - 1u));
    var sum = 0.0;
    for (var s = 0u; s < SLICES; s++) {
        let flat = s * PASS_ROWS * QUADS_N + element / 4u;
        sum += stages[flat / (TILE_K * QUADS)][flat / QUADS % TILE_K][flat % QUADS][element % 4u];
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
// neighbouring columns. An element always falls to the same invocation.
fn store_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let slice = thread / SLICE_THREADS;
    let row = thread % SLICE_THREADS / THREADS_N;
    let col = thread % THREADS_N;
    for (var first = 0u; first < TILE_M; first += PASS_ROWS) {
        pass_on(acc00, acc10, acc20, acc30, first, slice, row, col);
        if (TWO_COLS) {
            pass_on(acc01, acc11, acc21, acc31, first, slice, row, col + THREADS_N);
        }
        if (TWO_ROWS) {
            pass_on(acc40, acc50, acc60, acc70, first, slice, row + THREADS_M, col);
        }
        if (TWO_ROWS && TWO_COLS) {
            pass_on(acc41, acc51, acc61, acc71, first, slice, row + THREADS_M, col + THREADS_N);
        }
        workgroupBarrier();
        if (PASS_ELEMENTS < 4u) {
            for (var element = thread; element < PASS_ROWS * TILE_N; element += THREADS) {
                store(element_of(tile, first, element, size));
            }
        } else {
            // What four elements read is on its way together.
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

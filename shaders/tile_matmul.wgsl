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
// The sums of the invocation's quads of rows (first digit) and columns: column c is row c's. Named one by
// one, because drivers keep larger arrays in memory, not in registers.
var<private> acc00: mat4x4<f32>;
var<private> acc01: mat4x4<f32>;
var<private> acc10: mat4x4<f32>;
var<private> acc11: mat4x4<f32>;

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

// The (quad, block of kk) that invocation `slot` loads where memory is contiguous along k: pairs along
// k first, for whole sectors of memory.
fn place_along_k(slot: u32, quads: u32) -> vec2<u32> {
    return vec2(slot / 2u % quads, slot % 2u + slot / (2u * quads) * 2u);
}

// The same where memory is contiguous across k.
fn place_across_k(slot: u32, quads: u32) -> vec2<u32> {
    return vec2(slot % quads, slot / quads);
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
    var place = lhs_place(thread);
    var block = loaded;
    if (thread < LHS_BLOCKS) {
        let row = tile.row + 4u * place.x;
        block = late_lhs(loaded, tile.realization, row, k0 + 4u * place.y, size);
    } else {
        place = rhs_place(thread - LHS_BLOCKS) + vec2(QUADS_M, 0u);
    }
    let kk = 4u * place.y;
    stages[stage][kk][place.x] = block[0];
    stages[stage][kk + 1u][place.x] = block[1];
    stages[stage][kk + 2u][place.x] = block[2];
    stages[stage][kk + 3u][place.x] = block[3];
}

fn outer(a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(a.x * b, a.y * b, a.z * b, a.w * b);
}

// Neighbouring invocations take neighbouring quads, so that their reads fall into different banks.
fn multiply_line(stage: u32, kk: u32, row: u32, col: u32) {
    let a0 = stages[stage][kk][row];
    let b0 = stages[stage][kk][QUADS_M + col];
    acc00 += outer(a0, b0);
    if (TWO_COLS) {
        let b1 = stages[stage][kk][QUADS_M + THREADS_N + col];
        acc01 += outer(a0, b1);
        if (TWO_ROWS) {
            acc11 += outer(stages[stage][kk][THREADS_M + row], b1);
        }
    }
    if (TWO_ROWS) {
        acc10 += outer(stages[stage][kk][THREADS_M + row], b0);
    }
}

// Four lines a turn: drivers do not unroll this by themselves.
fn multiply_stage(stage: u32, thread: u32) {
    let depth = thread / SLICE_THREADS * SLICE_K;
    let row = thread % SLICE_THREADS / THREADS_N;
    let col = thread % THREADS_N;
    for (var kk = depth; kk < depth + SLICE_K; kk += 4u) {
        multiply_line(stage, kk, row, col);
        multiply_line(stage, kk + 1u, row, col);
        multiply_line(stage, kk + 2u, row, col);
        multiply_line(stage, kk + 3u, row, col);
    }
}

fn clear_tile() {
    acc00 = mat4x4<f32>();
    acc01 = mat4x4<f32>();
    acc10 = mat4x4<f32>();
    acc11 = mat4x4<f32>();
}

// Adds the product over all of the depth.
fn accumulate_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let count = (size.z + TILE_K - 1u) / TILE_K;
    if (thread < BLOCKS) {
        store_block(0u, load_block(tile, 0u, thread, size), tile, 0u, thread, size);
    }
    workgroupBarrier();
    for (var next = 1u; next <= count; next++) {
        let loads = thread < BLOCKS && next < count;
        var block: mat4x4<f32>;
        if (loads) {
            block = load_block(tile, next * TILE_K, thread, size);
        }
        multiply_stage((next + 1u) % 2u, thread);
        if (loads) {
            store_block(next % 2u, block, tile, next * TILE_K, thread, size);
        }
        workgroupBarrier();
    }
}

// Leaves the sums of four rows and a quad of columns to `store_tile`, if the pass from row `first` has
// them.
fn pass_on(sums: mat4x4<f32>, first: u32, slice: u32, quad_row: u32, quad_col: u32) {
    let row = 4u * quad_row;
    if (row < first || row >= first + PASS_ROWS) {
        return;
    }
    for (var c = 0u; c < 4u; c++) {
        let flat = (slice * PASS_ROWS + row - first + c) * QUADS_N + quad_col;
        stages[flat / (TILE_K * QUADS)][flat / QUADS % TILE_K][flat % QUADS] = sums[c];
    }
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
        pass_on(acc00, first, slice, row, col);
        if (TWO_COLS) {
            pass_on(acc01, first, slice, row, col + THREADS_N);
        }
        if (TWO_ROWS) {
            pass_on(acc10, first, slice, row + THREADS_M, col);
        }
        if (TWO_ROWS && TWO_COLS) {
            pass_on(acc11, first, slice, row + THREADS_M, col + THREADS_N);
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

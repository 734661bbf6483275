// One workgroup's tile of a matrix product lhs (m, k) · rhs (k, n). A tile file gives the sizes; a
// layout file, or the kernel itself, gives `lhs_place`, `rhs_place`, `lhs_block` and `rhs_block`, and
// the kernel `store_element`. A size is (m, n, k); elements past it count as 0.
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
const THREAD_QUADS_M: u32 = THREAD_M / 4u;
const THREAD_QUADS_N: u32 = THREAD_N / 4u;
// Blocks of 4 × 4 elements: an invocation loads one a stage, or none.
const LHS_BLOCKS: u32 = QUADS_M * TILE_K / 4u;
const BLOCKS: u32 = QUADS * TILE_K / 4u;
// Rows whose sums, one a slice, fit the memory of the stages.
const PASS_ROWS: u32 = min(TILE_M, 2u * TILE_K * QUADS / (SLICES * QUADS_N));

// [stage][kk][quad]: four neighbouring rows of lhs to a vector, then four columns of rhs. Indices of
// one dimension each leave nothing for bounds checks to do in the inner loop.
var<workgroup> stages: array<array<array<vec4<f32>, QUADS>, TILE_K>, 2>;
var<private> acc: array<vec4<f32>, THREAD_M * THREAD_QUADS_N>;

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

fn store_block(stage: u32, block: mat4x4<f32>, thread: u32) {
    var place = lhs_place(thread);
    if (thread >= LHS_BLOCKS) {
        place = rhs_place(thread - LHS_BLOCKS) + vec2(QUADS_M, 0u);
    }
    let kk = 4u * place.y;
    stages[stage][kk][place.x] = block[0];
    stages[stage][kk + 1u][place.x] = block[1];
    stages[stage][kk + 2u][place.x] = block[2];
    stages[stage][kk + 3u][place.x] = block[3];
}

// Neighbouring invocations take neighbouring quads, so that their reads fall into different banks.
fn multiply_stage(stage: u32, thread: u32) {
    let depth = thread / SLICE_THREADS * SLICE_K;
    let row = thread % SLICE_THREADS / THREADS_N;
    let col = thread % THREADS_N;
    for (var kk = 0u; kk < SLICE_K; kk++) {
        for (var i = 0u; i < THREAD_QUADS_M; i++) {
            let a = stages[stage][depth + kk][row + i * THREADS_M];
            for (var j = 0u; j < THREAD_QUADS_N; j++) {
                let b = stages[stage][depth + kk][QUADS_M + col + j * THREADS_N];
                let first = 4u * i * THREAD_QUADS_N + j;
                acc[first] += a.x * b;
                acc[first + THREAD_QUADS_N] += a.y * b;
                acc[first + 2u * THREAD_QUADS_N] += a.z * b;
                acc[first + 3u * THREAD_QUADS_N] += a.w * b;
            }
        }
    }
}

fn clear_tile() {
    for (var i = 0u; i < THREAD_M * THREAD_QUADS_N; i++) {
        acc[i] = vec4(0.0);
    }
}

// Adds the product over all of the depth.
fn accumulate_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let count = (size.z + TILE_K - 1u) / TILE_K;
    if (thread < BLOCKS) {
        store_block(0u, load_block(tile, 0u, thread, size), thread);
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
            store_block(next % 2u, block, thread);
        }
        workgroupBarrier();
    }
}

// Hands each element of the tile that exists to `store_element`, neighbouring invocations
// neighbouring columns. An element always falls to the same invocation.
fn store_tile(tile: OutputTile, thread: u32, size: vec3<u32>) {
    let slice = thread / SLICE_THREADS;
    let thread_row = thread % SLICE_THREADS / THREADS_N;
    let thread_col = thread % THREADS_N;
    for (var first = 0u; first < TILE_M; first += PASS_ROWS) {
        for (var i = 0u; i < THREAD_QUADS_M; i++) {
            let row = 4u * (thread_row + i * THREADS_M);
            if (row >= first && row < first + PASS_ROWS) {
                for (var c = 0u; c < 4u; c++) {
                    for (var j = 0u; j < THREAD_QUADS_N; j++) {
                        let sum = (slice * PASS_ROWS + row - first + c) * QUADS_N;
                        let flat = sum + thread_col + j * THREADS_N;
                        stages[flat / (TILE_K * QUADS)][flat / QUADS % TILE_K][flat % QUADS] =
                            acc[(4u * i + c) * THREAD_QUADS_N + j];
                    }
                }
            }
        }
        workgroupBarrier();
        for (var element = thread; element < PASS_ROWS * TILE_N; element += THREADS) {
            let row = tile.row + first + element / TILE_N;
            let col = tile.col + element % TILE_N;
            var sum = 0.0;
            for (var s = 0u; s < SLICES; s++) {
                let flat = s * PASS_ROWS * QUADS_N + element / 4u;
                sum += stages[flat / (TILE_K * QUADS)][flat / QUADS % TILE_K][flat % QUADS][element % 4u];
            }
            if (row < size.x && col < size.y) {
                store_element(tile.realization, row, col, sum);
            }
        }
        workgroupBarrier();
    }
}

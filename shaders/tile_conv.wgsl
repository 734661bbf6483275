// One workgroup's tile of a matrix product whose operands are computed as they are loaded (implicit
// GEMM): a convolution kernel gives `lhs_element`, `rhs_element` and `store_element`, and the windows
// of an image are never laid out in memory. Workgroups are folded over x and y; the tiles of a
// realization follow one another, row by row.

const THREADS_N: u32 = TILE_N / THREAD_N;
const THREADS: u32 = TILE_M / THREAD_M * THREADS_N;
const QUADS_M: u32 = TILE_M / 4u;
const QUADS_N: u32 = TILE_N / 4u;

// Four neighbouring rows of lhs, or columns of rhs, to a vector: [kk][quad].
var<workgroup> lhs_tile: array<vec4<f32>, TILE_K * QUADS_M>;
var<workgroup> rhs_tile: array<vec4<f32>, TILE_K * QUADS_N>;

fn lhs_or_zero(realization: u32, row: u32, kk: u32, m: u32, k: u32) -> f32 {
    if (row < m && kk < k) {
        return lhs_element(realization, row, kk);
    }
    return 0.0;
}

fn rhs_or_zero(realization: u32, kk: u32, col: u32, k: u32, n: u32) -> f32 {
    if (kk < k && col < n) {
        return rhs_element(realization, kk, col);
    }
    return 0.0;
}

fn tile_conv(m: u32, n: u32, k: u32, group: vec3<u32>, groups: vec3<u32>, thread: u32) {
    let rows = (m + TILE_M - 1u) / TILE_M;
    let cols = (n + TILE_N - 1u) / TILE_N;
    let tile = group.y * groups.x + group.x;
    let realization = tile / (rows * cols);
    if (realization >= params.realizations) {
        return;
    }
    let row0 = tile / cols % rows * TILE_M;
    let col0 = tile % cols * TILE_N;
    let thread_row = thread / THREADS_N;
    let thread_col = thread % THREADS_N;

    var acc: array<vec4<f32>, 4>;
    for (var k0 = 0u; k0 < k; k0 += TILE_K) {
        for (var slot = thread; slot < TILE_K * QUADS_M; slot += THREADS) {
            let row = row0 + 4u * (slot / TILE_K);
            let kk = k0 + slot % TILE_K;
            lhs_tile[slot % TILE_K * QUADS_M + slot / TILE_K] = vec4(
                lhs_or_zero(realization, row, kk, m, k),
                lhs_or_zero(realization, row + 1u, kk, m, k),
                lhs_or_zero(realization, row + 2u, kk, m, k),
                lhs_or_zero(realization, row + 3u, kk, m, k),
            );
        }
        for (var slot = thread; slot < TILE_K * QUADS_N; slot += THREADS) {
            let col = col0 + 4u * (slot % QUADS_N);
            let kk = k0 + slot / QUADS_N;
            rhs_tile[slot] = vec4(
                rhs_or_zero(realization, kk, col, k, n),
                rhs_or_zero(realization, kk, col + 1u, k, n),
                rhs_or_zero(realization, kk, col + 2u, k, n),
                rhs_or_zero(realization, kk, col + 3u, k, n),
            );
        }
        workgroupBarrier();
        for (var kk = 0u; kk < TILE_K; kk++) {
            let a = lhs_tile[kk * QUADS_M + thread_row];
            let b = rhs_tile[kk * QUADS_N + thread_col];
            acc[0] += a.x * b;
            acc[1] += a.y * b;
            acc[2] += a.z * b;
            acc[3] += a.w * b;
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < THREAD_M; i++) {
        for (var j = 0u; j < THREAD_N; j++) {
            let row = row0 + thread_row * THREAD_M + i;
            let col = col0 + thread_col * THREAD_N + j;
            if (row < m && col < n) {
                store_element(realization, row, col, acc[i][j]);
            }
        }
    }
}

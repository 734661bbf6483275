// One workgroup's tile of a matrix product, for the kernels that declare `lhs`, `rhs` and
// `store_element`. A tile file gives the sizes, a layout file the operands' order in memory.
// workgroup_id is (tile column, tile row, realization); elements past m, n, k count as 0.

const THREADS_N: u32 = TILE_N / THREAD_N;
const THREADS: u32 = TILE_M / THREAD_M * THREADS_N;
const QUADS_M: u32 = TILE_M / 4u;
const QUADS_N: u32 = TILE_N / 4u;
const THREAD_QUADS_M: u32 = THREAD_M / 4u;
const THREAD_QUADS_N: u32 = THREAD_N / 4u;

// Four neighbouring rows of lhs, or columns of rhs, to a vector: [kk][quad].
var<workgroup> lhs_tile: array<vec4<f32>, TILE_K * QUADS_M>;
var<workgroup> rhs_tile: array<vec4<f32>, TILE_K * QUADS_N>;
var<private> acc: array<vec4<f32>, THREAD_M * THREAD_QUADS_N>;

fn lhs_element(realization: u32, row: u32, kk: u32, m: u32, k: u32) -> f32 {
    let index = lhs_index(min(row, m - 1u), min(kk, k - 1u), m, k);
    return select(0.0, lhs[realization * m * k + index], row < m && kk < k);
}

fn rhs_element(realization: u32, kk: u32, col: u32, k: u32, n: u32) -> f32 {
    let index = rhs_index(min(kk, k - 1u), min(col, n - 1u), k, n);
    return select(0.0, rhs[realization * k * n + index], kk < k && col < n);
}

// Accumulates over k, then hands each element of the tile that exists to `store_element`.
fn tile_matmul(m: u32, n: u32, k: u32, group: vec3<u32>, thread: u32) {
    let row0 = group.y * TILE_M;
    let col0 = group.x * TILE_N;
    let thread_row = thread / THREADS_N;
    let thread_col = thread % THREADS_N;

    for (var k0 = 0u; k0 < k; k0 += TILE_K) {
        for (var slot = thread; slot < TILE_K * QUADS_M; slot += THREADS) {
            let quad = lhs_quad(slot);
            let row = row0 + 4u * quad.x;
            let kk = k0 + quad.y;
            lhs_tile[quad.y * QUADS_M + quad.x] = vec4(
                lhs_element(group.z, row, kk, m, k),
                lhs_element(group.z, row + 1u, kk, m, k),
                lhs_element(group.z, row + 2u, kk, m, k),
                lhs_element(group.z, row + 3u, kk, m, k),
            );
        }
        for (var slot = thread; slot < TILE_K * QUADS_N; slot += THREADS) {
            let quad = rhs_quad(slot);
            let col = col0 + 4u * quad.x;
            let kk = k0 + quad.y;
            rhs_tile[quad.y * QUADS_N + quad.x] = vec4(
                rhs_element(group.z, kk, col, k, n),
                rhs_element(group.z, kk, col + 1u, k, n),
                rhs_element(group.z, kk, col + 2u, k, n),
                rhs_element(group.z, kk, col + 3u, k, n),
            );
        }
        workgroupBarrier();
        for (var kk = 0u; kk < TILE_K; kk++) {
            for (var i = 0u; i < THREAD_QUADS_M; i++) {
                let a = lhs_tile[kk * QUADS_M + thread_row * THREAD_QUADS_M + i];
                for (var j = 0u; j < THREAD_QUADS_N; j++) {
                    let b = rhs_tile[kk * QUADS_N + thread_col * THREAD_QUADS_N + j];
                    let first = 4u * i * THREAD_QUADS_N + j;
                    acc[first] += a.x * b;
                    acc[first + THREAD_QUADS_N] += a.y * b;
                    acc[first + 2u * THREAD_QUADS_N] += a.z * b;
                    acc[first + 3u * THREAD_QUADS_N] += a.w * b;
                }
            }
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < THREAD_M; i++) {
        let row = row0 + thread_row * THREAD_M + i;
        for (var j = 0u; j < THREAD_N; j++) {
            let col = col0 + thread_col * THREAD_N + j;
            if (row < m && col < n) {
                store_element(group.z, row, col, acc[i * THREAD_QUADS_N + j / 4u][j % 4u]);
            }
        }
    }
}

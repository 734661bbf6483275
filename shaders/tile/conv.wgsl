// 32 filters or channels × 64 pixels a workgroup of 128 invocations, 4 × 4 each.
const TILE_M: u32 = 32u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 16u;
const THREAD_M: u32 = 4u;
const THREAD_N: u32 = 4u;

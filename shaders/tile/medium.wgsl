// 64 × 64 outputs a workgroup of 128 invocations, 8 × 4 each.
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 16u;
const THREAD_M: u32 = 8u;
const THREAD_N: u32 = 4u;
const SLICES: u32 = 1u;

// 128 × 128 outputs for a workgroup of 256 invocations, 8 × 8 each.
const TILE_M: u32 = 128u;
const TILE_N: u32 = 128u;
const TILE_K: u32 = 16u;
const THREAD_M: u32 = 8u;
const THREAD_N: u32 = 8u;
const SLICES: u32 = 1u;

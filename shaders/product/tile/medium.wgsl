// 64 × 64 outputs for a workgroup of 256 invocations, 8 × 4 each, in 2 slices of the depth.
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 32u;
const THREAD_M: u32 = 8u;
const THREAD_N: u32 = 4u;
const SLICES: u32 = 2u;
const PADDING: u32 = 0u;

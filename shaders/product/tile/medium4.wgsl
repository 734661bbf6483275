// 64 × 64 outputs for a workgroup of 256 invocations, 8 × 8 each, in 4 slices of the depth.
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 32u;
const THREAD_M: u32 = 8u;
const THREAD_N: u32 = 8u;
const SLICES: u32 = 4u;
const PADDING: u32 = 0u;

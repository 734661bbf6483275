// 32 KiB of workgroup memory.
const MEMORY_WORDS: u32 = 8192u;

// 48 KiB of workgroup memory.
const MEMORY_WORDS: u32 = 12288u;

// 16 KiB of workgroup memory.
const MEMORY_WORDS: u32 = 4096u;

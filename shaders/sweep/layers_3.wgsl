// 3 layers.
const LAYERS: u32 = 3u;

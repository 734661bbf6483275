// The order of the samples in workgroup memory. A word has the sample in its lower half, and in its upper half
// the place that it swaps with in the shuffle.

// The most samples of a run.
const ORDER_SAMPLES: u32 = 1024u;

// (RUNS, ORDER_SAMPLES).
var<workgroup> order: array<u32, RUNS * ORDER_SAMPLES>;

fn entry(i: u32) -> vec2<u32> {
    let word = order[place * ORDER_SAMPLES + i];
    return vec2(word & 0xffffu, word >> 16u);
}

fn set_entry(i: u32, value: vec2<u32>) {
    order[place * ORDER_SAMPLES + i] = value.x | (value.y << 16u);
}

fn order_barrier() {
    workgroupBarrier();
}

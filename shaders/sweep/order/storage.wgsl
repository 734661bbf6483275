// The order of any number of samples in storage memory: the sample, and the place that it swaps with in the
// shuffle.

// (samples, runs).
@group(0) @binding(7) var<storage, read_write> order: array<vec2<u32>>;

fn entry(i: u32) -> vec2<u32> {
    return order[i * params.runs + run];
}

fn set_entry(i: u32, value: vec2<u32>) {
    order[i * params.runs + run] = value;
}

// The order's, and as any barrier of a workgroup that of its memory.
fn order_barrier() {
    storageBarrier();
    workgroupBarrier();
}

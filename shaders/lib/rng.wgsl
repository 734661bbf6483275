// Philox4x32-10, the twin of src/rng.rs: a number is a function of seed, purpose, stream and index.

// The values of `Purpose` in src/rng.rs; a test compares them.
const PURPOSE_INIT: u32 = 0u;
const PURPOSE_SHUFFLE: u32 = 1u;

// The upper 32 bits of a product, from products of halves.
fn mul_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u);
}

// Numbers 4 * block to 4 * block + 3 of a stream.
fn random_bits(seed: vec2<u32>, purpose: u32, stream: u32, block: u32) -> vec4<u32> {
    var counter = vec4(block, 0u, purpose, stream);
    var key = seed;
    for (var round = 0u; round < 10u; round++) {
        let high_0 = mul_high(counter.x, 0xd2511f53u);
        let high_1 = mul_high(counter.z, 0xcd9e8d57u);
        counter = vec4(
            high_1 ^ counter.y ^ key.x,
            counter.z * 0xcd9e8d57u,
            high_0 ^ counter.w ^ key.y,
            counter.x * 0xd2511f53u,
        );
        key += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}

// Uniform on [0, 1), a multiple of 2^-24.
fn uniform_of(bits: u32) -> f32 {
    return f32(bits >> 8u) * (1.0 / 16777216.0);
}

//! The counter-based random generator: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
//! easy as 1, 2, 3", SC 2011).
//!
//! A number is a pure function of (seed, purpose, stream, index), so every executor draws the same
//! numbers in any order, and realization r of a run with seed s is the run with seed s + r.

/// The purpose of random numbers; each purpose has its own streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial parameters; the stream is the tensor's position in the model.
    Init = 0,
    /// The order of the samples; the stream is the epoch.
    Shuffle = 1,
    /// Generated digits; the stream is the sample.
    Digits = 2,
    /// Points of two spirals; the stream is 2 · split + class, the split being 0 for training and 1
    /// for test.
    Spirals = 3,
    /// Samples on which a proposition is checked; the stream is the draw.
    Proposition = 4,
    /// Features dropped in training; the stream is the step.
    Dropout = 5,
    /// Samples that are held out; the stream is 2 · class + part, the part being 0 for the test and 1 for
    /// validation.
    Split = 6,
    /// Resamples of runs; the stream is the resample.
    Bootstrap = 7,
    /// Random changes of training images ([`crate::data::Augmentation`]); the stream is the epoch, and each
    /// sample has 8 numbers.
    Augment = 8,
    /// Noise on training images, two values a number; the stream is the epoch.
    Noise = 9,
}

/// One stream of random numbers, addressed by index.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 2],
    purpose: Purpose,
    stream: u32,
}

impl Stream {
    /// The stream numbered `stream` of `purpose` under `seed`.
    pub fn new(seed: u64, purpose: Purpose, stream: u32) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            purpose,
            stream,
        }
    }

    /// The `index`-th 32 random bits.
    pub fn bits(&self, index: u64) -> u32 {
        self.block(index / 4)[(index % 4) as usize]
    }

    /// Bits 4 · `block` to 4 · `block` + 3.
    #[inline(always)]
    fn block(&self, block: u64) -> [u32; 4] {
        let counter = [
            block as u32,
            (block >> 32) as u32,
            self.purpose as u32,
            self.stream,
        ];
        philox4x32_10(counter, self.key)
    }

    /// The `index`-th number uniform on [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform(&self, index: u64) -> f32 {
        (self.bits(index) >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// The `index`-th integer uniform on 0..bound (bias below bound · 2⁻³²).
    pub fn below(&self, index: u64, bound: u32) -> u32 {
        scale(self.bits(index), bound)
    }
}

/// A permutation of 0..n: the order of the samples in `epoch` under `seed` (Fisher-Yates).
pub fn sample_order(seed: u64, epoch: u32, n: usize) -> Vec<u32> {
    let mut order = vec![0; n];
    sample_order_into(seed, epoch, &mut order, &mut vec![0; n.next_multiple_of(4)]);
    order
}

/// [`sample_order`] of `order.len()` samples without an allocation; `picks` is scratch memory for the
/// same number of samples, rounded up to a multiple of 4. All numbers are drawn first, in a loop that
/// vectorises: number 4b + w is stored at place b of the w-th quarter.
#[inline(always)]
pub fn sample_order_into(seed: u64, epoch: u32, order: &mut [u32], picks: &mut [u32]) {
    let stream = Stream::new(seed, Purpose::Shuffle, epoch);
    let blocks = order.len().div_ceil(4);
    let (first, rest) = picks[..4 * blocks].split_at_mut(blocks);
    let (second, rest) = rest.split_at_mut(blocks);
    let (third, fourth) = rest.split_at_mut(blocks);
    for b in 0..blocks {
        let [w, x, y, z] = stream.block(b as u64);
        let i = 4 * b as u32;
        first[b] = scale(w, i + 1);
        second[b] = scale(x, i + 2);
        third[b] = scale(y, i + 3);
        fourth[b] = scale(z, i + 4);
    }
    for (i, place) in (0..).zip(&mut *order) {
        *place = i;
    }
    for i in (1..order.len()).rev() {
        order.swap(i, picks[i % 4 * blocks + i / 4] as usize);
    }
}

/// ⌊bits · bound / 2³²⌋.
#[inline(always)]
fn scale(bits: u32, bound: u32) -> u32 {
    ((u64::from(bits) * u64::from(bound)) >> 32) as u32
}

/// Philox4x32 with 10 rounds: 128 random bits from a 128-bit counter and a 64-bit key.
#[inline(always)]
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let p0 = u64::from(counter[0]) * 0xD251_1F53;
        let p1 = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the Random123 distribution (kat_vectors).
    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Compared with the textbook algorithm, one number after another.
    #[test]
    fn sample_order_is_fisher_and_yates() {
        for n in [1, 2, 3, 4, 5, 63, 1000] {
            let stream = Stream::new(u64::MAX - 4, Purpose::Shuffle, 9);
            let mut order: Vec<u32> = (0..n).collect();
            for i in (1..n).rev() {
                let j = stream.below(u64::from(i), i + 1);
                order.swap(i as usize, j as usize);
            }
            assert_eq!(order, sample_order(u64::MAX - 4, 9, n as usize), "{n}");
        }
    }

    #[test]
    fn sample_order_is_a_permutation_that_depends_on_seed_and_epoch() {
        let order = sample_order(7, 0, 1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        assert_ne!(order, sample_order(8, 0, 1000));
        assert_ne!(order, sample_order(7, 1, 1000));
        assert!(sample_order(0, 0, 0).is_empty());
    }
}

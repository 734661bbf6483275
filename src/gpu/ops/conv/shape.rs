//! The shape of a convolution, which its kernels take as their `Params`.

use crate::gpu::op::params;
use crate::nn::cnn::Conv;

params! {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    filters: u32,
    out_height: u32,
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
    padding: u32,
    realizations: u32,
    parts: u32,
    part_positions: u32,
}

impl Params {
    /// The shape of `conv` on (R, batch) images, not split.
    pub(super) fn of(conv: &Conv, [realizations, batch]: [usize; 2]) -> Self {
        let [out_height, out_width] = conv.output().map(|extent| extent as u32);
        let [kernel_height, kernel_width] = conv.kernel.map(|extent| extent as u32);
        Self {
            batch: batch as u32,
            channels: conv.channels as u32,
            height: conv.height as u32,
            width: conv.width as u32,
            filters: conv.filters as u32,
            out_height,
            out_width,
            kernel_height,
            kernel_width,
            stride: conv.stride as u32,
            padding: conv.padding as u32,
            realizations: realizations as u32,
            parts: 1,
            part_positions: batch as u32 * out_height * out_width,
        }
    }
}

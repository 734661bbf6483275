//! Max-pooling: the largest number of each window, and its position.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};
use crate::nn::cnn::Pool;

params! {
    len: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
}

impl Params {
    /// The parameters for `len` numbers, of the output forward and of the input backward.
    pub(super) fn of(pool: &Pool, len: usize) -> Self {
        let [out_height, out_width] = pool.output().map(|extent| extent as u32);
        Self {
            len: len as u32,
            height: pool.height as u32,
            width: pool.width as u32,
            out_height,
            out_width,
            kernel: pool.kernel as u32,
            stride: pool.stride as u32,
        }
    }
}

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("conv/max_pool2d_forward"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output and positions, (images, channels, height′, width′), from x.
pub fn max_pool2d_forward(
    pool: &Pool,
    images: usize,
    x: BufferId,
    [output, positions]: [BufferId; 2],
) -> Op {
    let len = images * pool.outputs();
    Op::new(shader(), &Params::of(pool, len), Grid::Elements(len))
        .bind("x", x)
        .bind("output", output)
        .bind("positions", positions)
}

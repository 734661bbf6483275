//! Kernels that measure an adapter's limits, and the plain product, to compare others with.

use crate::gpu::op::{BufferId, Grid, Op};
use crate::gpu::shader::Shader;
use crate::gpu::tile::Product;
use crate::gpu::wgsl::{GRID, wgsl};

/// The kernel that multiplies and adds.
pub mod fma_peak {
    use super::{BufferId, Grid, Op, Shader, wgsl};
    use crate::gpu::op::params;

    params! { factor: f32, summand: f32 }

    /// Invocations of a workgroup, and the FLOPs of one.
    pub const WORKGROUP: usize = 256;
    /// FLOPs of an invocation: 64 rounds of 8 vectors, a product and a sum each.
    pub const FLOPS: usize = 64 * 8 * 4 * 2;

    /// The kernel.
    pub fn shader() -> Shader {
        Shader::new(wgsl!("fma_peak"), [])
    }

    /// So many workgroups of FMAs; output is (workgroups · 256).
    pub fn fma_peak(workgroups: usize, output: BufferId) -> Op {
        let params = Params {
            factor: 0.999,
            summand: 0.001,
        };
        Op::new(shader(), &params, Grid::Workgroups(workgroups)).bind("output", output)
    }
}

/// The kernel that copies.
pub mod copy {
    use super::{BufferId, GRID, Grid, Op, Shader, wgsl};
    use crate::gpu::op::params;
    use crate::gpu::reflect::reflect;

    params! { vectors: u32 }

    /// The kernel.
    pub fn shader() -> Shader {
        Shader::new(wgsl!("copy"), [GRID])
    }

    /// Copies so many vectors of 16 bytes.
    pub fn copy(vectors: usize, input: BufferId, output: BufferId) -> Op {
        let params = Params {
            vectors: vectors as u32,
        };
        let shader = shader();
        let reflection = reflect(&shader).expect("every shader is checked by a test");
        let each = reflection.constants["EACH"] as usize;
        Op::new(shader, &params, Grid::Elements(vectors.div_ceil(each)))
            .bind("input", input)
            .bind("output", output)
    }
}

/// The plain product.
pub mod matmul_naive {
    use super::{BufferId, GRID, Grid, Op, Product, Shader, wgsl};
    use crate::gpu::op::params;

    params! { m: u32, n: u32, k: u32 }

    /// The kernel.
    pub fn shader() -> Shader {
        Shader::new(wgsl!("matmul_naive"), [GRID])
    }

    /// output (m, n) = lhs (m, k) · rhsᵀ, rhs (n, k).
    pub fn matmul_naive(product: Product, [lhs, rhs]: [BufferId; 2], output: BufferId) -> Op {
        let Product { m, n, k } = product;
        let params = Params {
            m: m as u32,
            n: n as u32,
            k: k as u32,
        };
        Op::new(shader(), &params, Grid::Elements(m * n))
            .bind("lhs", lhs)
            .bind("rhs", rhs)
            .bind("output", output)
    }
}

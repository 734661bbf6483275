//! Chains of products of small matrices, as fast as an adapter's matrix units compute.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::reflect::reflect;
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{File, wgsl};

params! { subgroup: u32 }

/// The side of the square matrices that a subgroup multiplies at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// 8.
    Eight,
    /// 16.
    Sixteen,
}

impl Fragment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Eight, Self::Sixteen];

    fn file(self) -> File {
        match self {
            Self::Eight => wgsl!("bench/fragment/eight"),
            Self::Sixteen => wgsl!("bench/fragment/sixteen"),
        }
    }

    /// The sizes of the kernel, as its files state them.
    pub fn sizes(self) -> Sizes {
        let reflection = reflect(&shader(self)).expect("every shader is checked by a test");
        let get = |name: &str| reflection.constants[name] as usize;
        Sizes {
            side: get("FRAGMENT"),
            rounds: get("COOP_ROUNDS"),
            sums: get("COOP_SUMS"),
            threads: get("COOP_THREADS"),
        }
    }
}

/// The sizes of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The side of the matrices.
    pub side: usize,
    /// The number of times that a subgroup computes each product.
    pub rounds: usize,
    /// The number of products of a round, each with a sum of its own.
    pub sums: usize,
    /// The number of invocations in a workgroup.
    pub threads: usize,
}

impl Sizes {
    /// FLOPs of a subgroup.
    pub fn flops(self) -> usize {
        2 * self.side.pow(3) * self.sums * self.rounds
    }

    /// The length of the output for one subgroup.
    pub fn outputs(self) -> usize {
        self.sums * self.side * self.side
    }
}

/// The number of left operands in the kernel's input; four right ones follow.
pub const LEFT: usize = 2;
/// The number of right operands.
pub const RIGHT: usize = 4;

/// The kernel for one size of fragments.
pub fn shader(fragment: Fragment) -> Shader {
    Shader::new(wgsl!("bench/coop_peak"), [fragment.file()])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Fragment::ALL.map(shader))
}

/// `workgroups` workgroups of subgroups of `subgroup` invocations; `operands` has six matrices in half
/// precision, two left and four right ones, and output is (subgroups, 8, side, side).
pub fn coop_peak(
    fragment: Fragment,
    workgroups: usize,
    subgroup: usize,
    operands: BufferId,
    output: BufferId,
) -> Op {
    let params = Params {
        subgroup: subgroup as u32,
    };
    Op::new(shader(fragment), &params, Grid::Workgroups(workgroups))
        .bind("operands", operands)
        .bind("output", output)
}

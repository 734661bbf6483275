//! A whole layer in one dispatch, eq. 20: z′ (R, batch, out) from z (R, batch, in).

use super::params;
use crate::activation::{self, Activation};
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{File, Layout, NUMBERS, Shader, TILE_MATMUL, Tile, wgsl};
use crate::nn::Layer;

params! { batch: u32, outputs: u32, inputs: u32, clamp_low: f32, clamp_high: f32 }

/// What becomes of the pre-activation Wz + b, with the buffers that takes.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue {
    /// z′ = Wz + b.
    Linear,
    /// z′ = ρ(Wz + b).
    Standard,
    /// z′ = ρ(u + Wz + b).
    Euclidean {
        /// z or Mz.
        u: BufferId,
    },
    /// z′ = ρ(ρ⁻¹(clamp(u)) + Wz + b).
    Bregman {
        /// z or Mz.
        u: BufferId,
    },
    /// As `Bregman`, with a′ written too.
    BregmanLift {
        /// z or Mz.
        u: BufferId,
        /// a′.
        dual: BufferId,
    },
    /// a′ = a + Wz + b, z′ = ρ(a′).
    BregmanDual {
        /// a.
        a: BufferId,
        /// a′.
        dual: BufferId,
    },
}

impl Epilogue {
    fn file(self) -> File {
        match self {
            Self::Linear => wgsl!("epilogue/linear"),
            Self::Standard => wgsl!("epilogue/standard"),
            Self::Euclidean { .. } => wgsl!("epilogue/euclidean"),
            Self::Bregman { .. } => wgsl!("epilogue/bregman"),
            Self::BregmanLift { .. } => wgsl!("epilogue/bregman_lift"),
            Self::BregmanDual { .. } => wgsl!("epilogue/bregman_dual"),
        }
    }

    fn buffers(self) -> Vec<(&'static str, BufferId)> {
        match self {
            Self::Linear | Self::Standard => vec![],
            Self::Euclidean { u } | Self::Bregman { u } => vec![("skip", u)],
            Self::BregmanLift { u, dual } => vec![("skip", u), ("dual", dual)],
            Self::BregmanDual { a, dual } => vec![("skip", a), ("dual", dual)],
        }
    }
}

/// The kernel for one epilogue, activation and tile.
pub fn shader(epilogue: Epilogue, activation: &Activation, tile: Tile) -> Shader {
    let files = [
        TILE_MATMUL,
        Layout::Nt.file(),
        tile.file(),
        epilogue.file(),
        NUMBERS,
    ];
    let shader = Shader::new(wgsl!("layer_forward"), files);
    match epilogue {
        Epilogue::Linear => shader,
        _ => shader.with_activation(activation),
    }
}

/// Every permutation.
pub fn shaders() -> impl Iterator<Item = Shader> {
    let [u, a, dual] = [BufferId(0), BufferId(0), BufferId(1)];
    let epilogues = [
        Epilogue::Standard,
        Epilogue::Euclidean { u },
        Epilogue::Bregman { u },
        Epilogue::BregmanLift { u, dual },
        Epilogue::BregmanDual { a, dual },
    ];
    Tile::ALL.into_iter().flat_map(move |tile| {
        let nonlinear = activation::ALL.iter().flat_map(move |activation| {
            epilogues.map(|epilogue| shader(epilogue, activation, tile))
        });
        nonlinear.chain([shader(Epilogue::Linear, &activation::IDENTITY, tile)])
    })
}

/// Buffers of a layer's forward.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, in).
    pub z: BufferId,
    /// W, (R, out, in).
    pub weight: BufferId,
    /// b, (R, out).
    pub bias: BufferId,
    /// (R, batch, out).
    pub output: BufferId,
}

/// One layer, forward.
pub fn layer_forward(
    epilogue: Epilogue,
    activation: &Activation,
    clamp: [f32; 2],
    tile: Tile,
    [realizations, batch]: [usize; 2],
    layer: &Layer,
    operands: Operands,
) -> Op {
    let params = Params {
        batch: batch as u32,
        outputs: layer.outputs as u32,
        inputs: layer.inputs as u32,
        clamp_low: clamp[0],
        clamp_high: clamp[1],
    };
    let grid = Grid::Tiles {
        tile,
        m: batch,
        n: layer.outputs,
        realizations,
    };
    let op = Op::new(shader(epilogue, activation, tile), &params, grid)
        .bind("lhs", operands.z)
        .bind("rhs", operands.weight)
        .bind("bias", operands.bias)
        .bind("output", operands.output);
    epilogue
        .buffers()
        .into_iter()
        .fold(op, |op, (name, buffer)| op.bind(name, buffer))
}

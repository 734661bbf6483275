//! δ (R, batch, in) of the layer below from δ′ (R, batch, out), in one dispatch.

use super::params;
use crate::activation::{self, Activation};
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{File, Layout, Shader, TILE_MATMUL, Tile, wgsl};
use crate::nn::Layer;

params! { batch: u32, inputs: u32, outputs: u32, gate_low: f32, gate_high: f32 }

/// The skip path that joins δ′W, with the buffers that takes.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue {
    /// δ = h(z) ∘ δ′W.
    Standard,
    /// δ = h(z) ∘ (δ′W + skip).
    Euclidean {
        /// δ′, δ′M or qM.
        skip: BufferId,
    },
    /// δ = h(z) ∘ δ′W + δ′ where `gate` is within the window, else h(z) ∘ δ′W.
    Bregman {
        /// z in primal form, a in dual form.
        gate: BufferId,
        /// [low, high].
        window: [f32; 2],
    },
}

impl Epilogue {
    fn file(self) -> File {
        match self {
            Self::Standard => wgsl!("epilogue/standard_backward"),
            Self::Euclidean { .. } => wgsl!("epilogue/euclidean_backward"),
            Self::Bregman { .. } => wgsl!("epilogue/bregman_backward"),
        }
    }
}

/// The kernel for one epilogue, activation and tile.
pub fn shader(epilogue: Epilogue, activation: &Activation, tile: Tile) -> Shader {
    let files = [TILE_MATMUL, Layout::Nn.file(), tile.file(), epilogue.file()];
    Shader::new(wgsl!("layer_backward_input"), files).with_activation(activation)
}

/// Every permutation.
pub fn shaders() -> impl Iterator<Item = Shader> {
    let epilogues = [
        Epilogue::Standard,
        Epilogue::Euclidean { skip: BufferId(0) },
        Epilogue::Bregman {
            gate: BufferId(0),
            window: [0.0; 2],
        },
    ];
    Tile::ALL.into_iter().flat_map(move |tile| {
        activation::ALL
            .iter()
            .flat_map(move |activation| epilogues.map(|e| shader(e, activation, tile)))
    })
}

/// Buffers of a layer's backward towards its input.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// δ′, (R, batch, out).
    pub delta: BufferId,
    /// W, (R, out, in).
    pub weight: BufferId,
    /// The layer's input, (R, batch, in).
    pub z: BufferId,
    /// δ, (R, batch, in).
    pub output: BufferId,
}

/// One layer, backward towards its input and through the ρ that made it.
pub fn layer_backward_input(
    epilogue: Epilogue,
    activation: &Activation,
    tile: Tile,
    [realizations, batch]: [usize; 2],
    layer: &Layer,
    operands: Operands,
) -> Op {
    let [gate_low, gate_high] = match epilogue {
        Epilogue::Bregman { window, .. } => window,
        _ => [0.0; 2],
    };
    let params = Params {
        batch: batch as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        gate_low,
        gate_high,
    };
    let grid = Grid::Tiles {
        tile,
        m: batch,
        n: layer.inputs,
        realizations,
    };
    let op = Op::new(shader(epilogue, activation, tile), &params, grid)
        .bind("lhs", operands.delta)
        .bind("rhs", operands.weight)
        .bind("z", operands.z)
        .bind("output", operands.output);
    match epilogue {
        Epilogue::Standard => op,
        Epilogue::Euclidean { skip } => op.bind("skip", skip),
        Epilogue::Bregman { gate, .. } => op.bind("skip", operands.delta).bind("gate", gate),
    }
}

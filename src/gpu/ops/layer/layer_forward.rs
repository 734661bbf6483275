//! A whole layer in one dispatch, eq. 20: z′ (R, batch, out) from z (R, batch, in).

use super::gather::Source;
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::tile::Tile;
use crate::gpu::wgsl::{File, LHS_K, LHS_WHOLE, NUMBERS, RHS_K, STEP, TILE_MATMUL, VECTOR, wgsl};
use crate::nn::LayerShape;

params! {
    batch: u32,
    outputs: u32,
    inputs: u32,
    realizations: u32,
    order_stride: u32,
    clamp_low: f32,
    clamp_high: f32,
}

/// The output that the kernel computes from the pre-activation Wz + b, with the buffers that it needs.
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
    /// Like `Bregman`, and writes a′ too.
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
    pub(super) fn file(self) -> File {
        match self {
            Self::Linear => wgsl!("layer/after_forward/linear"),
            Self::Standard => wgsl!("layer/after_forward/standard"),
            Self::Euclidean { .. } => wgsl!("layer/after_forward/euclidean"),
            Self::Bregman { .. } => wgsl!("layer/after_forward/bregman"),
            Self::BregmanLift { .. } => wgsl!("layer/after_forward/bregman_lift"),
            Self::BregmanDual { .. } => wgsl!("layer/after_forward/bregman_dual"),
        }
    }

    /// The buffers of the skip path's variable and of a′.
    pub(super) fn buffers(self) -> [Option<BufferId>; 2] {
        match self {
            Self::Linear | Self::Standard => [None, None],
            Self::Euclidean { u } | Self::Bregman { u } => [Some(u), None],
            Self::BregmanLift { u, dual } => [Some(u), Some(dual)],
            Self::BregmanDual { a, dual } => [Some(a), Some(dual)],
        }
    }
}

/// The source of z.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A buffer, (R, batch, in).
    Buffer(BufferId),
    /// The data set's inputs, gathered as by [`super::gather`]; the batch is written to a buffer too.
    Data {
        /// As in [`super::gather::gather`].
        order_stride: usize,
        /// As in [`super::gather::gather`]; the output is z.
        operands: super::gather::Operands,
    },
}

/// The kernel for one epilogue, activation and tile, on a buffer or on the inputs of a data set;
/// `aligned` if lines are multiples of 4.
pub fn shader(
    epilogue: Epilogue,
    activation: &Activation,
    tile: Tile,
    aligned: bool,
    source: Option<Source>,
) -> Shader {
    let [lhs, rhs] = crate::gpu::ops::product::matmul::operands(aligned);
    let mut files = vec![
        TILE_MATMUL,
        RHS_K,
        tile.file(),
        tile.load_file(),
        VECTOR,
        rhs,
    ];
    if let Some(source) = source {
        files.extend([wgsl!("product/operand/batch"), source.file(), STEP]);
    }
    match (source, aligned) {
        (Some(Source::Bytes { .. }), true) => files.push(wgsl!("product/operand/pixels_vec4")),
        (Some(_), _) => files.extend([wgsl!("product/operand/batch_scalar"), LHS_WHOLE]),
        (None, _) => files.extend([lhs, LHS_K, LHS_WHOLE]),
    }
    files.push(match epilogue {
        Epilogue::Linear | Epilogue::Standard => wgsl!("layer/skip/none"),
        _ if source.is_some() => wgsl!("layer/skip/batch"),
        _ => wgsl!("layer/skip/buffer"),
    });
    files.extend([epilogue.file(), STORAGE, NUMBERS]);
    let shader = Shader::new(wgsl!("layer/layer_forward"), files);
    match epilogue {
        Epilogue::Linear => shader,
        _ => shader.with_activation(activation),
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let [u, a, dual] = [BufferId(0), BufferId(0), BufferId(1)];
    let epilogues = [
        Epilogue::Standard,
        Epilogue::Euclidean { u },
        Epilogue::Bregman { u },
        Epilogue::BregmanLift { u, dual },
        Epilogue::BregmanDual { a, dual },
    ];
    let forms = |tile| [true, false].map(|aligned| (tile, aligned));
    let forms = Tile::ALL.into_iter().flat_map(forms);
    Params::permutations(forms.flat_map(move |(tile, aligned)| {
        let nonlinear = Activation::ALL.iter().flat_map(move |activation| {
            epilogues.into_iter().flat_map(move |epilogue| {
                let lifted = !matches!(epilogue, Epilogue::BregmanDual { .. });
                let data = Source::ALL.map(Some);
                let sources = data.into_iter().filter(move |_| lifted).chain([None]);
                sources.map(move |source| shader(epilogue, activation, tile, aligned, source))
            })
        });
        let linear = shader(Epilogue::Linear, &Activation::IDENTITY, tile, aligned, None);
        nonlinear.chain([linear])
    }))
}

/// Buffers of a layer's forward.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, in).
    pub z: Input,
    /// W, (R, out, in).
    pub weight: BufferId,
    /// b, (R, out).
    pub bias: BufferId,
    /// (R, batch, out).
    pub output: BufferId,
}

/// The forward pass of a layer. On a data set the skip path is z itself, whatever buffer `epilogue` names.
///
/// # Panics
/// For a data set with the dual form's epilogue, which takes a from the layer below.
pub fn layer_forward(
    epilogue: Epilogue,
    activation: &Activation,
    clamp: [f32; 2],
    tile: Tile,
    [realizations, batch]: [usize; 2],
    layer: &LayerShape,
    operands: Operands,
) -> Op {
    let order_stride = match operands.z {
        Input::Buffer(_) => 0,
        Input::Data { order_stride, .. } => order_stride,
    };
    let params = Params {
        batch: batch as u32,
        outputs: layer.outputs as u32,
        inputs: layer.inputs as u32,
        realizations: realizations as u32,
        order_stride: order_stride as u32,
        clamp_low: clamp[0],
        clamp_high: clamp[1],
    };
    let aligned = layer.inputs.is_multiple_of(4);
    let source = match operands.z {
        Input::Buffer(_) => None,
        Input::Data { operands, .. } => Some(operands.source),
    };
    let op = Op::new(
        shader(epilogue, activation, tile, aligned, source),
        &params,
        Grid::Workgroups(realizations * tile.tiles(batch, layer.outputs)),
    )
    .bind("rhs", operands.weight)
    .bind("bias", operands.bias)
    .bind("output", operands.output);
    let [skip, dual] = epilogue.buffers();
    let op = match operands.z {
        Input::Buffer(z) => {
            let op = op.bind("lhs", z);
            skip.into_iter().fold(op, |op, skip| op.bind("skip", skip))
        }
        Input::Data { operands, .. } => {
            let dual_form = matches!(epilogue, Epilogue::BregmanDual { .. });
            assert!(!dual_form, "inputs are no dual variable");
            let op = operands.source.bind(op);
            op.bind("order", operands.order).bind("z", operands.output)
        }
    };
    dual.into_iter().fold(op, |op, dual| op.bind("dual", dual))
}

//! The backward pass of a layer in one dispatch: δ (R, batch, in) of the layer below from
//! δ′ (R, batch, out), and the update of W (R, out, in) by δ′ᵀ z and of b (R, out) by Σ δ′.

use std::sync::LazyLock;

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::reflect::reflect;
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::tile::{Product, Tile};
use crate::gpu::wgsl::{File, LHS_WHOLE, NUMBERS, TILE_MATMUL, VECTOR, wgsl};
use crate::kind::LayerKind;
use crate::nn::LayerShape;

params! {
    batch: u32,
    inputs: u32,
    outputs: u32,
    realizations: u32,
    wanted_rows: u32,
    gate_low: f32,
    gate_high: f32,
}

/// The skip path that is added to δ′W, with its buffers.
#[derive(Clone, Copy, Debug)]
pub enum Skip {
    /// δ = h(z) ∘ δ′W.
    None,
    /// δ = h(z) ∘ (δ′W + δ′).
    Euclidean,
    /// δ = h(z) ∘ δ′W + δ′ where `gate` is within the window, else h(z) ∘ δ′W.
    Bregman {
        /// z in primal form, a in dual form.
        gate: BufferId,
        /// [low, high].
        window: [f32; 2],
    },
    /// dL/dz = δ′W + δ′ / h(z), without the second term where the clamp of z was active: z is the output
    /// of another activation than this layer's, and the slope of that one follows in another dispatch.
    BregmanNested {
        /// The clamp of z, [low, high].
        clamp: [f32; 2],
    },
    /// δ = h(z) ∘ (δ′W + qM). q is δ′ or, in a Bregman layer, δ′ / h(u), and 0 where the clamp of u = Mz
    /// was active.
    Mix {
        /// The kind of layer.
        kind: LayerKind,
        /// u, (R, batch, out).
        u: BufferId,
        /// M, (R, out, in).
        matrix: BufferId,
        /// The clamp of u, [low, high].
        clamp: [f32; 2],
        /// Whether the kernel stops at dL/dz = δ′W + qM, as for [`Self::BregmanNested`].
        nested: bool,
    },
}

impl Skip {
    /// Whether the kernel gives dL/dz, without the slope of the activation below.
    pub fn stops_at_input(self) -> bool {
        matches!(
            self,
            Self::BregmanNested { .. } | Self::Mix { nested: true, .. }
        )
    }
}

/// The file that defines q.
pub(super) fn mix_file(kind: LayerKind) -> File {
    match kind {
        LayerKind::Bregman => wgsl!("layer/mix/bregman"),
        _ => wgsl!("layer/mix/euclidean"),
    }
}

/// The kernel for one skip, activation, tile and update; `aligned` if lines are multiples of 4.
pub fn shader(
    skip: Skip,
    activation: &Activation,
    tile: Tile,
    aligned: bool,
    update: Update,
) -> Shader {
    let operands = match aligned {
        true => wgsl!("product/operand/backward_vec4"),
        false => wgsl!("product/operand/backward_scalar"),
    };
    let epilogue = match skip {
        Skip::Mix { nested: true, .. } => wgsl!("layer/after_backward/linear"),
        Skip::None | Skip::Mix { .. } => wgsl!("layer/after_backward/standard"),
        Skip::Euclidean => wgsl!("layer/after_backward/euclidean"),
        Skip::Bregman { .. } => wgsl!("layer/after_backward/bregman"),
        Skip::BregmanNested { .. } => wgsl!("layer/after_backward/bregman_nested"),
    };
    let mix = match skip {
        Skip::Mix { kind, .. } => vec![
            wgsl!("layer/mix/present"),
            mix_file(kind),
            match aligned {
                true => wgsl!("product/operand/mix_vec4"),
                false => wgsl!("product/operand/mix_scalar"),
            },
        ],
        Skip::BregmanNested { .. } => {
            vec![wgsl!("layer/mix/absent"), mix_file(LayerKind::Bregman)]
        }
        _ => vec![wgsl!("layer/mix/absent")],
    };
    let files = [
        TILE_MATMUL,
        LHS_WHOLE,
        tile.file(),
        tile.load_file(),
        VECTOR,
        STORAGE,
        operands,
        epilogue,
    ];
    Shader::new(
        wgsl!("layer/layer_backward"),
        files
            .into_iter()
            .chain(mix)
            .chain([NUMBERS])
            .chain(update.files()),
    )
    .with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let any = BufferId(0);
    let mix = |kind, nested| Skip::Mix {
        kind,
        u: any,
        matrix: any,
        clamp: [0.0; 2],
        nested,
    };
    let skips = [
        Skip::None,
        Skip::Euclidean,
        Skip::Bregman {
            gate: any,
            window: [0.0; 2],
        },
        Skip::BregmanNested { clamp: [0.0; 2] },
        mix(LayerKind::Euclidean, false),
        mix(LayerKind::Bregman, false),
        mix(LayerKind::Bregman, true),
    ];
    Params::permutations(Tile::ALL.into_iter().flat_map(move |tile| {
        Activation::ALL.iter().flat_map(move |activation| {
            skips.into_iter().flat_map(move |skip| {
                let updates = Update::ALL.into_iter();
                updates
                    .filter(move |&u| has_room(skip, u))
                    .flat_map(move |update| {
                        [true, false].map(|aligned| shader(skip, activation, tile, aligned, update))
                    })
            })
        })
    }))
}

/// Whether the kernel's buffers are few enough for every adapter: with M and the state of an optimizer they
/// are nine, and WebGPU guarantees eight.
pub fn has_room(skip: Skip, update: Update) -> bool {
    !matches!(skip, Skip::Mix { .. }) || matches!(update, Update::Store | Update::Sgd)
}

/// The number of outputs whose bias one workgroup updates, apart from the tiles, where the width of z is a multiple
/// of this number, as the kernel's file states.
static BIAS_MULTIPLE: LazyLock<usize> = LazyLock::new(|| {
    let file = shader(
        Skip::None,
        &Activation::IDENTITY,
        Tile::Small,
        true,
        Update::Store,
    );
    let reflection = reflect(&file).expect("checked by a test");
    reflection.constants["BIAS_MULTIPLE"] as usize
});

/// The workgroups for one realization's update.
fn update_workgroups(tile: Tile, layer: &LayerShape) -> usize {
    let multiple = *BIAS_MULTIPLE;
    match layer.inputs.is_multiple_of(multiple) {
        true => tile.tiles(layer.outputs, layer.inputs) + layer.outputs.div_ceil(multiple),
        // The column after the last is the bias.
        false => tile.tiles(layer.outputs, layer.inputs + 1),
    }
}

/// Buffers of a layer's backward.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// δ′, (R, batch, out).
    pub delta: BufferId,
    /// The layer's input, (R, batch, in).
    pub z: BufferId,
    /// W, (R, out, in).
    pub weight: BufferId,
    /// W after the update, in a buffer of its own, because other workgroups still compute δ from the old
    /// W; or its gradient.
    pub next_weight: BufferId,
    /// b, (R, out), updated in place; or its gradient.
    pub bias: BufferId,
    /// δ, (R, batch, in), or any buffer if δ is not needed.
    pub output: BufferId,
    /// Whether δ is needed.
    pub input_wanted: bool,
}

/// The tile of both products: that of W's gradient if δ is not needed or W has few outputs (`Deep`);
/// `Short` if both products would take it, or W's gradient would and one stage holds the batch; else the
/// smaller of both, but at least `Small`. With several realizations it may be a larger one of the same bits.
pub fn tile([realizations, batch]: [usize; 2], layer: &LayerShape, input_wanted: bool) -> Tile {
    let weight = Tile::for_product(Product {
        m: layer.outputs,
        n: layer.inputs,
        k: batch,
    });
    let input = Tile::for_product(Product {
        m: batch,
        n: layer.inputs,
        k: layer.outputs,
    });
    let one_stage = batch <= Tile::Short.sizes().k as usize;
    let tile = match (weight, input) {
        _ if !input_wanted => weight,
        (Tile::Deep, _) => Tile::Deep,
        (Tile::Short, Tile::Short) => Tile::Short,
        (Tile::Short, _) if one_stage => Tile::Short,
        (Tile::Short, _) | (_, Tile::Deep | Tile::Short) => Tile::Small,
        _ => weight.min(input),
    };
    let update = [layer.outputs, layer.inputs];
    match input_wanted {
        true => tile.for_realizations(realizations, [update, [batch, layer.inputs]]),
        false => tile.for_realizations(realizations, [update]),
    }
}

/// The backward pass of a layer: δ of the layer below, if it is needed, and the update.
pub fn layer_backward(
    skip: Skip,
    activation: &Activation,
    tile: Tile,
    updating: Updating,
    [realizations, batch]: [usize; 2],
    layer: &LayerShape,
    operands: Operands,
) -> Op {
    let [gate_low, gate_high] = match skip {
        Skip::Bregman { window, .. } => window,
        Skip::BregmanNested { clamp } | Skip::Mix { clamp, .. } => clamp,
        Skip::None | Skip::Euclidean => [0.0; 2],
    };
    let wanted_rows = if operands.input_wanted { batch } else { 0 };
    let params = Params {
        batch: batch as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        realizations: realizations as u32,
        wanted_rows: wanted_rows as u32,
        gate_low,
        gate_high,
    };
    let tiles = tile.tiles(wanted_rows, layer.inputs) + update_workgroups(tile, layer);
    let aligned = layer.inputs.is_multiple_of(4) && layer.outputs.is_multiple_of(4);
    let op = Op::new(
        shader(skip, activation, tile, aligned, updating.update),
        &params,
        Grid::Workgroups(realizations * tiles),
    )
    .bind("delta", operands.delta)
    .bind("z", operands.z)
    .bind("weight", operands.weight)
    .bind("next_weight", operands.next_weight)
    .bind("bias", operands.bias)
    .bind("output", operands.output);
    let op = match skip {
        Skip::None | Skip::Euclidean | Skip::BregmanNested { .. } => op,
        Skip::Bregman { gate, .. } => op.bind("gate", gate),
        Skip::Mix { u, matrix, .. } => op.bind("u", u).bind("mix", matrix),
    };
    updating.bind(op)
}

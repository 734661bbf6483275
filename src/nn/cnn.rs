//! The convolutional front-end that may come before the hidden layers.
//!
//! Images x (batch, channels, height, width) go through blocks of convolution, activation and
//! max-pooling. The last block's output, flattened, are the features f; in training, dropout removes
//! some of them. The hidden layers then start from
//!
//! ```text
//! z₀ = ρ(f),   a₀ = f  (dual form)
//! ```
//!
//! with the ρ of the first layer. A Bregman layer's input must lie in the range of ρ, where ρ⁻¹ is defined. ρ maps
//! into it without a scale, and it makes the features themselves the dual variable. So the skip path
//! passes them on unchanged, and its gradient reaches the convolutions undamped.

use serde::{Deserialize, Serialize};

use super::layer::LayerShape;
use crate::activation::Activation;
use crate::error::{Error, Result};

/// A convolution of images (batch, `channels`, `height`, `width`) with weights (filters, channels,
/// kernel, kernel), OIHW, and a bias (filters); as in deep learning, a cross-correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Conv {
    /// Channels of its input.
    pub channels: usize,
    /// Height of its input.
    pub height: usize,
    /// Width of its input.
    pub width: usize,
    /// Channels of its output.
    pub filters: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Distance between neighbouring windows, in pixels.
    pub stride: usize,
    /// Number of rows and columns of zeros on each side.
    pub padding: usize,
}

impl Conv {
    /// Height and width of its output.
    pub fn output(&self) -> [usize; 2] {
        let extent =
            |pixels: usize, kernel: usize| (pixels + 2 * self.padding - kernel) / self.stride + 1;
        [
            extent(self.height, self.kernel[0]),
            extent(self.width, self.kernel[1]),
        ]
    }

    /// Number of numbers of one input image.
    pub fn inputs(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Number of numbers of one output image.
    pub fn outputs(&self) -> usize {
        let [height, width] = self.output();
        self.filters * height * width
    }

    /// Number of weights of one filter: channels × kernel × kernel.
    pub fn window(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// The shape of the weights as a matrix, (filters, window).
    pub fn matrix(&self) -> LayerShape {
        LayerShape {
            inputs: self.window(),
            outputs: self.filters,
            mix: false,
        }
    }
}

/// Max-pooling: the largest number of each window of `kernel` × `kernel`, with a window every `stride`
/// pixels. Pixels that no whole window covers are ignored. Of equal numbers the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Pool {
    /// Channels.
    pub channels: usize,
    /// Height of its input.
    pub height: usize,
    /// Width of its input.
    pub width: usize,
    /// Height and width of the window.
    pub kernel: usize,
    /// Distance between neighbouring windows, in pixels.
    pub stride: usize,
}

impl Pool {
    /// Height and width of its output.
    pub fn output(&self) -> [usize; 2] {
        [self.height, self.width].map(|pixels| (pixels - self.kernel) / self.stride + 1)
    }

    /// Number of numbers of one output image.
    pub fn outputs(&self) -> usize {
        let [height, width] = self.output();
        self.channels * height * width
    }
}

/// Convolution, activation, and optional pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Block {
    /// The convolution.
    pub conv: Conv,
    /// The pooling.
    pub pool: Option<Pool>,
}

impl Block {
    /// Number of numbers of one output image.
    pub fn outputs(&self) -> usize {
        self.pool.map_or(self.conv.outputs(), |pool| pool.outputs())
    }
}

/// Dropout: training sets each feature to zero with a given probability, drawn again in each step.
///
/// A feature that stays is divided by 1 − probability, so that evaluation needs no factor. Whether
/// feature j of row i stays in a step depends on the realization's seed, the step's number, i and j only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability that a feature is dropped, in [0, 1).
    pub probability: f32,
}

/// The largest count or extent, chosen so that no product of them overflows.
const MAX_EXTENT: usize = 8192;

/// A convolutional front-end.
#[derive(Clone, Debug)]
pub struct Cnn {
    /// The activation of the blocks: [`Activation::RELU`] or one of [`Activation::ALL`].
    pub activation: &'static Activation,
    /// The blocks in order; at least one.
    pub blocks: Vec<Block>,
    /// Dropout of the features.
    pub dropout: Option<Dropout>,
}

/// The activation of convolutions called `name`.
///
/// # Errors
/// [`Error::UnknownName`] with the names that exist.
#[doc(hidden)]
pub fn activation_by_name(name: &str) -> Result<&'static Activation> {
    if name == Activation::RELU.name {
        return Ok(&Activation::RELU);
    }
    Activation::by_name(name)
}

/// The description of a block without its extents, which follow from the previous block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockSpec {
    /// Channels of the output.
    pub filters: usize,
    /// Height and width of the convolution's window.
    pub kernel: [usize; 2],
    /// Its stride.
    pub stride: usize,
    /// Its padding.
    pub padding: usize,
    /// Kernel and stride of the pooling, if there is one.
    pub pool: Option<[usize; 2]>,
}

impl BlockSpec {
    /// A convolution that keeps height and width (odd kernel), then 2 × 2 pooling.
    pub const fn same(filters: usize, kernel: usize) -> Self {
        Self {
            filters,
            kernel: [kernel, kernel],
            stride: 1,
            padding: kernel / 2,
            pool: Some([2, 2]),
        }
    }
}

impl Cnn {
    /// A front-end for images of `channels` × `height` × `width`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for no blocks, a count of zero, or a window larger than its input.
    pub fn new(
        activation: &'static Activation,
        [mut channels, mut height, mut width]: [usize; 3],
        specs: &[BlockSpec],
    ) -> Result<Self> {
        let invalid = |value: String, reason: &str| Error::InvalidValue {
            field: "cnn",
            value,
            reason: reason.to_owned(),
        };
        let mut blocks = Vec::new();
        for (number, spec) in specs.iter().enumerate() {
            let place = format!("block {number} on {channels} × {height} × {width}");
            let [pool_kernel, pool_stride] = spec.pool.unwrap_or([1, 1]);
            let counts = [
                spec.filters,
                spec.kernel[0],
                spec.kernel[1],
                spec.stride,
                pool_kernel,
                pool_stride,
                channels,
            ];
            if counts.contains(&0) {
                return Err(invalid(
                    place,
                    "filters, kernels and strides are at least 1",
                ));
            }
            let extents = [&height, &width, &spec.padding];
            if counts.iter().chain(extents).any(|&n| n > MAX_EXTENT) {
                return Err(invalid(place, "no count may be above 8,192"));
            }
            let conv = Conv {
                channels,
                height,
                width,
                filters: spec.filters,
                kernel: spec.kernel,
                stride: spec.stride,
                padding: spec.padding,
            };
            let padded = [height, width].map(|pixels| pixels + 2 * spec.padding);
            if padded[0] < spec.kernel[0] || padded[1] < spec.kernel[1] {
                return Err(invalid(place, "its kernel is larger than the padded image"));
            }
            [height, width] = conv.output();
            channels = spec.filters;
            let pool = spec.pool.map(|[kernel, stride]| Pool {
                channels,
                height,
                width,
                kernel,
                stride,
            });
            if let Some(pool) = pool {
                if pool.kernel > height.min(width) {
                    return Err(invalid(place, "its pooling is larger than the image"));
                }
                [height, width] = pool.output();
            }
            blocks.push(Block { conv, pool });
        }
        if blocks.is_empty() {
            return Err(invalid("0 blocks".to_owned(), "at least one is needed"));
        }
        Ok(Self {
            activation,
            blocks,
            dropout: None,
        })
    }

    /// The same front-end with dropout of the features.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a probability outside [0, 1).
    pub fn with_dropout(mut self, dropout: Dropout) -> Result<Self> {
        if !(0.0..1.0).contains(&dropout.probability) {
            return Err(Error::InvalidValue {
                field: "dropout",
                value: dropout.probability.to_string(),
                reason: "must be a probability of at least 0 and below 1".to_owned(),
            });
        }
        self.dropout = Some(dropout);
        Ok(self)
    }

    /// Number of numbers of one image.
    pub fn inputs(&self) -> usize {
        self.blocks[0].conv.inputs()
    }

    /// Number of features of one image.
    pub fn features(&self) -> usize {
        self.blocks[self.blocks.len() - 1].outputs()
    }

    /// FLOPs of the convolutions' products for one image, forward.
    pub fn forward_flops(&self) -> u64 {
        let flops = |conv: &Conv| 2 * (conv.outputs() * conv.window()) as u64;
        self.blocks.iter().map(|block| flops(&block.conv)).sum()
    }

    /// FLOPs of the convolutions' products for one image in a training step: three products for each
    /// convolution, except the first, whose input needs no gradient.
    pub fn step_flops(&self) -> u64 {
        let first = &self.blocks[0].conv;
        3 * self.forward_flops() - 2 * (first.outputs() * first.window()) as u64
    }
}

impl Cnn {
    /// The small front-end for images of `shape` (channels, height, width). For grey images it has two
    /// blocks of 32 and 64 filters; for colour images it has three of 32, 64 and 128 filters and dropout
    /// of one half. All kernels are 3 × 3 pixels.
    ///
    /// # Errors
    /// Those of [`Cnn::new`] for images that are too small.
    pub fn small(activation: &'static Activation, shape: [usize; 3]) -> Result<Self> {
        let [first, second] = [BlockSpec::same(32, 3), BlockSpec::same(64, 3)];
        if shape[0] == 1 {
            // 28 × 28 → 14 × 14 → 4 × 4: 1,024 features, few enough for a square layer.
            let second = BlockSpec {
                pool: Some([3, 3]),
                ..second
            };
            return Self::new(activation, shape, &[first, second]);
        }
        let third = BlockSpec::same(128, 3);
        let cnn = Self::new(activation, shape, &[first, second, third])?;
        cnn.with_dropout(Dropout { probability: 0.5 })
    }

    /// The description in checkpoints, as JSON.
    pub fn to_json(&self) -> String {
        let first = &self.blocks[0].conv;
        let blocks = self.blocks.iter().map(|Block { conv, pool }| BlockSpec {
            filters: conv.filters,
            kernel: conv.kernel,
            stride: conv.stride,
            padding: conv.padding,
            pool: pool.map(|pool| [pool.kernel, pool.stride]),
        });
        let description = Description {
            activation: self.activation.name.to_owned(),
            image: [first.channels, first.height, first.width],
            blocks: blocks.collect(),
            dropout: self.dropout.map(|dropout| dropout.probability),
        };
        serde_json::to_string(&description).expect("numbers and strings serialize")
    }

    /// The front-end that [`Self::to_json`] described.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] or [`Error::UnknownName`] for an invalid description.
    pub fn from_json(json: &str) -> Result<Self> {
        let description: Description =
            serde_json::from_str(json).map_err(|error| Error::InvalidValue {
                field: "cnn",
                value: json.to_owned(),
                reason: format!("not the description of a front-end: {error}"),
            })?;
        let activation = activation_by_name(&description.activation)?;
        let cnn = Self::new(activation, description.image, &description.blocks)?;
        match description.dropout {
            None => Ok(cnn),
            Some(probability) => cnn.with_dropout(Dropout { probability }),
        }
    }
}

/// The JSON of a front-end in checkpoints.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    activation: String,
    /// Channels, height, width.
    image: [usize; 3],
    blocks: Vec<BlockSpec>,
    dropout: Option<f32>,
}

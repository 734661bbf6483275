//! The dispatches of a training step, each by itself.

use serde::{Deserialize, Serialize};

use super::{Network, ROUND, Steps, warm};
use crate::error::Result;
use crate::gpu::{DispatchSummary, Gpu, GpuExecutor};

/// A network whose fused training step is measured dispatch by dispatch.
#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// Three layers.
    Layers(Network),
    /// The small CNN in batches of 32, one realization.
    Cnn,
}

/// A dispatch of a training step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dispatch {
    /// The network. Earlier reports have the number of realizations alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// R.
    pub realizations: usize,
    /// The label of the shader: the kernel's name and those of the files linked to it.
    pub kernel: String,
    /// The number of workgroups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroups: Option<usize>,
    /// FLOPs of the matrix products and convolutions of the dispatch, where its kernel is made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops: Option<f64>,
    /// Seconds of one dispatch by the device's own clock, the barrier before it included.
    pub device_seconds: f64,
}

impl Dispatch {
    /// The kernel's name.
    pub fn name(&self) -> &str {
        self.kernel.split('+').next().unwrap_or(&self.kernel)
    }

    /// The name of the tile of its matrix product, if it is one.
    pub fn tile(&self) -> Option<&str> {
        let mut files = self.kernel.split('+');
        files.find_map(|file| Some(file.split_once("tile/")?.1))
    }
}

/// The most repetitions of a dispatch in a pass.
const MOST: f64 = 100.0;

/// The fewest, for dispatches that take long.
const FEWEST: f64 = 4.0;

impl Case {
    /// The networks, those that are asked about most first; on a software adapter the small one alone.
    pub fn all(software: bool) -> Vec<Self> {
        if software {
            return vec![Self::Layers(Network::bregman(32, 64))];
        }
        let five = Network {
            realizations: 5,
            ..Network::bregman(128, 784)
        };
        vec![
            Self::Layers(Network::bregman(128, 784)),
            Self::Layers(five),
            Self::Layers(Network::bregman(512, 784)),
            Self::Layers(Network::bregman(4096, 784)),
            Self::Layers(Network::bregman(4096, 4096)),
            Self::Cnn,
        ]
    }

    /// Its name in the report.
    pub fn name(&self) -> String {
        match self {
            Self::Layers(network) => format!(
                "batch {} × {}, R = {}",
                network.batch, network.width, network.realizations
            ),
            Self::Cnn => "CNN, batch 32, R = 1".to_owned(),
        }
    }

    fn executor(&self, gpu: &Gpu) -> Result<GpuExecutor> {
        match self {
            Self::Layers(network) => network.executor(gpu, true, 1),
            Self::Cnn => Ok(Steps::cnn(gpu, 1)?.executor),
        }
    }

    /// Measures each dispatch of a fused training step by itself, on a card whose clocks are up: a hundred
    /// in a pass, or as many as take a twentieth of a second. Nothing on devices without a clock.
    ///
    /// # Errors
    /// Those of [`GpuExecutor`].
    pub fn measure(&self, gpu: &Gpu) -> Result<Option<Vec<Dispatch>>> {
        let software = gpu.summary().software;
        let mut executor = self.executor(gpu)?;
        let (program, gpu) = executor.train_step();
        let times = |seconds: f64| match software {
            true => 1,
            false => (ROUND / seconds).clamp(FEWEST, MOST) as usize,
        };
        // The first run completes the work of the driver at the first use of a kernel.
        program.run(gpu, 0..1)?;
        let Some(step) = pollster::block_on(program.device_seconds(gpu, 1))? else {
            return Ok(None);
        };
        warm(software, || {
            let seconds = pollster::block_on(program.device_seconds(gpu, times(step)))?;
            Ok(seconds.unwrap_or(step))
        })?;
        let realizations = match self {
            Self::Layers(network) => network.realizations,
            Self::Cnn => 1,
        };
        let mut dispatches = Vec::new();
        for (index, summary) in program.summaries().into_iter().enumerate() {
            let mut seconds = |times: usize| -> Result<Option<f64>> {
                let all = pollster::block_on(program.dispatch_seconds(gpu, index, times))?;
                Ok(all.map(|all| all / times as f64))
            };
            // A pass of few dispatches says how many the measured one may have.
            let once = seconds(times(step))?.unwrap_or(step);
            let Some(device_seconds) = seconds(times(once))? else {
                return Ok(None);
            };
            dispatches.push(Dispatch {
                case: Some(self.name()),
                realizations,
                workgroups: Some(summary.workgroups),
                flops: flops(&summary),
                kernel: summary.label,
                device_seconds,
            });
        }
        Ok(Some(dispatches))
    }
}

/// FLOPs of the matrix products or the convolution of a dispatch; none for other kernels.
fn flops(dispatch: &DispatchSummary) -> Option<f64> {
    let product = |fields: &[&str]| -> Option<f64> {
        let values = fields.iter().map(|&field| dispatch.params.get(field));
        values
            .map(|value| value.map(|&value| f64::from(value)))
            .product()
    };
    let kernel = dispatch.label.split('+').next().unwrap_or_default();
    let multiplications = match kernel {
        "matmul" => product(&["realizations", "m", "n", "k"]),
        "layer_forward" => product(&["realizations", "batch", "inputs", "outputs"]),
        "layer_backward" => {
            // The weights' gradient sums over the batch, and the input's gradient has the wanted rows.
            let of_weights = product(&["realizations", "inputs", "outputs", "batch"])?;
            Some(of_weights + product(&["realizations", "inputs", "outputs", "wanted_rows"])?)
        }
        "conv2d_forward" | "conv2d_backward_input" | "conv2d_backward_weight" => product(&[
            "realizations",
            "batch",
            "out_height",
            "out_width",
            "filters",
            "channels",
            "kernel_height",
            "kernel_width",
        ]),
        _ => None,
    };
    multiplications.map(|count| 2.0 * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(label: &str, params: &[(&str, u32)]) -> DispatchSummary {
        let params = params.iter().map(|&(name, value)| (name.to_owned(), value));
        DispatchSummary {
            label: label.to_owned(),
            workgroups: 1,
            params: params.collect(),
        }
    }

    #[test]
    fn flops_are_those_of_the_products_of_a_dispatch() {
        let layer = [
            ("realizations", 2),
            ("batch", 3),
            ("inputs", 5),
            ("outputs", 7),
            ("wanted_rows", 0),
        ];
        let forward = summary("layer_forward+product/tile/small", &layer);
        assert_eq!(flops(&forward), Some(420.0));
        assert_eq!(flops(&summary("layer_backward", &layer)), Some(420.0));
        let both = [&layer[..4], &[("wanted_rows", 3)]].concat();
        assert_eq!(flops(&summary("layer_backward", &both)), Some(840.0));
        assert_eq!(flops(&summary("head", &layer)), None);
        // A kernel that states its shape otherwise has no FLOPs rather than wrong ones.
        assert_eq!(flops(&summary("layer_forward", &layer[1..])), None);
    }

    #[test]
    fn a_dispatch_names_its_kernel_and_its_tile() {
        let dispatch = |kernel: &str| Dispatch {
            case: None,
            realizations: 1,
            kernel: kernel.to_owned(),
            workgroups: None,
            flops: None,
            device_seconds: 1e-6,
        };
        let tiled = dispatch("layer_forward+product/tile_matmul+product/tile/small+math");
        assert_eq!(
            (tiled.name(), tiled.tile()),
            ("layer_forward", Some("small"))
        );
        // As earlier reports name the files.
        assert_eq!(dispatch("matmul+tile/deep").tile(), Some("deep"));
        assert_eq!(dispatch("head+loss/mse").tile(), None);
    }
}

//! The networks in burn.

use std::f32::consts::FRAC_PI_2;
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};

use crate::{CLASSES, Kind, SAMPLES, Steps, WIDTH};

/// Layers of one width and a linear head.
#[derive(Module, Debug)]
struct Network {
    layers: Vec<Linear>,
    head: Linear,
}

impl Network {
    fn new(layers: usize, width: usize, outputs: usize, device: &Device) -> Self {
        let linear = |outputs| LinearConfig::new(width, outputs).init(device);
        Self {
            layers: (0..layers).map(|_| linear(width)).collect(),
            head: linear(outputs),
        }
    }

    /// Scaled arctan.
    fn classify(&self, mut z: Tensor<2>, kind: Kind) -> Tensor<2> {
        let below_one = 1.0 - f32::EPSILON / 2.0;
        for layer in &self.layers {
            let mut a = layer.forward(z.clone());
            if kind == Kind::Bregman {
                a = a + (z.clamp(-below_one, below_one) * FRAC_PI_2).tan();
            }
            z = a.atan() / FRAC_PI_2;
        }
        self.head.forward(z)
    }

    /// Arctan, Bregman.
    fn spiral(&self, mut z: Tensor<2>) -> Tensor<2> {
        for layer in &self.layers {
            let a = layer.forward(z.clone()) + z.clamp(-1.5707962_f32, 1.5707962).tan();
            z = a.atan();
        }
        self.head.forward(z)
    }

    /// Tanh, Bregman, in dual form: the network of `../../gpu_torch.py`.
    fn dual(&self, mut z: Tensor<2>) -> Tensor<2> {
        let mut a = z.clone().clamp(-0.999999_f32, 0.999999).atanh();
        for layer in &self.layers {
            a = a + layer.forward(z);
            z = a.clone().tanh();
        }
        self.head.forward(z)
    }
}

/// Steps of plain SGD by a loss of the network and the number of the step.
fn training(
    network: Network,
    rate: f64,
    device: Device,
    loss: impl Fn(&Network, usize) -> Tensor<1> + 'static,
) -> Steps {
    let mut optimizer = SgdConfig::new().init();
    let mut network = Some(network);
    Box::new(move |count| {
        let start = Instant::now();
        for i in 0..count {
            let current = network.take().expect("a network");
            let gradients = loss(&current, i).backward();
            let gradients = GradientsParams::from_grads(gradients, &current);
            network = Some(optimizer.step(rate, current, gradients));
        }
        device.sync().expect("the device ends its work");
        start.elapsed().as_secs_f64()
    })
}

fn labels(samples: usize, device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i32> = (0..samples).map(|i| (i % CLASSES) as i32).collect();
    Tensor::from_data(TensorData::new(labels, [samples]), device)
}

/// The benches' network of `layers` layers (0: the spiral net) on a backend's device.
pub fn trainer(device: &Device, layers: usize, batch: usize, kind: Kind) -> Steps {
    let device = device.clone().autodiff();
    if layers == 0 {
        return spiral(device);
    }
    let network = Network::new(layers, WIDTH, CLASSES, &device);
    let below_one = Distribution::Uniform(0.0, 0.999999);
    let x = Tensor::<2>::random([SAMPLES, WIDTH], below_one, &device);
    let y = labels(SAMPLES, &device);
    let loss = CrossEntropyLossConfig::new().init(&device);
    training(network, 1e-3, device, move |network, i| {
        let at = i * batch % SAMPLES;
        let logits = network.classify(x.clone().slice([at..at + batch]), kind);
        loss.forward(logits, y.clone().slice([at..at + batch]))
    })
}

fn spiral(device: Device) -> Steps {
    let network = Network::new(3, 2, 1, &device);
    let x = Tensor::<2>::random([1000, 2], Distribution::Uniform(-0.5, 0.5), &device);
    let y: Vec<f32> = (0..1000).map(|i| (i % 2) as f32).collect();
    let y = Tensor::<2>::from_data(TensorData::new(y, [1000, 1]), &device);
    training(network, 0.05, device, move |network, i| {
        let at = i * 10 % 1000;
        let out = network.spiral(x.clone().slice([at..at + 10]));
        MseLoss::new().forward(out, y.clone().slice([at..at + 10]), Reduction::Mean)
    })
}

/// Three Bregman layers in dual form on one batch: a row of the GPU report.
pub fn report_trainer(device: &Device, batch: usize, width: usize) -> Steps {
    let device = device.clone().autodiff();
    let network = Network::new(3, width, CLASSES, &device);
    let x = Tensor::<2>::random([batch, width], Distribution::Uniform(-0.9, 0.9), &device);
    let y = labels(batch, &device);
    let loss = CrossEntropyLossConfig::new().init(&device);
    training(network, 1e-3, device, move |network, _| {
        loss.forward(network.dual(x.clone()), y.clone())
    })
}

//! candle on the processor. It has neither tangent nor arctangent, so a user would add them as here.

use std::f64::consts::FRAC_PI_2;
use std::time::Instant;

use bregman_peers::{CLASSES, Kind, SAMPLES, Steps, WIDTH, serve};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, bail};
use candle_nn::{Linear, Module, Optimizer, SGD, VarBuilder, VarMap, linear, loss};

struct Tan;
struct Atan;

fn map(storage: &CpuStorage, layout: &Layout, f: fn(f32) -> f32) -> Result<(CpuStorage, Shape)> {
    let (CpuStorage::F32(values), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
        bail!("contiguous f32 only")
    };
    let values = values[from..to].iter().map(|&x| f(x)).collect();
    Ok((CpuStorage::F32(values), layout.shape().clone()))
}

impl CustomOp1 for Tan {
    fn name(&self) -> &'static str {
        "tan"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        map(storage, layout, f32::tan)
    }

    fn bwd(&self, _: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((gradient * (result.sqr()? + 1.0)?)?))
    }
}

impl CustomOp1 for Atan {
    fn name(&self) -> &'static str {
        "atan"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        map(storage, layout, f32::atan)
    }

    fn bwd(&self, a: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((gradient / (a.sqr()? + 1.0)?)?))
    }
}

/// Layers of one width and a linear head.
struct Network {
    layers: Vec<Linear>,
    head: Linear,
}

impl Network {
    fn new(layers: usize, width: usize, outputs: usize, vars: VarBuilder) -> Result<Self> {
        let layer = |i| linear(width, width, vars.pp(format!("layer{i}")));
        Ok(Self {
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            head: linear(width, outputs, vars.pp("head"))?,
        })
    }

    /// Scaled arctan.
    fn classify(&self, x: &Tensor, kind: Kind) -> Result<Tensor> {
        let below_one = 1.0 - f64::from(f32::EPSILON) / 2.0;
        let mut z = x.clone();
        for layer in &self.layers {
            let mut a = layer.forward(&z)?;
            if kind == Kind::Bregman {
                let clamped = (z.clamp(-below_one, below_one)? * FRAC_PI_2)?;
                a = (a + clamped.apply_op1(Tan)?)?;
            }
            z = (a.apply_op1(Atan)? / FRAC_PI_2)?;
        }
        self.head.forward(&z)
    }

    /// Arctan, Bregman.
    fn spiral(&self, x: &Tensor) -> Result<Tensor> {
        let mut z = x.clone();
        for layer in &self.layers {
            let dual = z.clamp(-1.5707962f32, 1.5707962f32)?.apply_op1(Tan)?;
            z = (layer.forward(&z)? + dual)?.apply_op1(Atan)?;
        }
        self.head.forward(&z)
    }
}

/// Steps of plain SGD by a loss of the network and the number of the step.
fn training(
    layers: usize,
    [width, outputs]: [usize; 2],
    rate: f64,
    loss: impl Fn(&Network, usize) -> Result<Tensor> + 'static,
) -> Result<Steps> {
    let vars = VarMap::new();
    let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let network = Network::new(layers, width, outputs, builder)?;
    let mut optimizer = SGD::new(vars.all_vars(), rate)?;
    Ok(Box::new(move |count| {
        let start = Instant::now();
        for i in 0..count {
            let loss = loss(&network, i).expect("a loss");
            optimizer.backward_step(&loss).expect("a step");
        }
        start.elapsed().as_secs_f64()
    }))
}

fn trainer(layers: usize, batch: usize, kind: Kind) -> Result<Steps> {
    let device = Device::Cpu;
    if layers == 0 {
        let x = Tensor::rand(-0.5f32, 0.5, (1000, 2), &device)?;
        let y: Vec<f32> = (0..1000).map(|i| (i % 2) as f32).collect();
        let y = Tensor::from_vec(y, (1000, 1), &device)?;
        return training(3, [2, 1], 0.05, move |network, i| {
            let at = i * 10 % 1000;
            let out = network.spiral(&x.narrow(0, at, 10)?)?;
            loss::mse(&out, &y.narrow(0, at, 10)?)
        });
    }
    let x = Tensor::rand(0f32, 0.999999, (SAMPLES, WIDTH), &device)?;
    let y: Vec<u32> = (0..SAMPLES).map(|i| (i % CLASSES) as u32).collect();
    let y = Tensor::from_vec(y, SAMPLES, &device)?;
    training(layers, [WIDTH, CLASSES], 1e-3, move |network, i| {
        let at = i * batch % SAMPLES;
        let logits = network.classify(&x.narrow(0, at, batch)?, kind)?;
        loss::cross_entropy(&logits, &y.narrow(0, at, batch)?)
    })
}

fn main() {
    serve(|layers, batch, kind| trainer(layers, batch, kind).expect("a network"));
}

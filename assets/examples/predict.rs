//! Trains a network on points of your own, saves it, loads it again and predicts with it:
//! `cargo run --release --example predict`.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::sync::Arc;

use bregman::activation::TANH;
use bregman::checkpoint;
use bregman::cpu::CpuExecutor;
use bregman::data::Dataset;
use bregman::data::Splits;
use bregman::executor::Executor;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::Model;
use bregman::optim::Sgd;
use bregman::predict::{outputs, probabilities, ranked};
use bregman::train::{self, Schedule};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two rings of points. A feature is a byte: 0 to 255 stand for coordinates from -1 to 1.
    let byte = |x: f64| (127.5 + 127.5 * x) as u8;
    let mut data = Dataset {
        name: "rings".to_owned(),
        channels: 1,
        image: [1, 2],
        classes: 2,
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for point in 0..400 {
        let (angle, class) = (f64::from(point) * 0.7, point % 2);
        let radius = 0.4 + 0.5 * f64::from(class);
        data.pixels
            .extend([byte(radius * angle.cos()), byte(radius * angle.sin())]);
        data.labels.push(class as u8);
    }

    // Two Bregman layers of 16 neurons; bytes are mapped to [-0.9, 0.9], within the range of tanh.
    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let model =
        Model::new(kind, form, &TANH, loss, &[2, 16, 16], 2)?.with_input_range(-0.9, 0.9)?;
    let sgd = Sgd {
        batch_size: 10,
        learning_rate: 0.1,
    };
    let schedule = Schedule {
        epochs: 60,
        seed: 0,
        realizations: 1,
        samples: 400,
        batch_size: 10,
        validation: false,
    };
    let splits = Splits {
        train: data.clone(),
        validation: None,
        test: data,
    };
    let parameters = vec![Init::Random.parameters(&model, 0)];
    let mut executor = CpuExecutor::new(&model, Arc::new(splits), parameters, sgd)?;
    let mut observer = train::Silent;
    let training = train::train(&mut executor, &schedule, &mut observer);
    let history = pollster::block_on(training)?;
    println!("accuracy {:.1} %", 100.0 * history[59].test_accuracy);

    let trained = pollster::block_on(executor.parameters())?;
    let folder = std::env::temp_dir().join("bregman-example");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("rings.safetensors");
    checkpoint::save(&path, &model, "rings", &trained)?;

    let network = checkpoint::load(&path)?;
    for [x, y] in [[0.4, 0.0], [0.0, -0.9]] {
        let logits = outputs(&network.model, &network.parameters, &[byte(x), byte(y)]);
        let (class, probability) = ranked(&probabilities(network.model.loss, &logits))[0];
        println!("({x}, {y}) is in ring {class}, with probability {probability:.3}");
    }
    Ok(())
}

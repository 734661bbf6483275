//! Trains one Bregman layer on digits that the crate draws: the example of the README.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::sync::Arc;

use bregman::activation::TANH;
use bregman::cpu::CpuExecutor;
use bregman::data::{Splits, digits};
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::Model;
use bregman::optim::Sgd;
use bregman::train::{self, Schedule};

fn main() -> bregman::error::Result<()> {
    // 28 × 28 images of digits that the crate draws itself.
    let (train, test) = digits::generate(2_000, 500);
    let (epochs, samples, batch_size) = (5, train.len(), 32);
    let splits = Arc::new(Splits {
        train,
        validation: None,
        test,
    });

    // One Bregman layer of 64 tanh neurons, and a linear head of ten classes.
    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let model = Model::new(kind, form, &TANH, loss, &[784, 64], 10)?;
    let parameters = vec![Init::Random.parameters(&model, 0)];
    let sgd = Sgd {
        batch_size,
        learning_rate: 0.2,
    };
    let mut executor = CpuExecutor::new(&model, splits, parameters, sgd)?;
    let schedule = Schedule {
        epochs,
        seed: 0,
        realizations: 1,
        samples,
        batch_size,
        validation: false,
    };
    let mut observer = train::Silent;
    let training = train::train(&mut executor, &schedule, &mut observer);
    let history = pollster::block_on(training)?;
    println!("{:.1} % of the test set", 100.0 * history[4].test_accuracy);
    Ok(())
}

//! Pictures of digits, disturbed in many ways, are recognised nearly as well as the images that they
//! were made from. On drawn digits in every run of the tests; on MNIST, with a table of all kinds, by
//!
//!     BREGMAN_DATA_DIR=FOLDER cargo test --release --test disturbed -- --ignored --nocapture

#[path = "common/disturbed.rs"]
mod disturbed;

use std::sync::Arc;

use bregman::activation::Activation;
use bregman::cpu::CpuExecutor;
use bregman::data::picture::{Style, parse};
use bregman::data::{Dataset, Request, Splits, load};
use bregman::executor::Executor;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::{Model, Parameters};
use bregman::optim::Sgd;
use bregman::predict::{outputs, probabilities, ranked};
use bregman::train::{Schedule, Silent, train};
use disturbed::{Draws, KINDS, Kind};
use rayon::prelude::*;

struct Network {
    model: Model,
    parameters: Parameters,
}

impl Network {
    /// 784 → 128 → 10 neurons, trained for five epochs.
    fn trained(data: &Dataset) -> Self {
        let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
        let model = Model::new(kind, form, &Activation::TANH, loss, &[784, 128], 10);
        let model = model.and_then(|model| model.with_input_range(0.0, 0.999999));
        let model = model.expect("a valid network");
        let sgd = Sgd {
            batch_size: 16,
            learning_rate: 0.1,
        };
        let schedule = Schedule {
            epochs: 5,
            seed: 0,
            realizations: 1,
            samples: data.len(),
            batch_size: sgd.batch_size,
            validation: false,
        };
        let mut test = data.clone();
        test.truncate(100);
        let splits = Splits {
            train: data.clone(),
            validation: None,
            test,
        };
        let parameters = vec![Init::Random.parameters(&model, 0)];
        let executor = CpuExecutor::new(&model, Arc::new(splits), parameters, sgd);
        let mut executor = executor.expect("an executor");
        let mut observer = Silent;
        let training = train(&mut executor, &schedule, &mut observer);
        pollster::block_on(training).expect("training");
        let trained = pollster::block_on(executor.parameters());
        let parameters = trained.expect("parameters").remove(0);
        Self { model, parameters }
    }

    fn class(&self, pixels: &[u8]) -> usize {
        let outputs = outputs(&self.model, &self.parameters, &pixels.into());
        ranked(&probabilities(self.model.loss, &outputs))[0].0
    }

    fn is_right(&self, pixels: &[u8], label: u32) -> bool {
        self.class(pixels) == label as usize
    }

    /// The number of right answers for pictures of one kind.
    fn right(&self, kind: &Kind, test: &Dataset) -> usize {
        let samples = test.pixels().par_chunks_exact(784).zip(test.labels());
        let right = samples.enumerate().filter(|&(sample, (image, &label))| {
            let file = (kind.file)(image, &mut Draws::of(sample));
            let picture = parse(&file, Style::Digit);
            picture.is_ok_and(|picture| self.is_right(&picture.pixels, label))
        });
        right.count()
    }
}

/// Prints the table, and checks each kind and all together against evaluation on the images
/// themselves: at least `least` percent of the right answers.
#[expect(clippy::print_stdout, reason = "the table is what it is run for")]
fn measure(dataset: &str, training: usize, pictures: usize, least: [f64; 2]) {
    let request = Request {
        dataset: Some(dataset.to_owned()),
        data_dir: None,
        limit: Some((training, pictures)),
    };
    let data = load(&request, &mut |_| {}).expect("data");
    let network = Network::trained(&data.train);
    let test = &data.test;
    let images = test.pixels().chunks_exact(784).zip(test.labels());
    let evaluated = images.filter(|(image, label)| network.is_right(image, **label));
    let evaluated = evaluated.count();
    assert!(
        evaluated * 100 >= 80 * pictures,
        "{evaluated} of {pictures}"
    );
    println!("| {dataset}: {pictures} pictures of each kind | right | of evaluation |");
    println!("|---|---|---|");
    let print = |name: &str, right: f64| {
        let percent = 100.0 * right / pictures as f64;
        let share = 100.0 * right / evaluated as f64;
        println!("| {name} | {percent:.1} % | {share:.1} % |");
        share
    };
    print("evaluation", evaluated as f64);
    let mut sum = 0.0;
    for kind in KINDS {
        let right = network.right(kind, test) as f64;
        let share = print(kind.name, right);
        assert!(share >= least[0], "{}", kind.name);
        sum += right;
    }
    let share = print("all kinds", sum / KINDS.len() as f64);
    assert!(share >= least[1]);
}

#[test]
fn drawn_digits_are_recognised_in_disturbed_pictures() {
    measure("digits", 10_000, 30, [85.0, 98.0]);
}

#[test]
#[ignore = "needs MNIST, and minutes"]
fn digits_of_mnist_are_recognised_in_disturbed_pictures() {
    measure("mnist", 60_000, 100, [85.0, 95.0]);
}

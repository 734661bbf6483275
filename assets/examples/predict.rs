//! Trains four networks with learning rates of their own side by side, stops them when they are good enough,
//! saves the best and predicts with what was saved: `cargo run --release --example predict`.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use bregman::data::digits;
use bregman::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 28 × 28 images of digits that the crate draws itself.
    let (mut train, test) = digits::generate(3_000, 500);
    let validation = train.split_off(500);

    // A standard layer, then two Bregman layers, the second of which has a trained M.
    let model = Model::input(784)
        .standard(64)
        .bregman(64)
        .bregman(32)
        .classes(10)
        .build()?;
    let runs = [0.01, 0.03, 0.1, 0.3].map(|learning_rate| RunSettings {
        seed: 0,
        learning_rate,
        momentum: 0.9,
        weight_decay: 1e-4,
    });
    let trained = Trainer::new(&model)
        .runs(runs)
        .epochs(15)
        .validation(&validation)
        .on_epoch(|metrics| {
            println!("epoch {:2}: {:.3?}", metrics.epoch, metrics.test_accuracies);
            match metrics.val_accuracy {
                Some(accuracy) if accuracy > 0.97 => Break(()),
                _ => Continue(()),
            }
        })
        .fit(&train, &test)?;

    // The one with the lowest loss on samples that nothing was trained on.
    let best = trained.best().ok_or("there is no validation set")?;
    println!("best learning rate: {}", runs[best].learning_rate);
    let path = std::env::temp_dir().join("bregman-example.safetensors");
    trained.realization(best)?.save(&path)?;

    let network = Trained::load(&path)?;
    println!("{:?}", network.evaluate(&test)?);
    let classes = network.predict(&test)?;
    println!("classes of the first images: {:?}", &classes[..10]);
    println!("their labels:                {:?}", &test.labels()[..10]);
    Ok(())
}

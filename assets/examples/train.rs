//! Trains two Bregman layers on points of your own: the example of the README. It writes
//! `ring.safetensors` into the current folder.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use bregman::prelude::*;

fn main() -> Result<(), Error> {
    // Your own points: the ring around the origin is class 1.
    let points: Vec<[f32; 2]> = (0..900)
        .map(|i| [i % 30, i / 30].map(|n| n as f32 / 16.0 - 0.9))
        .collect();
    let labels: Vec<u8> = points
        .iter()
        .map(|[x, y]| u8::from(x * x + y * y > 0.4))
        .collect();
    let (train, test) = Dataset::classification(&points, &labels)?.split(0.8, 0)?;
    let model = Model::input(2).bregman(16).bregman(16).classes(2).build()?;
    let trained = Trainer::new(&model)
        .optimizer(Optimizer::adam(0.01))
        .epochs(30)
        .fit(&train, &test)?;
    println!(
        "{:.1} % of the test set",
        100.0 * trained.evaluate(&test)?.accuracy.unwrap_or_default()
    );
    println!(
        "the class of the origin: {:?}",
        trained.predict(&[[0.0, 0.0]])?
    );
    trained.save("ring.safetensors")?;
    Ok(())
}

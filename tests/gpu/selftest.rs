//! Each check of the self-test as a test: kernels, activations, elementary functions, trainings.

use bregman::gpu::tile::{Layout, Product, Tile};
use bregman::selftest::checks::{Check, Checks};
use bregman::selftest::{activations, convolutions, functions, kernels, sweeps, training};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::{Body, gpu};

pub fn tests() -> Vec<(String, Body)> {
    let checks = |module: &str, all: &[(&'static str, Check)]| {
        let all = all.iter().map(|&(name, check)| {
            let test: Body = Box::new(move || passes(name, check));
            (format!("{module}::{name}"), test)
        });
        all.collect::<Vec<_>>()
    };
    let mut tests = checks("kernels", &kernels::ALL);
    tests.extend(checks("convolutions", &convolutions::ALL));
    tests.extend(checks("activations", &activations::ALL));
    tests.extend(checks("training", &training::ALL));
    tests.extend(checks("sweeps", &sweeps::ALL));
    tests.push(("functions".to_owned(), Box::new(functions)));
    tests.push(("kernels::any_product".to_owned(), Box::new(any_product)));
    tests
}

fn passes(name: &str, check: Check) {
    let mut checks = Checks::new(false);
    checks.begin(name);
    check(&mut gpu(), &mut checks).unwrap_or_else(|e| panic!("{e}"));
    let rows = checks.into_rows();
    assert!(
        rows.iter().any(|row| row.numbers > 0),
        "nothing was compared"
    );
    for row in rows {
        if let Some(failure) = row.failure {
            panic!("{}: {failure}", row.name);
        }
    }
}

fn functions() {
    let rows = functions::check(&mut gpu()).unwrap_or_else(|e| panic!("{e}"));
    for row in rows {
        assert!(row.points >= 65_536, "{}: {} points", row.name, row.points);
        assert!(row.passes(), "{row:?}");
    }
}

/// Matrix products of any shape, layout and tile.
fn any_product() {
    let config = ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(40)
    };
    let shapes = (1..70usize, 1..70usize, 1..70usize);
    let kinds = (select(Layout::ALL.to_vec()), select(Tile::ALL.to_vec()));
    let gpu = gpu();
    let agrees = |((layout, tile), (m, n, k)): ((Layout, Tile), (usize, usize, usize))| {
        let mut checks = Checks::new(false);
        checks.begin("matmul");
        let product = Product { m, n, k };
        kernels::matmul_case(&mut gpu.clone(), &mut checks, layout, tile, product)
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        match checks.into_rows().remove(0).failure {
            Some(failure) => Err(TestCaseError::fail(failure)),
            None => Ok(()),
        }
    };
    if let Err(failure) = TestRunner::new(config).run(&(kinds, shapes), agrees) {
        panic!("{failure}");
    }
}

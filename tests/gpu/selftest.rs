//! The self-test's checks, each as a test: kernels, activations, elementary functions, trainings.

use bregman::selftest::checks::{Check, Checks};
use bregman::selftest::{activations, functions, kernels, training};

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
    tests.extend(checks("activations", &activations::ALL));
    tests.extend(checks("training", &training::ALL));
    tests.push(("functions".to_owned(), Box::new(functions)));
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

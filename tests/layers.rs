//! Networks whose layers differ: what may follow what, and what each of them is.

use bregman::activation::Activation;
use bregman::data::spirals::Spirals;
use bregman::error::Error;
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::{LayerSpec, Model};
use bregman::reference::forward;
use bregman::selftest::networks::mixed_cases;
use bregman::sweep::{Run, Sweep, cpu, network};

fn standard(activation: &'static Activation, width: usize) -> LayerSpec {
    LayerSpec::new(LayerKind::Standard, Form::Dual, activation, width)
}

fn dual(activation: &'static Activation, width: usize) -> LayerSpec {
    LayerSpec::new(LayerKind::Bregman, Form::Dual, activation, width)
}

fn pass(spec: LayerSpec) -> LayerSpec {
    LayerSpec {
        dual_passage: true,
        ..spec
    }
}

fn build(specs: &[LayerSpec]) -> Result<Model, Error> {
    Model::from_layers(5, specs, Loss::CrossEntropy, 3)
}

/// Every pair of activations: a Bregman layer follows exactly where its range holds the range below, and
/// everywhere with a dual passage.
#[test]
fn a_bregman_layer_needs_a_range_that_holds_the_one_below() {
    for below in Activation::ALL {
        for above in Activation::ALL {
            let holds = above.range[0] <= below.range[0] && below.range[1] <= above.range[1];
            for form in [Form::Dual, Form::Primal] {
                for first in [standard(below, 5), dual(below, 5)] {
                    let second = LayerSpec {
                        form,
                        ..dual(above, 4)
                    };
                    let built = build(&[first, second]);
                    assert_eq!(built.is_ok(), holds, "{} {}", below.name, above.name);
                    assert!(build(&[first, pass(second)]).is_ok());
                    let error = match built {
                        Ok(_) => continue,
                        Err(error) => error,
                    };
                    let said = error.to_string();
                    for part in [
                        below.name,
                        above.name,
                        "layer 1",
                        "layer 0",
                        "`dual_passage`",
                    ] {
                        assert!(said.contains(part), "{said}");
                    }
                    assert!(matches!(error, Error::LayerRanges { layers: [0, 1], .. }));
                }
            }
            // These have no inverse.
            for kind in [LayerKind::Standard, LayerKind::Euclidean] {
                let second = LayerSpec {
                    kind,
                    ..dual(above, 4)
                };
                assert!(build(&[dual(below, 5), second]).is_ok());
            }
        }
    }
}

#[test]
fn a_dual_passage_that_leads_nowhere_is_refused() {
    let tanh = &Activation::TANH;
    let euclidean = LayerSpec {
        kind: LayerKind::Euclidean,
        ..standard(tanh, 5)
    };
    let refused: [&[LayerSpec]; 3] = [
        &[pass(dual(tanh, 5))],
        &[dual(tanh, 5), pass(standard(tanh, 5))],
        &[dual(tanh, 5), pass(euclidean)],
    ];
    for specs in refused {
        let error = build(specs).expect_err("an error");
        let field = match error {
            Error::InvalidValue { field, .. } => field,
            other => panic!("{other}"),
        };
        assert_eq!(field, "dual_passage");
    }
    let empty = build(&[]).expect_err("an error");
    assert!(matches!(
        empty,
        Error::InvalidValue {
            field: "hidden_layers",
            ..
        }
    ));
}

/// With W = 0 and b = 0 a layer behind a dual passage hands on the dual variable that it takes.
#[test]
fn a_dual_passage_keeps_the_dual_variable() {
    let specs = [
        dual(&Activation::TANH, 5),
        pass(dual(&Activation::SOFTPLUS, 5)),
        dual(&Activation::SOFTPLUS, 5),
        pass(dual(&Activation::ARCTAN, 5)),
    ];
    let model = build(&specs).expect("a network");
    let parameters = Init::Deterministic.parameters(&model, 0).map(f64::from);
    let x = [0.1, 0.9, 0.0, 0.33, 0.7];
    let trace = forward(&model, &parameters, &x);
    for (l, a) in trace.a.iter().enumerate().skip(1) {
        for (a, x) in a.iter().zip(x) {
            let expected = (Activation::TANH.rho_inv)(x);
            assert!((a - expected).abs() <= 1e-15, "layer {l}: {a} {expected}");
        }
    }
    let last = trace.z[4].iter().zip(&trace.a[4]);
    last.for_each(|(&z, &a)| assert_eq!(z, a.atan()));
}

/// The deterministic initialization is that of each layer's own kind.
#[test]
fn each_layer_starts_by_its_kind() {
    let tanh = &Activation::TANH;
    let model = build(&[standard(tanh, 5), dual(tanh, 5), dual(tanh, 4)]).expect("a network");
    let parameters = Init::Deterministic.parameters(&model, 0);
    let [first, second, third] = &parameters.layers[..] else {
        panic!("three layers");
    };
    for i in 0..5 {
        for j in 0..5 {
            let one = if i == j { 1.0 } else { 0.0 };
            assert_eq!(first.weight[i * 5 + j], one);
        }
    }
    assert!(second.weight.iter().all(|w| *w == 0.0));
    assert_eq!((&first.mix, &second.mix), (&None, &None));
    assert_eq!(third.mix, Some(vec![0.2; 20]));
}

#[test]
fn a_network_of_layers_that_differ_has_no_kind_of_its_own() {
    for case in mixed_cases() {
        let model = case.model;
        assert!(model.uniform().is_none(), "{}", case.name);
        assert!(model.require_uniform("layers").is_err(), "{}", case.name);
    }
    let mixed = build(&[standard(&Activation::TANH, 5), dual(&Activation::TANH, 5)]);
    let mixed = mixed.expect("a network");
    let names = [
        mixed.kind_name(),
        mixed.form_name(),
        mixed.activation_name(),
    ];
    assert_eq!(names, ["mixed", "dual", "tanh"]);
}

/// The first layer's activation decides the range of the inputs.
#[test]
fn inputs_are_in_the_first_layers_range() {
    let specs = [dual(&Activation::SIGMOID, 5), dual(&Activation::TANH, 5)];
    let model = build(&specs).expect("a network");
    assert_eq!(model.input_range, Activation::SIGMOID.input_range);
    assert!(model.clone().with_input_range(-0.5, 0.5).is_err());
    assert!(model.with_input_range(0.0, 0.5).is_ok());
}

#[test]
fn a_sweep_refuses_layers_that_differ() {
    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let mut model = network(kind, form, &Activation::TANH, loss, 3).expect("a network");
    model.layers[1].form = Form::Primal;
    let sweep = Sweep {
        model,
        init: Init::Random,
        runs: vec![Run {
            seed: 1,
            learning_rate: 0.1,
        }],
        epochs: 1,
        batch_size: 4,
        record_every: 1,
    };
    let [data, _] = Spirals::draw(10, 0);
    let error = cpu::train(std::slice::from_ref(&sweep), &data, &|_| {}).expect_err("an error");
    assert!(
        matches!(
            error,
            Error::InvalidValue {
                field: "layers",
                ..
            }
        ),
        "{error}"
    );
}

use super::*;
use crate::activation::Activation;
use crate::data::prepare::{ColumnKind, InputRule};
use crate::data::raw::{Column, Samples, Table};

fn numbers(name: &str, numbers: Vec<f64>) -> Column {
    Column {
        name: name.to_owned(),
        cells: Cells::Numbers(numbers),
    }
}

fn texts(name: &str, texts: &[&str]) -> Column {
    let mut distinct: Vec<String> = Vec::new();
    let codes = texts.iter().map(|&text| {
        if text.is_empty() {
            return u32::MAX;
        }
        let place = distinct.iter().position(|own| own == text);
        place.unwrap_or_else(|| {
            distinct.push(text.to_owned());
            distinct.len() - 1
        }) as u32
    });
    let codes = codes.collect();
    Column {
        name: name.to_owned(),
        cells: Cells::Text { distinct, codes },
    }
}

fn table(columns: Vec<Column>) -> Raw {
    Raw::Table(Table {
        path: "t.csv".into(),
        columns,
    })
}

fn opened_with(train: Raw, test: Option<Raw>) -> Opened {
    let parts = Parts {
        train,
        validation: None,
        test,
        notes: Vec::new(),
    };
    Opened::new(Path::new("folder/t.csv"), parts, ReadOptions::default())
}

fn opened(columns: Vec<Column>) -> Opened {
    opened_with(table(columns), None)
}

/// Ten rows of two classes.
fn rows() -> Vec<Column> {
    let kinds: Vec<&str> = (0..10).map(|i| ["no", "yes"][i % 2]).collect();
    vec![
        numbers("size", (0..10).map(f64::from).collect()),
        texts("kind", &kinds),
    ]
}

fn fault(result: Result<Prepared>) -> PrepareFault {
    match result {
        Err(Error::Data {
            fault: DataFault::Prepare(fault),
            ..
        }) => fault,
        other => panic!("{other:?}"),
    }
}

/// The inputs of a data set.
fn inputs(data: &Dataset) -> &[f32] {
    match &data.inputs {
        Inputs::Numbers(numbers) => numbers,
        Inputs::Bytes(_) => panic!("bytes"),
    }
}

/// Mean 2, deviation √2: the standardised numbers themselves where ρ is the identity.
#[test]
fn numbers_are_standardised_by_those_of_training() {
    let train = table(vec![
        numbers("x", vec![0.0, 1.0, 2.0, 3.0, 4.0]),
        numbers("y", vec![1.0, 2.0, 3.0, 4.0, 5.0]),
    ]);
    let test = table(vec![
        numbers("y", vec![1e9, 3.0]),
        numbers("x", vec![1e6, 2.5]),
    ]);
    let own = opened_with(train, Some(test)).target("y");
    let prepared = own.prepare(&Activation::IDENTITY).expect("a table");
    let root = 2.0_f64.sqrt();
    let expected = [-2.0, -1.0, 0.0, 1.0, 2.0].map(|x: f64| (x / root) as f32);
    assert_eq!(inputs(&prepared.train), expected);
    // Beyond the range of training a number is clamped to it, and a target stays as it is.
    assert_eq!(
        inputs(&prepared.test),
        [2.0 / root, 0.5 / root].map(|x| x as f32)
    );
    let Targets::Values(values) = &prepared.test.targets else {
        panic!("classes");
    };
    assert_eq!(values[..], [(1e9 - 3.0) / root, 0.0].map(|x| x as f32));
    assert!(
        prepared.notes[0].contains("1 number beyond the range"),
        "{:?}",
        prepared.notes
    );
    let mut restored = [f64::from(values[1]), 1.0];
    prepared.preparation.target.restore(&mut restored);
    assert_eq!(restored, [3.0, 3.0 + root]);
}

#[test]
fn dual_inputs_are_rho_of_what_is_standardised() {
    let range = opened(rows()).target("kind").input(Input::Range);
    let dual = opened(rows()).target("kind").input(Input::Dual);
    let range = range
        .input_range(-0.5, 0.25)
        .prepare(&Activation::TANH)
        .expect("a table");
    let dual = dual.prepare(&Activation::TANH).expect("a table");
    let sizes = |prepared: &Prepared| -> Vec<f64> {
        let all = inputs(&prepared.train).iter();
        all.map(|&x| f64::from(x)).collect()
    };
    let [low, high] = [0, 7].map(|at| sizes(&range)[at]);
    assert_eq!([low, high], [-0.5, 0.25]);
    let InputRule::Columns { columns, .. } = &dual.preparation.inputs else {
        panic!("pixels");
    };
    let ColumnKind::Number(moments) = &columns[0].kind else {
        panic!("texts");
    };
    let first = (moments.low - moments.mean) / moments.deviation;
    assert!((sizes(&dual)[0] - first.tanh()).abs() < 1e-7);
}

/// The held-out samples do not change the preprocessing.
#[test]
fn nothing_is_fitted_on_what_is_held_out() {
    let own = |test: Vec<Column>| {
        let own = opened_with(table(rows()), Some(table(test))).target("kind");
        own.prepare(&Activation::TANH).expect("a table").preparation
    };
    let absurd = vec![
        numbers("size", vec![1e300, -1e300]),
        texts("kind", &["yes", "no"]),
    ];
    assert_eq!(own(absurd), own(rows()));
}

#[test]
fn texts_are_one_hot() {
    let train = vec![
        texts("colour", &["red", "blue", "red", "green"]),
        numbers("y", vec![1.0, 2.0, 3.0, 4.0]),
    ];
    let test = vec![
        texts("colour", &["pink", "blue"]),
        numbers("y", vec![1.0, 2.0]),
    ];
    let own = opened_with(table(train), Some(table(test))).target("2");
    let prepared = own
        .input(Input::Range)
        .prepare(&Activation::IDENTITY)
        .expect("a table");
    let [off, on] = Activation::IDENTITY.input_range;
    // blue, green, red.
    assert_eq!(inputs(&prepared.train)[..6], [off, off, on, on, off, off]);
    assert_eq!(inputs(&prepared.test), [off, off, off, on, off, off]);
    assert!(prepared.notes.iter().any(|note| note.contains("colour")));
}

#[test]
fn faults_name_column_and_row() {
    let missing = |what: &str| {
        let mut columns = rows();
        match what {
            "size" => columns[0] = numbers("size", [vec![1.0, f64::NAN], vec![2.0; 8]].concat()),
            _ => {
                let kinds = ["a", "b", "", "a", "b", "a", "b", "a", "b", "a"];
                columns[1] = texts("kind", &kinds);
            }
        }
        opened(columns)
    };
    let row = |column: &str, row| PrepareFault::Missing {
        column: column.to_owned(),
        row,
    };
    assert_eq!(
        fault(missing("size").target("kind").prepare(&Activation::TANH)),
        row("size", 2)
    );
    assert_eq!(
        fault(missing("kind").target("size").prepare(&Activation::TANH)),
        row("kind", 3)
    );
    let expected = PrepareFault::MissingTarget {
        column: "kind".to_owned(),
        row: 3,
    };
    assert_eq!(
        fault(missing("kind").target("kind").prepare(&Activation::TANH)),
        expected
    );
    let filled = missing("size").target("kind").impute_mean();
    filled
        .prepare(&Activation::TANH)
        .expect("the mean is filled in");

    let columns = "size, kind".to_owned();
    let fault_of = |own: Opened| fault(own.prepare(&Activation::TANH));
    let expected = PrepareFault::NoTarget {
        columns: columns.clone(),
    };
    assert_eq!(fault_of(opened(rows())), expected);
    let expected = PrepareFault::NoColumn {
        field: "target",
        column: "3".to_owned(),
        columns,
    };
    assert_eq!(fault_of(opened(rows()).target("3")), expected);
    let only = opened(rows()).target("kind").drop_columns(["size"]);
    assert_eq!(fault_of(only), PrepareFault::NoFeatures);

    let constant = |target: Column| {
        opened(vec![numbers("x", (0..5).map(f64::from).collect()), target]).target("y")
    };
    let expected = PrepareFault::ConstantTarget {
        column: "y".to_owned(),
        value: "2.5".to_owned(),
    };
    assert_eq!(fault_of(constant(numbers("y", vec![2.5; 5]))), expected);
    let expected = PrepareFault::OneClass {
        class: "a".to_owned(),
    };
    assert_eq!(fault_of(constant(texts("y", &["a"; 5]))), expected);

    let ids: Vec<String> = (0..1501).map(|i| format!("id{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(|id| &id[..]).collect();
    let y = numbers("y", (0..1501).map(f64::from).collect());
    let expected = PrepareFault::TooManyTexts {
        column: "id".to_owned(),
        distinct: 1201,
        most: 1000,
    };
    assert_eq!(
        fault_of(opened(vec![texts("id", &ids), y]).target("y")),
        expected
    );
}

#[test]
fn a_class_of_the_test_alone_is_a_fault() {
    let test = vec![
        numbers("size", vec![1.0, 2.0]),
        texts("kind", &["yes", "maybe"]),
    ];
    let own = opened_with(table(rows()), Some(table(test))).target("kind");
    let expected = PrepareFault::UnknownClass {
        class: "maybe".to_owned(),
        row: 2,
        known: "no, yes".to_owned(),
    };
    assert_eq!(fault(own.prepare(&Activation::TANH)), expected);
}

#[test]
fn numbers_are_classes_where_that_is_asked_for() {
    let y = numbers(
        "y",
        vec![10.0, 9.0, 10.0, 2.5, 9.0, 2.5, 10.0, 9.0, 2.5, 10.0],
    );
    let columns = vec![numbers("x", (0..10).map(f64::from).collect()), y];
    let own = opened(columns).target("y").classes();
    let prepared = own
        .test(HeldOut::Samples(3))
        .prepare(&Activation::TANH)
        .expect("a table");
    assert_eq!(prepared.preparation.target.names(), ["2.5", "9", "10"]);
    assert_eq!((prepared.train.len(), prepared.test.len()), (7, 3));
    let mut labels = prepared.test.labels().to_vec();
    labels.sort_unstable();
    assert_eq!(labels, [0, 1, 2]);
}

#[test]
fn images_keep_their_bytes() {
    let bytes: Vec<u8> = (0..60).collect();
    let raw = Raw::Samples(Samples {
        path: "folder".into(),
        shape: [1, 2, 3],
        inputs: Inputs::Bytes(bytes.clone()),
        targets: Some(Targets::Classes((0..10).map(|i| i % 2).collect())),
        class_names: vec!["cat".to_owned(), "dog".to_owned()],
    });
    let own = opened_with(raw, None).split_seed(3);
    let prepared = own.prepare(&Activation::TANH).expect("images");
    assert_eq!((prepared.train.len(), prepared.test.len()), (8, 2));
    let mut all = [prepared.train.pixels(), prepared.test.pixels()].concat();
    all.sort_unstable();
    assert_eq!(all, bytes);
    assert_eq!(prepared.preparation.target.names(), ["cat", "dog"]);
}

#[test]
fn a_preparation_is_read_back_as_it_was() {
    let mut columns = rows();
    columns.push(numbers(
        "weight",
        (0..10).map(|i| 0.1 * f64::from(i)).collect(),
    ));
    columns.push(texts(
        "place",
        &["a", "b", "a", "a", "b", "a", "b", "b", "a", "a"],
    ));
    for target in ["kind", "weight"] {
        for input in [Input::Dual, Input::Range] {
            let own = opened(columns.clone()).target(target).input(input);
            let preparation = own.prepare(&Activation::TANH).expect("a table").preparation;
            let json = preparation.to_json();
            assert_eq!(Preparation::from_json(&json), Ok(preparation), "{json}");
        }
    }
}

#[test]
fn the_same_source_is_evaluated_on_what_was_held_out_of_it() {
    let own = || opened(rows()).target("kind").split_seed(4);
    let prepared = own().prepare(&Activation::TANH).expect("a table");
    let (test, _) = own().evaluation(&prepared.preparation).expect("the same");
    assert_eq!(test, prepared.test);
    let mut columns = rows();
    columns[0] = numbers("size", (0..10).map(|i| f64::from(i) + 0.5).collect());
    let (all, _) = opened(columns)
        .evaluation(&prepared.preparation)
        .expect("others");
    assert_eq!(all.len(), 10);
}

/// Absurd values of the very rows that are held out of a table do not change the preprocessing.
#[test]
fn rows_that_are_held_out_of_a_table_do_not_matter() {
    let prepared = |sizes: Vec<f64>| {
        let columns = vec![numbers("size", sizes), rows().remove(1)];
        let own = opened(columns).target("kind").input(Input::Range);
        let own = own
            .test(HeldOut::Samples(2))
            .validation(HeldOut::Samples(2));
        own.input_range(0.0, 0.5)
            .prepare(&Activation::TANH)
            .expect("a table")
    };
    let sizes: Vec<f64> = (0..10).map(f64::from).collect();
    let first = prepared(sizes.clone());
    // Where the sizes 0 to 9 are mapped to by the bounds of those that are trained on.
    let InputRule::Columns { columns, .. } = &first.preparation.inputs else {
        panic!("pixels");
    };
    let ColumnKind::Number(moments) = columns[0].kind.clone() else {
        panic!("texts");
    };
    let trained: Vec<f64> = inputs(&first.train)
        .iter()
        .map(|&z| (moments.low + f64::from(z) / 0.5 * (moments.high - moments.low)).round())
        .collect();
    assert_eq!(trained.len(), 6);
    let absurd = |&size: &f64| {
        if trained.contains(&size) {
            size
        } else {
            -1e9 * (size + 1.0)
        }
    };
    let second = prepared(sizes.iter().map(absurd).collect());
    assert_eq!(second.preparation.inputs, first.preparation.inputs);
    assert_eq!(second.train, first.train);
    assert_ne!(second.test, first.test);
}

#[test]
fn a_preparation_that_does_not_fit_together_is_refused() {
    let mut columns = rows();
    columns.push(numbers(
        "weight",
        (0..10).map(|i| 0.5 * f64::from(i)).collect(),
    ));
    let own = opened(columns).target("weight").input(Input::Range);
    let json = own
        .prepare(&Activation::TANH)
        .expect("a table")
        .preparation
        .to_json();
    assert!(Preparation::from_json(&json).is_ok());
    for (from, to) in [
        ("\"shape\":[1,1,3]", "\"shape\":[1,1,2]"),
        (
            "\"shape\":[1,1,3]",
            "\"shape\":[4294967296,4294967296,4294967296]",
        ),
        ("\"no\",\"yes\"", "\"no\""),
        ("\"low\":", "\"low\":1e5,\"lower\":"),
        ("\"range\":[0.0,", "\"range\":[5.0,"),
        ("\"deviations\":[", "\"deviations\":[1.0,"),
        ("\"columns\":[\"weight\"]", "\"columns\":[]"),
        ("\"range\"", "\"strange\""),
    ] {
        assert!(json.contains(from), "{from} in {json}");
        let changed = json.replacen(from, to, 1);
        assert!(Preparation::from_json(&changed).is_err(), "{from} → {to}");
    }
}

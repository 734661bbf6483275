//! NumPy's arrays, `.npz` archives and safetensors files.

use std::io::{Cursor, Write};
use std::path::Path;

use bregman::data::Targets;
use bregman::data::raw::Parts;
use bregman::data::reader::{ReadOptions, open as read};
use bregman::error::{DataFault, Error};

use super::{Folder, bytes, classes, fault, fault_with, numbers, open, test, train};

/// An NPY file of version 1.
fn npy(descr: &str, is_fortran: bool, shape: &str, body: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let size = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &size[..], header.as_bytes(), body].concat()
}

fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn i64s(numbers: &[i64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// An archive of arrays; every second member is compressed.
fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (index, (name, bytes)) in arrays.iter().enumerate() {
        let method = [
            zip::CompressionMethod::Stored,
            zip::CompressionMethod::Deflated,
        ][index % 2];
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer
            .start_file(format!("{name}.npy"), options)
            .expect("memory");
        writer.write_all(bytes).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

fn open_npz(arrays: &[(&str, Vec<u8>)]) -> Parts {
    let folder = Folder::new();
    open(&folder.write("data.npz", npz(arrays)))
}

fn fault_of(arrays: &[(&str, Vec<u8>)]) -> DataFault {
    let folder = Folder::new();
    fault(&folder.write("data.npz", npz(arrays)))
}

fn x(samples: usize) -> Vec<u8> {
    let all: Vec<f32> = (0..2 * samples).map(|i| i as f32 / 2.0).collect();
    npy("<f4", false, &format!("({samples}, 2)"), &f32s(&all))
}

#[test]
fn keras_names_are_parts() {
    let y = |n: i64| {
        npy(
            "<i8",
            false,
            &format!("({n},)"),
            &i64s(&(0..n).collect::<Vec<_>>()),
        )
    };
    let parts = open_npz(&[
        ("x_train", x(3)),
        ("y_train", y(3)),
        ("x_test", x(2)),
        ("y_test", y(2)),
        ("x_val", x(1)),
        ("y_val", y(1)),
        ("about", y(4)),
    ]);
    assert_eq!(train(&parts).shape, [1, 1, 2]);
    assert_eq!(numbers(train(&parts)), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
    assert_eq!(
        (classes(train(&parts)), classes(test(&parts))),
        (&[0, 1, 2][..], &[0, 1][..])
    );
    assert_eq!(
        classes(super::samples(parts.validation.as_ref().expect("a part"))),
        [0]
    );
    assert!(parts.notes[0].contains("\"about\""), "{:?}", parts.notes);
    let parts = open_npz(&[("X", x(3)), ("y", y(3))]);
    assert_eq!(
        (classes(train(&parts)), &parts.test),
        (&[0, 1, 2][..], &None)
    );
    // Without targets, for predictions.
    assert_eq!(train(&open_npz(&[("x", x(3))])).targets, None);
}

/// Each type as NumPy writes it, in both byte orders.
#[test]
fn every_type_of_numbers_is_read() {
    let half = [0x3C00u16, 0xC000];
    let cases: [(&str, Vec<u8>); 13] = [
        ("<f2", half.iter().flat_map(|x| x.to_le_bytes()).collect()),
        (">f2", half.iter().flat_map(|x| x.to_be_bytes()).collect()),
        ("<f4", f32s(&[1.0, -2.0])),
        (
            ">f4",
            [1.0f32, -2.0]
                .iter()
                .flat_map(|x| x.to_be_bytes())
                .collect(),
        ),
        (
            "<f8",
            [1.0f64, -2.0]
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect(),
        ),
        (
            ">f8",
            [1.0f64, -2.0]
                .iter()
                .flat_map(|x| x.to_be_bytes())
                .collect(),
        ),
        ("|i1", vec![1, 254]),
        (
            "<i2",
            [1i16, -2].iter().flat_map(|x| x.to_le_bytes()).collect(),
        ),
        (
            ">i2",
            [1i16, -2].iter().flat_map(|x| x.to_be_bytes()).collect(),
        ),
        (
            "<i4",
            [1i32, -2].iter().flat_map(|x| x.to_le_bytes()).collect(),
        ),
        (
            ">i4",
            [1i32, -2].iter().flat_map(|x| x.to_be_bytes()).collect(),
        ),
        ("<i8", i64s(&[1, -2])),
        (
            ">i8",
            [1i64, -2].iter().flat_map(|x| x.to_be_bytes()).collect(),
        ),
    ];
    for (descr, body) in cases {
        let array = npy(descr, false, "(1, 2)", &body);
        let parts = open_npz(&[("x", array.clone())]);
        assert_eq!(numbers(train(&parts)), [1.0, -2.0], "{descr}");
        let one = npy("<f4", false, "(1, 1)", &f32s(&[0.0]));
        let parts = open_npz(&[("x", one), ("y", array)]);
        let expected = Some(Targets::Values(vec![1.0, -2.0]));
        assert_eq!(train(&parts).targets, expected, "{descr}");
    }
    let unsigned: [(&str, Vec<u8>); 8] = [
        ("|b1", vec![1, 0]),
        ("|u1", vec![1, 0]),
        ("<u2", vec![1, 0, 0, 0]),
        (">u2", vec![0, 1, 0, 0]),
        ("<u4", vec![1, 0, 0, 0, 0, 0, 0, 0]),
        (">u4", vec![0, 0, 0, 1, 0, 0, 0, 0]),
        ("<u8", i64s(&[1, 0])),
        (
            ">u8",
            [1u64, 0].iter().flat_map(|x| x.to_be_bytes()).collect(),
        ),
    ];
    for (descr, body) in unsigned {
        let array = npy(descr, false, "(2,)", &body);
        let parts = open_npz(&[("x", array.clone()), ("y", array)]);
        assert_eq!(numbers(train(&parts)), [1.0, 0.0], "{descr}");
        assert_eq!(classes(train(&parts)), [1, 0], "{descr}");
    }
}

#[test]
fn fortran_order_is_read() {
    // (2, 3, 4), whose element (i, j, k) is 100 i + 10 j + k.
    let mut fortran = Vec::new();
    for k in 0..4u8 {
        for j in 0..3 {
            for i in 0..2 {
                fortran.push(100 * i + 10 * j + k);
            }
        }
    }
    let row_major = [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23];
    let row_major: Vec<u8> = row_major
        .into_iter()
        .chain(row_major.map(|x| 100 + x))
        .collect();
    let parts = open_npz(&[("x", npy("|u1", true, "(2, 3, 4)", &fortran))]);
    assert_eq!(bytes(train(&parts)), row_major);
    assert_eq!(train(&parts).shape, [1, 3, 4]);
    // Targets too.
    let y = npy(
        "<f4",
        true,
        "(2, 3)",
        &f32s(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
    );
    let parts = open_npz(&[("x", x(2)), ("y", y)]);
    let expected = Targets::Values(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(train(&parts).targets, Some(expected));
}

#[test]
fn bytes_of_three_dimensions_are_images() {
    let body: Vec<u8> = (0..36).collect();
    let shape_of = |shape: &str| {
        let parts = open_npz(&[("x", npy("|u1", false, shape, &body))]);
        (train(&parts).shape, bytes(train(&parts)).to_vec())
    };
    assert_eq!(shape_of("(3, 3, 4)"), ([1, 3, 4], body.clone()));
    assert_eq!(shape_of("(3, 1, 3, 4)"), ([1, 3, 4], body.clone()));
    assert_eq!(shape_of("(3, 3, 4, 1)"), ([1, 3, 4], body.clone()));
    assert_eq!(shape_of("(1, 3, 3, 4)"), ([3, 3, 4], body.clone()));
    // Channels behind: a pixel's red, green and blue stand beside each other.
    let (shape, planes) = shape_of("(2, 2, 3, 3)");
    assert_eq!(shape, [3, 2, 3]);
    assert_eq!(planes[..6], [0, 3, 6, 9, 12, 15]);
    assert_eq!(planes[18..24], [18, 21, 24, 27, 30, 33]);
    // Rows of bytes, and images of floats, are numbers.
    let rows = open_npz(&[("x", npy("|u1", false, "(18, 2)", &body))]);
    assert_eq!(numbers(train(&rows))[35], 35.0);
    let floats: Vec<f32> = body.iter().map(|&x| x.into()).collect();
    let parts = open_npz(&[("x", npy("<f4", false, "(2, 2, 3, 3)", &f32s(&floats)))]);
    assert_eq!(
        (train(&parts).shape, numbers(train(&parts))[1]),
        ([3, 2, 3], 3.0)
    );
}

#[test]
fn names_are_classes() {
    let text = |texts: [&str; 3]| {
        let code = |text: &str| {
            let codes = text.chars().map(u32::from).chain([0; 4]).take(4);
            codes.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        npy("<U4", false, "(3,)", &texts.map(code).concat())
    };
    let parts = open_npz(&[
        ("x_train", x(3)),
        ("y_train", text(["dog", "ант", "dog"])),
        ("x_test", x(3)),
        ("y_test", text(["ант", "ант", "dog"])),
    ]);
    assert_eq!(train(&parts).class_names, ["dog", "ант"]);
    assert_eq!(
        (classes(train(&parts)), classes(test(&parts))),
        (&[0, 1, 0][..], &[1, 1, 0][..])
    );
    let unknown = fault_of(&[
        ("x_train", x(3)),
        ("y_train", text(["a", "b", "a"])),
        ("x_test", x(3)),
        ("y_test", text(["a", "c", "a"])),
    ]);
    assert!(matches!(unknown, DataFault::UnknownClass { name, .. } if name == "c"));
}

#[test]
fn targets_are_classes_or_values() {
    let one = |y| open_npz(&[("x", x(2)), ("y", y)]);
    // Keras' CIFAR-10 has a column of classes.
    assert_eq!(
        classes(train(&one(npy("|u1", false, "(2, 1)", &[7, 3])))),
        [7, 3]
    );
    let one_hot = npy("<f4", false, "(2, 2)", &f32s(&[0.0, 1.0, 1.0, 0.0]));
    let expected = Targets::Values(vec![0.0, 1.0, 1.0, 0.0]);
    assert_eq!(train(&one(one_hot)).targets, Some(expected));
    let signs = one(npy("<i8", false, "(2,)", &i64s(&[-1, 1])));
    assert_eq!(
        train(&signs).targets,
        Some(Targets::Values(vec![-1.0, 1.0]))
    );
    assert!(signs.notes[0].contains("negative"), "{:?}", signs.notes);
    let large = fault_of(&[
        ("x", x(2)),
        ("y", npy("<i8", false, "(2,)", &i64s(&[1, 65_536]))),
    ]);
    assert!(matches!(
        large,
        DataFault::ClassTooLarge {
            sample: 1,
            class: 65_536,
            ..
        }
    ));
    let huge = npy("<u8", false, "(2,)", &[0xFF; 16]);
    assert!(matches!(
        fault_of(&[("x", x(2)), ("y", huge)]),
        DataFault::ClassTooLarge { .. }
    ));
}

#[test]
fn faults_of_arrays_are_told() {
    let y = |n: i64| {
        npy(
            "<i8",
            false,
            &format!("({n},)"),
            &i64s(&(0..n).collect::<Vec<_>>()),
        )
    };
    type Arrays = Vec<(&'static str, Vec<u8>)>;
    let cases: [(&str, Arrays); 12] = [
        (
            "holds pickled",
            vec![("x", npy("|O", false, "(2,)", b"\x80\x04."))],
        ),
        ("no array \"x\"", vec![("arr_0", x(2))]),
        ("no samples", vec![("x", npy("<f4", false, "(0, 2)", &[]))]),
        ("2 samples", vec![("x", x(2)), ("y", y(3))]),
        (
            "the shape []",
            vec![("x", npy("<f4", false, "()", &f32s(&[1.0])))],
        ),
        (
            "the shape [1, 0]",
            vec![("x", npy("<f4", false, "(1, 0)", &[]))],
        ),
        (
            "the shape [1, 2, 1, 2]",
            vec![("x", npy("<f4", false, "(1, 2, 1, 2)", &[0; 16]))],
        ),
        (
            "the type <c8",
            vec![("x", npy("<c8", false, "(1, 1)", &[0; 8]))],
        ),
        ("sample 1, number 1 (both from 0): NaN", {
            let body = f32s(&[1.0, 2.0, 3.0, f32::NAN]);
            vec![("x", npy("<f4", false, "(2, 2)", &body))]
        }),
        ("inf is not finite", {
            let body = [1e300f64].map(f64::to_le_bytes).concat();
            vec![("x", npy("<f8", false, "(1, 1)", &body))]
        }),
        (
            "truncated",
            vec![("x", npy("<f4", false, "(2, 2)", &[0; 12]))],
        ),
        ("a test part", {
            let other = npy("<f4", false, "(1, 3)", &[0; 12]);
            vec![("x_train", x(2)), ("x_test", other)]
        }),
    ];
    for (expected, arrays) in cases {
        let found = fault_of(&arrays).to_string();
        let expected = expected.replace("a test part", "the test part");
        assert!(found.contains(&expected), "{found}");
    }
    let folder = Folder::new();
    let broken = fault(&folder.write("text.npz", "PK no archive"));
    assert!(
        matches!(broken, DataFault::Malformed { format: "NPZ", .. }),
        "{broken:?}"
    );
    let mut bytes = npz(&[("y", y(2)), ("x", x(2000))]);
    let at = bytes.len() / 2;
    bytes[at] ^= 0xFF;
    let broken = fault(&folder.write("damaged.npz", bytes));
    assert!(matches!(broken, DataFault::Malformed { .. }), "{broken:?}");
}

#[test]
fn arrays_lie_beside_each_other() {
    let folder = Folder::new();
    let y = npy("|u1", false, "(2,)", &[1, 0]);
    let file = folder.write("x.npy", x(2));
    folder.write("y.npy", &y);
    for path in [&file, folder.path()] {
        assert_eq!(classes(train(&open(path))), [1, 0]);
    }
    let folder = Folder::new();
    let file = folder.write("X_train.npy", x(2));
    folder.write("y_train.npy", &y);
    folder.write("X_test.npy", x(2));
    folder.write("y_test.npy", &y);
    for path in [&file, folder.path()] {
        assert_eq!(classes(test(&open(path))), [1, 0]);
    }
    // An array of another name has no targets.
    let parts = open(&folder.write("new.npy", x(3)));
    assert_eq!(
        (numbers(train(&parts)).len(), &train(&parts).targets),
        (6, &None)
    );
}

#[test]
fn headers_of_npy_files_are_checked() {
    let folder = Folder::new();
    let good = x(2);
    let damaged = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&good[10..128]).replace(from, to);
        let text = text.as_bytes();
        let size = (text.len() as u16).to_le_bytes();
        [&good[..8], &size, text, &good[128..]].concat()
    };
    for (from, to) in [
        ("'descr'", "'desc'"),
        ("False", "false"),
        ("(2, 2)", "(2, -2)"),
        ("(2, 2)", "(2, 2"),
        ("(2, 2)", "2"),
        ("'<f4'", "<f4"),
        ("{", "["),
        ("'fortran_order': False,", ""),
    ] {
        let found = fault(&folder.write("x.npy", damaged(from, to)));
        assert!(
            matches!(found, DataFault::Malformed { format: "NPY", .. }),
            "{to}: {found:?}"
        );
    }
    // Python 2's long numbers, and the versions with longer headers.
    let parts = open(&folder.write("x.npy", damaged("(2, 2)", "(2L, 2L)")));
    assert_eq!(numbers(train(&parts)).len(), 4);
    let mut second = good.clone();
    second[6] = 2;
    second.splice(10..10, [0, 0]);
    assert_eq!(
        open(&folder.write("x.npy", second)).train,
        open(&folder.write("x.npy", &good)).train
    );
    let structure = damaged("'<f4'", "[('a', '<f4')]");
    assert!(matches!(
        fault(&folder.write("x.npy", structure)),
        DataFault::ArrayType { .. }
    ));
    for (size, expected) in [
        (0, "empty"),
        (7, "NUMPY"),
        (60, "within its header"),
        (130, "truncated"),
    ] {
        let found = fault(&folder.write("x.npy", &good[..size])).to_string();
        assert!(found.contains(expected), "{found}");
    }
    let longer = fault(&folder.write("x.npy", [&good[..], &[0]].concat()));
    assert!(matches!(longer, DataFault::TooLong { .. }));
    // More than any memory has, and more than can be counted.
    for shape in ["(4611686018427387903, 1)", "(9999999999999, 9999999999999)"] {
        let claim = npy("<f4", false, shape, &[0; 16]);
        let found = fault(&folder.write("claim.npz", npz(&[("x", claim)])));
        assert!(matches!(found, DataFault::BeyondMemory { .. }), "{found:?}");
    }
}

/// A safetensors file of arrays: name, type, shape and bytes.
fn tensors(arrays: &[(&str, &str, &str, Vec<u8>)]) -> Vec<u8> {
    let mut at = 0;
    let entries: Vec<String> = arrays
        .iter()
        .map(|(name, dtype, shape, body)| {
            let (begin, end) = (at, at + body.len());
            at = end;
            format!(
                "\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}"
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    arrays.iter().for_each(|(_, _, _, body)| bytes.extend(body));
    bytes
}

#[test]
fn safetensors_are_read() {
    let folder = Folder::new();
    // 1 and -2 as bfloat16.
    let x = vec![0x80, 0x3F, 0x00, 0xC0];
    let path = folder.write(
        "a.safetensors",
        tensors(&[
            ("y", "I64", "[2]", i64s(&[4, 0])),
            ("x", "BF16", "[2,1]", x),
        ]),
    );
    let parts = open(&path);
    assert_eq!(
        (numbers(train(&parts)), classes(train(&parts))),
        (&[1.0, -2.0][..], &[4, 0][..])
    );
    let images = tensors(&[
        ("x_train", "U8", "[1,3,2,1]", vec![1, 2, 3, 4, 5, 6]),
        ("y_train", "U8", "[1]", vec![9]),
        ("x_test", "U8", "[2,3,2,1]", vec![7; 12]),
        ("y_test", "U8", "[2]", vec![3, 4]),
    ]);
    let parts = open(&folder.write("b.safetensors", images));
    // One channel behind is taken first: these are images of 3 × 2.
    assert_eq!(
        (train(&parts).shape, classes(test(&parts))),
        ([1, 3, 2], &[3, 4][..])
    );
    let other = folder.write(
        "c.safetensors",
        tensors(&[("x", "F8_E4M3", "[1]", vec![0])]),
    );
    assert!(matches!(fault(&other), DataFault::ArrayType { .. }));
    let broken = folder.write("d.safetensors", [9, 0, 0, 0, 0, 0, 0, 0, b'{']);
    assert!(matches!(
        fault(&broken),
        DataFault::Malformed {
            format: "safetensors",
            ..
        }
    ));
}

#[test]
fn class_names_may_be_given() {
    let folder = Folder::new();
    let y = npy("|S1", false, "(2,)", b"ba");
    let path = folder.write("data.npz", npz(&[("x", x(2)), ("y", y)]));
    let names = |names: &[&str]| ReadOptions {
        class_names: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..ReadOptions::default()
    };
    let parts = read(&path, &names(&["c", "b", "a"])).expect("arrays");
    assert_eq!(classes(train(&parts)), [1, 2]);
    let (found, _) = fault_with(&path, &names(&["c", "b"]));
    assert!(matches!(found, DataFault::UnknownClass { .. }), "{found:?}");
}

#[test]
fn a_missing_file_is_an_error_of_the_system() {
    let found = read(Path::new("/nowhere/x.npz"), &ReadOptions::default());
    assert!(matches!(found, Err(Error::Io { .. })), "{found:?}");
}

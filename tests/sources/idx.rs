//! IDX files: any type, any size, and the names of several data sets.

use bregman::data::Targets;
use bregman::error::DataFault;

use super::{Folder, bytes, classes, fault, gz, numbers, open, test, train};

fn idx(element: u8, dims: &[u32], body: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|dim| dim.to_be_bytes()).collect();
    [&[0, 0, element, (dims.len() / 4) as u8][..], &dims, body].concat()
}

fn images(samples: u32) -> Vec<u8> {
    let body: Vec<u8> = (0..samples * 6).map(|pixel| pixel as u8).collect();
    idx(0x08, &[samples, 2, 3], &body)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx(0x08, &[labels.len() as u32], labels)
}

#[test]
fn folders_of_torchvision_are_read() {
    // Plain and compressed, in `raw`, and with the names of a program that replaces dashes by dots.
    for (place, train_name, test_name) in [
        ("raw/", "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"),
        ("", "train-images.idx3-ubyte", "t10k-images.idx3-ubyte"),
        (
            "raw/",
            "emnist-letters-train-images-idx3-ubyte",
            "emnist-letters-test-images-idx3-ubyte",
        ),
    ] {
        for compressed in [false, true] {
            let folder = Folder::new();
            let write = |name: &str, bytes: Vec<u8>| {
                match compressed {
                    true => folder.write(&format!("{place}{name}.gz"), gz(&bytes)),
                    false => folder.write(&format!("{place}{name}"), bytes),
                };
            };
            let of_labels = |name: &str| name.replace("images", "labels").replace("idx3", "idx1");
            write(train_name, images(3));
            write(&of_labels(train_name), labels(&[1, 26, 3]));
            write(test_name, images(2));
            write(&of_labels(test_name), labels(&[4, 2]));
            let parts = open(folder.path());
            assert_eq!(train(&parts).shape, [1, 2, 3]);
            assert_eq!(bytes(train(&parts)), (0..18).collect::<Vec<u8>>());
            assert_eq!(
                (classes(train(&parts)), classes(test(&parts))),
                (&[1, 26, 3][..], &[4, 2][..])
            );
            // The file of images finds the same, and the test images are a set of their own.
            let ending = if compressed { ".gz" } else { "" };
            let file = folder.path().join(format!("{place}{train_name}{ending}"));
            assert_eq!(open(&file).test, parts.test);
            let file = folder.path().join(format!("{place}{test_name}{ending}"));
            assert_eq!(
                (open(&file).train, open(&file).test),
                (parts.test.expect("a part"), None)
            );
        }
    }
}

#[test]
fn labels_of_qmnist_are_its_first_column() {
    let folder = Folder::new();
    folder.write("qmnist-train-images-idx3-ubyte", images(2));
    let rows: Vec<u8> = [5i32, 0, 9, 9, 9, 9, 9, 9, 3, 1, 9, 9, 9, 9, 9, 9]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    folder.write("qmnist-train-labels-idx2-int", idx(0x0C, &[2, 8], &rows));
    assert_eq!(classes(train(&open(folder.path()))), [5, 3]);
}

#[test]
fn types_and_dimensions_are_read() {
    let folder = Folder::new();
    let colour: Vec<u8> = (0..12).collect();
    let path = folder.write("a-images-idx4-ubyte", idx(0x08, &[1, 2, 2, 3], &colour));
    let parts = open(&path);
    assert_eq!(train(&parts).shape, [3, 2, 2]);
    assert_eq!(bytes(train(&parts)), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    assert_eq!(train(&parts).targets, None);
    assert!(
        parts.notes[0].contains("no file of labels"),
        "{:?}",
        parts.notes
    );
    for (element, body) in [
        (0x09, vec![1, 254]),
        (0x0B, vec![0, 1, 0xFF, 0xFE]),
        (0x0C, [1i32, -2].map(i32::to_be_bytes).concat()),
        (0x0D, [1f32, -2.0].map(f32::to_be_bytes).concat()),
        (0x0E, [1f64, -2.0].map(f64::to_be_bytes).concat()),
    ] {
        // A file of another name is known by its start.
        let path = folder.write("data.bin", idx(element, &[1, 2], &body));
        assert_eq!(numbers(train(&open(&path))), [1.0, -2.0], "{element}");
    }
    folder.write("b-images-idx3-ubyte", images(2));
    let values = [0.5f32, -1.5].map(f32::to_be_bytes).concat();
    folder.write("b-labels-idx1-float", idx(0x0D, &[2], &values));
    let parts = open(&folder.path().join("b-images-idx3-ubyte"));
    assert_eq!(
        train(&parts).targets,
        Some(Targets::Values(vec![0.5, -1.5]))
    );
}

#[test]
fn faults_are_told() {
    let folder = Folder::new();
    let path = folder.write("train-images-idx3-ubyte", images(2));
    let file = folder.write("train-labels-idx1-ubyte", labels(&[1]));
    assert!(matches!(fault(&path), DataFault::Disagreement { .. }));
    std::fs::remove_file(&file).expect("remove");
    let good = images(2);
    for (bytes, expected) in [
        (vec![], "empty"),
        (good[..10].to_vec(), "within its header"),
        (good[..20].to_vec(), "truncated"),
        ([&good[..], &[0]].concat(), "longer"),
        (idx(0x08, &[0, 2, 3], &[]), "no samples"),
        (idx(0x08, &[2, 0, 3], &[]), "the shape [2, 0, 3]"),
        (idx(0x0A, &[2, 2, 3], &[0; 12]), "does not start"),
        (
            idx(0x08, &[u32::MAX, u32::MAX, u32::MAX], &[0; 12]),
            "of memory",
        ),
    ] {
        let plain = folder.write("train-images-idx3-ubyte", &bytes);
        let found = fault(&plain).to_string();
        assert!(found.contains(expected), "{found}");
        let packed = folder.write("x-images-idx3-ubyte.gz", gz(&bytes));
        let found = fault(&packed).to_string();
        assert!(found.contains(expected), "{found}");
        std::fs::remove_file(&packed).expect("remove");
    }
    let two = Folder::new();
    two.write("emnist-letters-train-images-idx3-ubyte", images(1));
    two.write("emnist-digits-train-images-idx3-ubyte", images(1));
    let found = fault(two.path()).to_string();
    assert!(found.contains("several data sets"), "{found}");
}

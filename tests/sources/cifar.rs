//! CIFAR's folders and archives, binary and Python.

use bregman::data::raw::Parts;
use bregman::data::reader::{ReadOptions, open as read, parse};
use bregman::error::DataFault;

use super::{Folder, bytes, classes, fault, gz, open, test, train};

const PIXELS: usize = 3072;

fn pixels(label: u8) -> Vec<u8> {
    (0..PIXELS)
        .map(|at| (at as u8).wrapping_add(label))
        .collect()
}

fn binary(labels: &[&[u8]]) -> Vec<u8> {
    let record = |labels: &&[u8]| [labels, &pixels(labels[labels.len() - 1])[..]].concat();
    labels.iter().flat_map(record).collect()
}

/// A text as Python 2 pickles it.
fn text(text: &str) -> Vec<u8> {
    [&[b'U', text.len() as u8], text.as_bytes()].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [b"](", &items.concat()[..], b"e"].concat()
}

fn integers(labels: &[u8]) -> Vec<u8> {
    list(
        &labels
            .iter()
            .map(|&label| vec![b'K', label])
            .collect::<Vec<_>>(),
    )
}

fn texts(all: &[String]) -> Vec<u8> {
    list(&all.iter().map(|own| text(own)).collect::<Vec<_>>())
}

/// A dictionary in protocol 2, as the files of CIFAR's Python version are.
fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .flat_map(|(key, value)| [text(key), value.clone()].concat());
    [b"\x80\x02}q\x01(", &entries.collect::<Vec<u8>>()[..], b"u."].concat()
}

/// An array of bytes as NumPy pickles it: made empty, then given its state.
fn array(samples: u16, body: &[u8]) -> Vec<u8> {
    let [low, high] = samples.to_le_bytes();
    [
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01b\x87Rq\x05",
        &b"(K\x01M"[..],
        &[low, high],
        b"M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07",
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
        &(body.len() as u32).to_le_bytes(),
        body,
        b"tb",
    ]
    .concat()
}

fn batch(key: &str, labels: &[u8]) -> Vec<u8> {
    let body: Vec<u8> = labels.iter().flat_map(|&label| pixels(label)).collect();
    let names: Vec<String> = labels.iter().map(|label| format!("{label}.png")).collect();
    dictionary(&[
        ("batch_label", text("training batch 1 of 5")),
        (key, integers(labels)),
        ("data", array(labels.len() as u16, &body)),
        ("filenames", texts(&names)),
    ])
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

fn check_ten(parts: &Parts, has_names: bool) {
    assert_eq!(train(parts).shape, [3, 32, 32]);
    assert_eq!(
        (classes(train(parts)), classes(test(parts))),
        (&[3, 9, 1, 2][..], &[0][..])
    );
    assert_eq!(bytes(train(parts)), [3, 9, 1, 2].map(pixels).concat());
    assert_eq!(
        train(parts).class_names,
        names(if has_names { 10 } else { 0 })
    );
    assert!(
        parts.notes[0].contains("lacks data_batch_3"),
        "{:?}",
        parts.notes
    );
}

fn tar_gz(folder: &str, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        let path = format!("{folder}/{name}");
        builder
            .append_data(&mut header, path, &bytes[..])
            .expect("memory");
    }
    gz(&builder.into_inner().expect("memory"))
}

#[test]
fn both_versions_of_cifar10_are_read() {
    let meta = dictionary(&[
        ("num_vis", vec![b'M', 0, 12]),
        ("label_names", texts(&names(10))),
    ]);
    type Files = [(&'static str, Vec<u8>); 4];
    let versions: [(&str, &str, Files); 2] = [
        (
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            [
                ("data_batch_1.bin", binary(&[&[3], &[9]])),
                ("data_batch_2.bin", binary(&[&[1], &[2]])),
                ("test_batch.bin", binary(&[&[0]])),
                ("batches.meta.txt", names(10).join("\n").into_bytes()),
            ],
        ),
        (
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            [
                ("data_batch_1", batch("labels", &[3, 9])),
                ("data_batch_2", batch("labels", &[1, 2])),
                ("test_batch", batch("labels", &[0])),
                ("batches.meta", meta),
            ],
        ),
    ];
    for (folder_name, archive, files) in versions {
        let folder = Folder::new();
        for (name, bytes) in &files {
            folder.write(&format!("{folder_name}/{name}"), bytes);
        }
        check_ten(&open(folder.path()), true);
        check_ten(&open(&folder.path().join(folder_name)), true);
        let meta = folder.path().join(folder_name).join(files[3].0);
        std::fs::remove_file(meta).expect("remove");
        check_ten(&open(folder.path()), false);
        let folder = Folder::new();
        let path = folder.write(archive, tar_gz(folder_name, &files));
        check_ten(&open(&path), true);
        check_ten(&open(folder.path()), true);
        let bytes = std::fs::read(&path).expect("read");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
        assert!(matches!(fault(&path), DataFault::Gzip { .. }));
    }
}

#[test]
fn both_versions_of_cifar100_are_read() {
    let both = |fine: &[u8], coarse: &[u8]| {
        let body: Vec<u8> = fine.iter().flat_map(|&label| pixels(label)).collect();
        dictionary(&[
            ("data", array(fine.len() as u16, &body)),
            ("coarse_labels", integers(coarse)),
            ("fine_labels", integers(fine)),
        ])
    };
    let meta = dictionary(&[
        ("fine_label_names", texts(&names(100))),
        ("coarse_label_names", texts(&names(20))),
    ]);
    let python = [
        ("train", both(&[99, 5], &[19, 1])),
        ("test", both(&[7], &[2])),
        ("meta", meta),
    ];
    let binary = [
        ("train.bin", binary(&[&[19, 99], &[1, 5]])),
        ("test.bin", binary(&[&[2, 7]])),
        ("fine_label_names.txt", names(100).join("\n").into_bytes()),
        (
            "coarse_label_names.txt",
            names(20).join("\r\n").into_bytes(),
        ),
    ];
    for files in [&python[..], &binary[..]] {
        let folder = Folder::new();
        for (name, bytes) in files {
            folder.write(name, bytes);
        }
        let parts = open(folder.path());
        assert_eq!(
            (classes(train(&parts)), classes(test(&parts))),
            (&[99, 5][..], &[7][..])
        );
        assert_eq!(bytes(train(&parts)), [99, 5].map(pixels).concat());
        assert_eq!(train(&parts).class_names, names(100));
        let options = ReadOptions {
            coarse: true,
            ..ReadOptions::default()
        };
        let parts = read(folder.path(), &options).expect("CIFAR-100");
        assert_eq!(
            (classes(train(&parts)), classes(test(&parts))),
            (&[19, 1][..], &[2][..])
        );
        assert_eq!(train(&parts).class_names, names(20));
    }
}

/// What Python 3 writes when a file is read and pickled again, in its oldest and newest protocols.
#[test]
fn later_protocols_are_read() {
    let body = pixels(4);
    let size = (body.len() as u32).to_le_bytes();
    let newest = [
        b"\x80\x05\x95\x00\x01\x00\x00\x00\x00\x00\x00}\x94(C\x06labels\x94]\x94K\x04aC\x04data\x94",
        &b"\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray"[..],
        b"\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x01M\x00\x0c\x86\x94h\x07\x8c\x05dtype",
        b"\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xff",
        b"J\xff\xff\xff\xffK\x00t\x94b\x89B",
        &size,
        &body,
        b"t\x94bu.",
    ]
    .concat();
    assert_eq!(parse::cifar(&newest, true, false).expect("a batch"), 1);
    // In protocol 2, bytes are a text that is encoded.
    let latin: String = body.iter().map(|&byte| char::from(byte)).collect();
    let encoded = [
        b"c_codecs\nencode\nX",
        &(latin.len() as u32).to_le_bytes()[..],
        latin.as_bytes(),
        b"X\x06\x00\x00\x00latin1\x86R",
    ]
    .concat();
    let oldest = dictionary(&[("labels", integers(&[4])), ("data", encoded)]);
    assert_eq!(parse::cifar(&oldest, true, false).expect("a batch"), 1);
}

#[test]
fn faults_are_told() {
    let fault_of = |bytes: &[u8], is_python| match parse::cifar(bytes, is_python, false) {
        Err(fault) => fault.to_string(),
        Ok(images) => panic!("{images} images"),
    };
    for (bytes, expected) in [
        (
            &b"\x80\x02cos\nsystem\nU\x02ls\x85R."[..],
            "would run Python's os.system",
        ),
        (b"\x80\x02}.", "no dictionary"),
        (b"\x80\x02}", "ends too early"),
        (b"", "empty"),
        (b"\x80\x02e", "mark"),
        (b"\x80\x02]]a.", "not read"),
        (b"\x80\x02h\x07.", "recalls"),
        (b"\x80\x02j\xff\xff\xff\xff.", "recalls"),
        (b"\x80\x02Nr\xff\xff\xff\xff.", "remembers"),
        (b"\x80\x02X\xff\xff\xff\xff.", "ends too early"),
        (
            b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            "ends too early",
        ),
        (b"\x80\x02P", "instruction"),
        (
            b"\x80\x02)\x85\x85\x85\x85\x85\x85\x85\x85\x85.",
            "within each other",
        ),
        (
            &[b"\x80\x02", &b"cnumpy\ndtype\nU\x02f4\x85R."[..]].concat(),
            "array of type",
        ),
    ] {
        let found = fault_of(bytes, true);
        assert!(found.contains(expected), "{found}");
    }
    let short = dictionary(&[
        ("labels", integers(&[1, 2])),
        ("data", array(1, &pixels(1))),
    ]);
    assert!(fault_of(&short, true).contains("3072 bytes of pixels"));
    let label = binary(&[&[3], &[10]]);
    assert!(fault_of(&label, false).contains("sample 1 has label 10"));
    assert!(fault_of(&label[1..], false).contains("whole number of records"));
    // One text that is turned into bytes many times.
    let many = [
        b"\x80\x02c_codecs\nencode\nq\x00X\xff\x00\x00\x00",
        &[b'a'; 255][..],
    ]
    .concat();
    let again = b"q\x010h\x00h\x01\x85R".repeat(20);
    assert!(fault_of(&[&many[..], &again, b"."].concat(), true).contains("again and again"));
}

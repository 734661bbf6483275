//! The readers of what comes from outside, on inputs that nobody meant: each gives a value or a
//! typed fault, never a panic, and takes no more than twice the memory of what it should hold.
//!
//! The inputs in `tests/corpus/` are replayed, and then changed at random; BREGMAN_FUZZ_INPUTS says
//! how many of those there are for each reader (2,000 if it is not set).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use bregman::checkpoint::{self, Run};
use bregman::data::picture::{self, Style};
use bregman::data::raw::{Cells, Parts, Raw, Table};
use bregman::data::reader::{Kind, Rows, parse};
use bregman::data::{Part, cifar10, idx};
use bregman::error::{DataFault, Error};
use bregman::files::safetensors::State;
use bregman::files::settings;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// Counts the bytes that this thread holds, and the most it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    // Memory may be freed by another thread than the one that took it.
    let held = (HELD.get() + more).saturating_sub(less);
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

// SAFETY: every call goes to the system's allocator as it is; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are the system's needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `f` held at most, beyond what was held before.
fn most_held(f: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    f();
    MOST.get() - before
}

/// What a reader may take beside what it holds: buffers, gzip's window, names and messages.
const ASIDE: usize = 256 << 10;

/// Samples of the IDX files.
const SAMPLES: u32 = 3;

/// A reader under test, and the bytes of what it should hold for an input.
struct Target {
    /// Its folder in the corpus.
    name: &'static str,
    read: fn(&[u8]),
    expected: fn(&[u8]) -> usize,
}

fn idx(bytes: &[u8], is_gz: bool, part: Part) {
    let parsed = idx::parse(BufReader::new(bytes), is_gz, part, SAMPLES);
    let size = if part == Part::Images { 28 * 28 } else { 1 };
    if let Ok(pixels) = parsed.expect("memory has no errors of its own") {
        assert_eq!(pixels.len(), SAMPLES as usize * size);
    }
}

fn cifar10(bytes: &[u8]) {
    let parsed = cifar10::parse(bytes);
    if let Ok(records) = parsed.expect("memory has no errors of its own") {
        let mut records = records.chunks(1 + 3 * 32 * 32);
        assert!(records.all(|record| record.len() == 3073 && record[0] < 10));
    }
}

fn state(bytes: &[u8]) {
    let read = State::read(bytes, bytes.len() as u64);
    let _ = read.expect("memory has no errors of its own");
}

const IMAGES: usize = 16 + 28 * 28 * SAMPLES as usize;

/// Planes of small pictures, and of what short files may claim to hold.
const PICTURE: usize = 16 << 20;

/// The kinds of the columns that the tables of the corpus have.
fn kinds() -> Vec<(String, Kind)> {
    vec![("n".to_owned(), Kind::Number), ("t".to_owned(), Kind::Text)]
}

fn cells(table: &Table) -> Vec<usize> {
    let columns = table.columns.iter().map(|column| match &column.cells {
        Cells::Numbers(numbers) => {
            assert!(!numbers.iter().any(|number| number.is_infinite()));
            numbers.len()
        }
        Cells::Text { distinct, codes } => {
            let is_known = |&&code: &&u32| code == u32::MAX || (code as usize) < distinct.len();
            assert_eq!(codes.iter().filter(is_known).count(), codes.len());
            codes.len()
        }
    });
    columns.collect()
}

/// A table, at once and a few rows at a time: both have the same rows, or a fault.
fn table(bytes: &[u8]) {
    if let Ok(table) = parse::table(bytes, None) {
        let cells = cells(&table);
        assert!(cells.iter().all(|&rows| rows == cells[0] && rows > 0));
    }
    let whole = parse::table(bytes, Some(&kinds()));
    let mut rows = 0;
    let mut read = || -> Result<(), Error> {
        let mut reader = Rows::new(bytes, Path::new("-.csv"), &kinds())?;
        while let Some(table) = reader.next(2)? {
            rows += cells(&table)[0];
        }
        Ok(())
    };
    match (whole, read()) {
        (Ok(table), Ok(())) => assert_eq!(cells(&table)[0], rows),
        (Err(_), Err(_)) => {}
        (
            Err(Error::Data {
                fault: DataFault::NoSamples,
                ..
            }),
            Ok(()),
        ) => assert_eq!(rows, 0),
        (whole, rows) => panic!("{whole:?} and {rows:?}"),
    }
}

fn parts(parts: Result<Parts, Error>) {
    let Ok(parts) = parts else { return };
    for part in [Some(parts.train), parts.validation, parts.test] {
        if let Some(Raw::Samples(samples)) = part {
            let size: usize = samples.shape.iter().product();
            assert!(size > 0 && samples.inputs.len() % size == 0 && !samples.inputs.is_empty());
        }
    }
}

const TARGETS: [Target; 16] = [
    Target {
        name: "idx-images",
        read: |bytes| idx(bytes, false, Part::Images),
        expected: |_| IMAGES,
    },
    Target {
        name: "idx-labels",
        read: |bytes| idx(bytes, false, Part::Labels),
        expected: |_| IMAGES,
    },
    Target {
        name: "gzip",
        read: |bytes| idx(bytes, true, Part::Images),
        expected: |_| IMAGES,
    },
    Target {
        name: "cifar10",
        read: cifar10,
        expected: <[u8]>::len,
    },
    Target {
        name: "network",
        read: |bytes| drop(checkpoint::parse(bytes)),
        expected: <[u8]>::len,
    },
    Target {
        name: "state",
        read: state,
        expected: <[u8]>::len,
    },
    Target {
        name: "run",
        read: |bytes| drop(Run::parse(bytes)),
        expected: <[u8]>::len,
    },
    Target {
        name: "picture",
        read: |bytes| drop(picture::parse(bytes, Style::Digit)),
        expected: |_| PICTURE,
    },
    Target {
        name: "settings",
        read: |bytes| drop(settings::parse(&String::from_utf8_lossy(bytes))),
        expected: <[u8]>::len,
    },
    Target {
        name: "table",
        read: table,
        // A number takes a digit and a delimiter in the file.
        expected: |bytes| 4 * bytes.len(),
    },
    Target {
        name: "npy",
        read: |bytes| {
            for is_target in [false, true] {
                drop(parse::npy(bytes, is_target).expect("memory has no errors of its own"));
            }
        },
        // Bytes become 64-bit integers.
        expected: |bytes| 8 * bytes.len(),
    },
    Target {
        name: "npz",
        read: |bytes| parts(parse::npz(bytes)),
        // Deflate makes at most a thousand bytes of one.
        expected: |bytes| 1000 * bytes.len(),
    },
    Target {
        name: "idx",
        read: |bytes| {
            for is_plain in [false, true] {
                drop(parse::idx(bytes, is_plain).expect("memory has no errors of its own"));
            }
        },
        expected: |bytes| 4 * bytes.len(),
    },
    Target {
        name: "tensors",
        read: |bytes| parts(parse::tensors(bytes)),
        expected: |bytes| 8 * bytes.len(),
    },
    Target {
        name: "cifar100",
        read: |bytes| drop(parse::cifar(bytes, false, true)),
        expected: <[u8]>::len,
    },
    Target {
        name: "pickle",
        read: |bytes| drop(parse::cifar(bytes, true, false)),
        // An item takes a byte in the file, and a value of 32 bytes in memory.
        expected: |bytes| 64 * bytes.len(),
    },
];

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(target.name);
    let files = fs::read_dir(&folder).expect("a corpus").flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("read"));
    files.into_iter().map(read).collect()
}

fn check(target: &Target, bytes: &[u8]) -> Result<(), String> {
    let held = most_held(|| (target.read)(bytes));
    let allowed = 2 * (target.expected)(bytes) + ASIDE;
    match held <= allowed {
        true => Ok(()),
        false => Err(format!("{} held {held} bytes of {allowed}", target.name)),
    }
}

#[test]
fn the_corpus_is_read() {
    for target in &TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{}", target.name);
        for (path, bytes) in corpus {
            check(target, &bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }
}

/// A change of an input; positions are shares of its length.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Truncate(Index),
    Copy(Index, Index, usize),
    Number(Index, u64, bool, usize),
    Splice(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let numbers = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        Just(1 << 31),
        Just(1 << 63),
        (0..64u32).prop_map(|bit| 1u64 << bit),
        any::<u64>(),
    ];
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(i, b)| Edit::Set(i, b)),
        (at(), any::<u8>())
            .prop_map(|(i, b)| Edit::Set(i, b"0123456789-.eE[]{},:\"= \n\\"[usize::from(b) % 25])),
        (at(), 0..8u8).prop_map(|(i, bit)| Edit::Flip(i, 1 << bit)),
        (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(i, b)| Edit::Insert(i, b)),
        (at(), 1..64usize).prop_map(|(i, n)| Edit::Remove(i, n)),
        at().prop_map(Edit::Truncate),
        (at(), at(), 1..64usize).prop_map(|(from, to, n)| Edit::Copy(from, to, n)),
        (
            at(),
            numbers,
            any::<bool>(),
            prop_oneof![Just(4usize), Just(8)]
        )
            .prop_map(|(i, n, big, len)| Edit::Number(i, n, big, len)),
        (at(), at()).prop_map(|(file, i)| Edit::Splice(file, i)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit, corpus: &[(PathBuf, Vec<u8>)]) {
    let len = bytes.len();
    let at = |index: &Index| index.index(len + 1);
    match edit {
        Edit::Set(i, byte) if at(i) < len => bytes[at(i)] = *byte,
        Edit::Flip(i, bit) if at(i) < len => bytes[at(i)] ^= bit,
        Edit::Set(..) | Edit::Flip(..) => {}
        Edit::Insert(i, more) => drop(bytes.splice(at(i)..at(i), more.iter().copied())),
        Edit::Remove(i, n) => drop(bytes.drain(at(i)..len.min(at(i) + n))),
        Edit::Truncate(i) => bytes.truncate(at(i)),
        Edit::Copy(from, to, n) => {
            let copied = bytes[at(from)..len.min(at(from) + n)].to_vec();
            bytes.splice(at(to)..at(to), copied);
        }
        Edit::Number(i, number, big, size) => {
            let number = match (big, size) {
                (true, 4) => (*number as u32).to_be_bytes().to_vec(),
                (false, 4) => (*number as u32).to_le_bytes().to_vec(),
                (true, _) => number.to_be_bytes().to_vec(),
                (false, _) => number.to_le_bytes().to_vec(),
            };
            // Most numbers that count stand at the start.
            let raw = i.index(1 << 16);
            let at = if raw % 4 > 0 {
                (raw / 4 % 5).min(len / 4) * 4
            } else {
                at(i)
            };
            let end = len.min(at + number.len());
            bytes.splice(at.min(end)..end, number);
        }
        Edit::Splice(file, i) => {
            let other = &corpus[file.index(corpus.len())].1;
            bytes.truncate(at(i));
            bytes.extend(&other[i.index(other.len() + 1)..]);
        }
    }
}

fn inputs() -> u32 {
    let inputs = std::env::var("BREGMAN_FUZZ_INPUTS");
    inputs.map_or(2000, |n| {
        n.parse().expect("BREGMAN_FUZZ_INPUTS is a number")
    })
}

#[test]
fn changed_inputs_give_values_or_faults() {
    let cases = inputs();
    for target in &TARGETS {
        let corpus = corpus(target);
        let strategy = (any::<Index>(), prop::collection::vec(edit(), 1..6));
        let mut runner = TestRunner::new(Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        });
        let mut count = 0u64;
        let cell = Cell::new(0u64);
        let result = runner.run(&strategy, |(seed, edits)| {
            let mut bytes = corpus[seed.index(corpus.len())].1.clone();
            edits
                .iter()
                .for_each(|edit| apply(&mut bytes, edit, &corpus));
            cell.set(cell.get() + 1);
            check(target, &bytes).map_err(TestCaseError::fail)
        });
        count += cell.get();
        result.unwrap_or_else(|e| panic!("{}: {e}", target.name));
        assert!(count >= u64::from(cases));
        #[expect(
            clippy::print_stderr,
            reason = "the count is what long runs are made for"
        )]
        {
            eprintln!("{}: {count} inputs", target.name);
        }
    }
}

/// Headers that claim the earth, in files of a few bytes.
#[test]
fn headers_that_claim_too_much_take_no_memory() {
    let claims = [1u64 << 20, 1 << 31, 1 << 40, 1 << 62, u64::MAX];
    for claim in claims {
        let be = (claim as u32).to_be_bytes();
        let images = [&0x0803u32.to_be_bytes()[..], &be, &be, &be, &[0; 64]].concat();
        let labels = [&0x0801u32.to_be_bytes()[..], &be, &[0; 64]].concat();
        let header = [&claim.to_le_bytes()[..], b"{}"].concat();
        let shape = format!(
            "{{\"head.weight\":{{\"dtype\":\"F32\",\"shape\":[{claim},1],\"data_offsets\":[0,{claim}]}}}}"
        );
        let shape = [&(shape.len() as u64).to_le_bytes()[..], shape.as_bytes()].concat();
        for bytes in [images, labels, header, shape] {
            for target in &TARGETS {
                check(target, &bytes).expect("memory within bounds");
            }
        }
    }
}

/// A gigabyte of zeros in a megabyte of gzip is read no further than it should go.
#[test]
fn a_bomb_is_not_unpacked() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let header = [0x0803u32, SAMPLES, 28, 28].map(u32::to_be_bytes).concat();
    encoder.write_all(&header).expect("memory");
    for _ in 0..1024 {
        encoder.write_all(&[0; 1 << 20]).expect("memory");
    }
    let bomb = encoder.finish().expect("memory");
    assert!(bomb.len() < 2 << 20);
    check(&TARGETS[2], &bomb).expect("memory within bounds");
}

/// A header as large as they may be, of names alone: the bound of what a header can cost.
#[test]
fn the_largest_header_takes_a_few_times_its_size() {
    let mut header = "{".to_owned();
    for number in 0.. {
        let entry =
            format!("\"{number}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}},");
        if header.len() + entry.len() > (1 << 20) - 64 {
            break;
        }
        header += &entry;
    }
    header += "\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let held = most_held(|| state(&bytes));
    assert!(held < 16 << 20, "{held}");
    // One byte more than allowed is refused before it is read.
    let claim = [
        &((1u64 << 20) + 1).to_le_bytes()[..],
        &[b' '; (1 << 20) + 1],
    ]
    .concat();
    assert!(most_held(|| state(&claim)) < ASIDE);
}

/// An array that claims four numbers, and a gigabyte of zeros behind them.
#[test]
fn an_archive_is_read_as_far_as_its_arrays_go() {
    use std::io::Write;
    let options = zip::write::SimpleFileOptions::default();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("x.npy", options).expect("memory");
    writer
        .write_all(&npy("<f4", "(2, 2)", &[]))
        .expect("memory");
    for _ in 0..1024 {
        writer.write_all(&[0; 1 << 20]).expect("memory");
    }
    let bomb = writer.finish().expect("memory").into_inner();
    assert!(bomb.len() < 2 << 20);
    let held = most_held(|| assert!(parse::npz(&bomb).is_err()));
    assert!(held < ASIDE, "{held}");
}

/// An NPY file.
fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), body].concat()
}

/// Writes the seeds of the readers of a user's own data; run by hand when they change.
#[test]
#[ignore = "writes to tests/corpus"]
fn write_the_corpus_of_sources() {
    use std::io::Write;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(path, bytes).expect("write");
    };
    write("table/plain.csv", b"n,t,m\n1,a,2.5\n-3e4,b,NA\n.5,a,nan\n");
    write(
        "table/quoted.csv",
        b"\xEF\xBB\xBFt;\"n\"\r\n\"x; \"\"y\"\"\r\nz\";1\r\n\r\nb;-inf\r\nc;2",
    );
    write("table/tab.csv", b"n\tt\n\"1\"\t5\" wide\n2\t\xC3\xA9\n");
    let floats: Vec<u8> = (0..6u8).flat_map(|x| f32::from(x).to_le_bytes()).collect();
    let x = npy("<f4", "(3, 2)", &floats);
    let y = npy("<i8", "(3,)", &[1u64, 0, 2].map(u64::to_le_bytes).concat());
    write("npy/floats.npy", &x);
    write("npy/integers.npy", &y);
    let fortran = npy(">u2", "(2, 2, 3)", &[7; 24]);
    let fortran = String::from_utf8_lossy(&fortran[10..128]).replacen("False,", "True, ", 1);
    let fortran = [&x[..10], fortran.as_bytes(), &[7; 24]].concat();
    write("npy/fortran.npy", &fortran);
    write(
        "npy/names.npy",
        &npy("<U2", "(2,)", b"a\0\0\0b\0\0\0c\0\0\0\0\0\0\0"),
    );
    let method = [
        zip::CompressionMethod::Stored,
        zip::CompressionMethod::Deflated,
    ];
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, array, method) in [("x.npy", &x, method[0]), ("y.npy", &y, method[1])] {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(name, options).expect("memory");
        writer.write_all(array).expect("memory");
    }
    write(
        "npz/seed.npz",
        &writer.finish().expect("memory").into_inner(),
    );
    let idx = |element: u8, dims: &[u32], body: &[u8]| {
        let sizes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_be_bytes()).collect();
        [&[0, 0, element, dims.len() as u8][..], &sizes, body].concat()
    };
    write("idx/images", &idx(0x08, &[2, 2, 3], &[9; 12]));
    write("idx/colour", &idx(0x08, &[1, 2, 2, 3], &[9; 12]));
    write(
        "idx/doubles",
        &idx(0x0E, &[2, 1], &[1.5f64; 2].map(f64::to_be_bytes).concat()),
    );
    let header = br#"{"x":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}"#;
    let size = (header.len() as u64).to_le_bytes();
    write(
        "tensors/seed.safetensors",
        &[&size[..], header, &[0, 60, 0, 56, 1, 0]].concat(),
    );
    let record = [&[19, 99][..], &[5; 3072]].concat();
    write("cifar100/seed", &[&record[..], &record].concat());
    let batch = [
        b"\x80\x02}q\x01(U\x06labelsq\x02](K\x07M\x03\x00eU\x04data",
        &b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87R"[..],
        b"(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R",
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
        &6144u32.to_le_bytes(),
        &[5; 6144],
        b"tbu.",
    ];
    write("pickle/seed", &batch.concat());
    let newer = b"\x80\x05\x95\x10\0\0\0\0\0\0\0}\x94(\x8c\x06labels\x94]\x94(J\xff\xff\xff\xffeC\x04data\x94c_codecs\nencode\nX\x02\0\0\0\xC3\xA9X\x06\0\0\0latin1\x86Ru.";
    write("pickle/newer", newer);
}

/// Writes the seeds of the corpus anew; run by hand when a format changes.
#[test]
#[ignore = "writes to tests/corpus"]
fn write_the_corpus() {
    use bregman::activation::Activation;
    use bregman::kind::{Form, Init, LayerKind, Loss};
    use bregman::nn::{LayerSpec, Model};
    use bregman::train::{EpochMetrics, Position, Sums};
    use std::io::Write;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(path, bytes).expect("write");
    };
    let header = [0x0803u32, SAMPLES, 28, 28].map(u32::to_be_bytes).concat();
    let body: Vec<u8> = (0..28 * 28 * SAMPLES).map(|i| (i / 97) as u8).collect();
    let images = [header, body].concat();
    write("idx-images/seed", &images);
    let labels = [0x0801u32, SAMPLES].map(u32::to_be_bytes).concat();
    write("idx-labels/seed", &[&labels[..], &[0, 9, 5]].concat());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&images).expect("memory");
    write("gzip/seed", &encoder.finish().expect("memory"));

    let records = [7u8, 9].map(|label| [&[label][..], &[label; 3072]].concat());
    write("cifar10/seed", &records.concat());

    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let model = Model::new(kind, form, &Activation::TANH, loss, &[5, 3, 3], 2).expect("valid");
    let parameters = [1, 2].map(|seed| Init::Random.parameters(&model, seed));
    let seed = root.join("network/seed");
    checkpoint::save(&seed, &model, "mnist", &parameters[..1]).expect("save");
    let standard = LayerSpec::new(LayerKind::Standard, form, &Activation::TANH, 3);
    let passed = LayerSpec {
        dual_passage: true,
        ..LayerSpec::new(kind, form, &Activation::SIGMOID, 3)
    };
    let mixed = Model::from_layers(5, &[standard, passed], loss, 2).expect("valid");
    let of_mixed = [Init::Random.parameters(&mixed, 1)];
    let seed = root.join("network/mixed");
    checkpoint::save(&seed, &mixed, "mnist", &of_mixed).expect("save");
    let epoch = EpochMetrics {
        epoch: 1,
        train_loss: 1.5,
        train_accuracy: 0.5,
        test_accuracy: 0.5,
        test_loss: 1.5,
        train_losses: vec![1.0, 2.0],
        train_accuracies: vec![0.5, 0.5],
        test_losses: vec![1.25, 1.75],
        test_accuracies: vec![0.25, 0.75],
        val_loss: Some(1.5),
        val_losses: Some(vec![1.0, 2.0]),
        val_accuracy: Some(0.5),
        val_accuracies: Some(vec![0.5, 0.5]),
        seconds: 1.0,
        samples_per_second: 100.0,
    };
    let sums = Sums {
        loss: 3.0,
        correct: 1,
        samples: 4,
    };
    let run = Run {
        model,
        dataset: "mnist".to_owned(),
        data_sha256: "0".repeat(64),
        device: "cpu".to_owned(),
        options: [("lr".to_owned(), "0.1".to_owned())].into(),
        seed: 1,
        position: Position {
            epochs: [epoch].into_iter().collect(),
            steps: 1,
            seconds: 0.5,
            sums: vec![sums; 2],
            limits: vec![1e6; 2],
            diverged: vec![None; 2],
            kept: vec![Some(parameters[0].clone()), None],
        },
        parameters: parameters.to_vec(),
        moments: vec![vec![parameters[0].clone()]; 2],
    };
    for folder in ["run", "state"] {
        run.save(&root.join(folder).join("seed")).expect("save");
    }
    let settings = "# a run\nlayer = \"bregman\"\nlr = 0.2\ninput-range = [0, 1e-6]\nunfused = true\nseed = 18446744073709551615\n";
    write("settings/seed.toml", settings.as_bytes());
    write(
        "settings/deep.toml",
        ["a = ", &"[".repeat(200)].concat().as_bytes(),
    );
}

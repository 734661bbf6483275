//! The readers of external files, on malformed inputs: each gives a value or a
//! typed fault, never a panic, and takes no more than twice the memory of the data that it should hold.
//!
//! The inputs in `tests/corpus/` are replayed, and then changed at random; BREGMAN_FUZZ_INPUTS is the
//! number of changed inputs for each reader (2,000 if it is not set).

#[path = "fuzz/seeds.rs"]
mod seeds;

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
use bregman::files::safetensors::{MAX_HEADER, State};
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

/// Headers that claim very large sizes, in files of a few bytes.
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
    let length = MAX_HEADER + 1;
    let spaces = vec![b' '; length as usize];
    let claim = [&length.to_le_bytes()[..], &spaces].concat();
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
        .write_all(&seeds::npy("<f4", "(2, 2)", &[]))
        .expect("memory");
    for _ in 0..1024 {
        writer.write_all(&[0; 1 << 20]).expect("memory");
    }
    let bomb = writer.finish().expect("memory").into_inner();
    assert!(bomb.len() < 2 << 20);
    let held = most_held(|| assert!(parse::npz(&bomb).is_err()));
    assert!(held < ASIDE, "{held}");
}

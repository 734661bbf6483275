//! Data sets: every fault of a file, where files are looked for, and downloads, from a server on
//! this machine.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bregman::data::download::download;
use bregman::data::{
    Dataset, Inputs, Loaded, Locations, Part, RemoteFile, Request, Source, Targets, cifar10, idx,
    load_in,
};
use bregman::error::{DataFault, DownloadFault, Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary folder")
}

fn header(fields: &[u32]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|field| field.to_be_bytes())
        .collect()
}

/// An IDX file of `samples` images, pixel p of sample i being i + p modulo 256.
fn images(samples: u32) -> Vec<u8> {
    let mut bytes = header(&[0x0803, samples, 28, 28]);
    bytes.extend((0..samples).flat_map(|sample| (0..784).map(move |p| (sample + p) as u8)));
    bytes
}

fn labels(samples: u32) -> Vec<u8> {
    let mut bytes = header(&[0x0801, samples]);
    bytes.extend((0..samples).map(|sample| (sample % 10) as u8));
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn parse(bytes: &[u8], is_gz: bool, part: Part, samples: u32) -> Result<Vec<u8>, DataFault> {
    idx::parse(bytes, is_gz, part, samples).expect("memory does not fail")
}

#[test]
fn whole_files_are_read() {
    for is_gz in [false, true] {
        let packed = |bytes: Vec<u8>| if is_gz { gz(&bytes) } else { bytes };
        let pixels = parse(&packed(images(3)), is_gz, Part::Images, 3);
        assert_eq!(pixels, Ok(images(3)[16..].to_vec()));
        let classes = parse(&packed(labels(13)), is_gz, Part::Labels, 13);
        assert_eq!(classes, Ok(labels(13)[8..].to_vec()));
    }
}

#[test]
fn every_fault_of_a_file_is_named() {
    use DataFault::{Count, Empty, ImageSize, Label, Magic, TooLong, Truncated};
    let truncated = |expected, found| Truncated {
        expected,
        found,
        unpacked: false,
    };
    let mut wrong_label = labels(5);
    wrong_label[8 + 3] = 10;
    let too_long = |expected| TooLong {
        expected,
        unpacked: false,
    };
    let cases = [
        (vec![], Part::Images, Empty),
        (images(2)[..1].to_vec(), Part::Images, truncated(1584, 1)),
        (images(2)[..15].to_vec(), Part::Images, truncated(1584, 15)),
        (
            images(2)[..1583].to_vec(),
            Part::Images,
            truncated(1584, 1583),
        ),
        (labels(5)[..8].to_vec(), Part::Labels, truncated(13, 8)),
        ([images(2), vec![0]].concat(), Part::Images, too_long(1584)),
        ([labels(5), vec![0]].concat(), Part::Labels, too_long(13)),
        (
            labels(2),
            Part::Images,
            Magic {
                expected: 0x0803,
                found: 0x0801,
            },
        ),
        (
            b"<html>not found</html>".to_vec(),
            Part::Labels,
            Magic {
                expected: 0x0801,
                found: u32::from_be_bytes(*b"<htm"),
            },
        ),
        (
            images(3),
            Part::Images,
            Count {
                expected: 2,
                found: 3,
            },
        ),
        (
            header(&[0x0803, u32::MAX, 28, 28]),
            Part::Images,
            Count {
                expected: 2,
                found: u32::MAX,
            },
        ),
        (
            header(&[0x0803, 2, 28, u32::MAX]),
            Part::Images,
            ImageSize {
                expected: [28, 28],
                found: [28, u32::MAX],
            },
        ),
        (
            wrong_label,
            Part::Labels,
            Label {
                sample: 3,
                label: 10,
                classes: 10,
            },
        ),
    ];
    for (bytes, part, fault) in cases {
        let samples = if part == Part::Images { 2 } else { 5 };
        assert_eq!(parse(&bytes, false, part, samples), Err(fault.clone()));
        if fault == Empty {
            continue;
        }
        // Compressed, the fault is the same except where the bytes are counted.
        let fault = match fault {
            Truncated {
                expected, found, ..
            } => Truncated {
                expected,
                found,
                unpacked: true,
            },
            TooLong { expected, .. } => TooLong {
                expected,
                unpacked: true,
            },
            other => other,
        };
        assert_eq!(parse(&gz(&bytes), true, part, samples), Err(fault));
    }
}

#[test]
fn broken_compression_is_named() {
    let whole = gz(&labels(2000));
    let mut wrong_sum = whole.clone();
    let trailer = whole.len() - 8;
    wrong_sum[trailer] ^= 1;
    for (bytes, says) in [
        (&whole[..5], "it ends too early"),
        (&whole[..whole.len() / 2], "it ends too early"),
        (&whole[..whole.len() - 1], "it ends too early"),
        (&wrong_sum[..], "corrupt"),
        (b"not compressed at all", "invalid gzip header"),
    ] {
        let fault = parse(bytes, true, Part::Labels, 2000).expect_err(says);
        assert!(matches!(fault, DataFault::Gzip { .. }), "{says}: {fault:?}");
        assert!(fault.to_string().contains(says), "{fault}");
    }
    assert_eq!(parse(&[], true, Part::Labels, 2), Err(DataFault::Empty));
}

/// A reader that counts what is taken from it.
struct Counted<R> {
    reader: R,
    taken: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.taken += count as u64;
        Ok(count)
    }
}

#[test]
fn a_gzip_bomb_is_left_after_a_byte_too_many() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&images(2)).expect("memory");
    let zeros = vec![0; 1 << 20];
    for _ in 0..256 {
        encoder.write_all(&zeros).expect("memory");
    }
    let bomb = encoder.finish().expect("memory");
    assert!(bomb.len() > 200_000, "{} bytes", bomb.len());
    let mut reader = Counted {
        reader: &bomb[..],
        taken: 0,
    };
    let buffered = BufReader::with_capacity(512, &mut reader);
    let fault = idx::parse(buffered, true, Part::Images, 2).expect("memory does not fail");
    assert_eq!(
        fault,
        Err(DataFault::TooLong {
            expected: 1584,
            unpacked: true
        })
    );
    assert!(reader.taken < 4096, "{} bytes were read", reader.taken);
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        is_gz: bool,
        is_images: bool,
        samples in 0u32..4,
        with_header: bool,
    ) {
        let part = if is_images { Part::Images } else { Part::Labels };
        let start = match (with_header, part) {
            (false, _) => vec![],
            (true, Part::Images) => header(&[0x0803, samples, 28, 28]),
            (true, Part::Labels) => header(&[0x0801, samples]),
        };
        let bytes = [start, bytes].concat();
        let bytes = if is_gz && with_header { gz(&bytes) } else { bytes };
        let size = if is_images { 784 } else { 1 };
        if let Ok(body) = parse(&bytes, is_gz, part, samples) {
            prop_assert_eq!(body.len(), samples as usize * size);
        }
    }

    #[test]
    fn no_cut_passes_for_the_whole(cut in 0usize..1584, is_gz: bool) {
        let whole = if is_gz { gz(&images(2)) } else { images(2) };
        let cut = cut % whole.len();
        prop_assert!(parse(&whole[..cut], is_gz, Part::Images, 2).is_err());
    }
}

/// A whole data set of plain files: black images, all of class `class`.
fn write_dataset(folder: &Path, class: u8) {
    fs::create_dir_all(folder).expect("folder");
    for (name, samples) in [("train", 60_000_u32), ("t10k", 10_000)] {
        let mut file =
            File::create(folder.join(format!("{name}-images-idx3-ubyte"))).expect("file");
        file.write_all(&header(&[0x0803, samples, 28, 28]))
            .expect("write");
        // Zeros without writing them.
        file.set_len(16 + u64::from(samples) * 784).expect("size");
        let bytes = [header(&[0x0801, samples]), vec![class; samples as usize]].concat();
        fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), bytes).expect("write");
    }
}

/// Neither data nor network, and little patience.
fn nowhere() -> Locations {
    Locations {
        data_dir: None,
        cache: None,
        mirrors: Some(Vec::new()),
        patience: Duration::from_millis(300),
    }
}

fn request(dataset: Option<&str>, data_dir: Option<&Path>) -> Request {
    Request {
        dataset: dataset.map(str::to_owned),
        data_dir: data_dir.map(Path::to_owned),
        limit: Some((7, 5)),
    }
}

fn load(locations: &Locations, request: &Request) -> Result<Loaded> {
    load_in(locations, request, &mut |_| {})
}

#[test]
fn data_are_found_where_people_keep_them() {
    let root = folder();
    for (place, dataset) in [
        ("mnist", "mnist"),
        ("MNIST/raw", "mnist"),
        ("fashion-mnist", "fashion-mnist"),
        ("FashionMNIST/raw", "fashion-mnist"),
        ("", "mnist"),
    ] {
        let data_dir = root.path().join(format!("of-{}", place.replace('/', "-")));
        write_dataset(&data_dir.join(place), 3);
        let from = |locations: &Locations, request: &Request| {
            let loaded = load(locations, request)
                .unwrap_or_else(|error| panic!("{dataset} in {place}: {error}"));
            assert_eq!(loaded.train.name, dataset, "{place}");
            assert_eq!(loaded.test.name, dataset, "{place}");
            assert_eq!(loaded.train.labels(), [3; 7]);
            assert_eq!(loaded.test.labels(), [3; 5]);
            assert_eq!(loaded.train.pixels().len(), 7 * 784);
            assert_eq!(loaded.train.image, [28, 28]);
            // Black images are not those of the data set.
            let [note] = &loaded.notes[..] else {
                panic!("{:?}", loaded.notes);
            };
            assert!(note.contains(&format!("not {dataset}'s")), "{note}");
        };
        from(&nowhere(), &request(Some(dataset), Some(&data_dir)));
        // The folder of the files itself.
        from(
            &nowhere(),
            &request(Some(dataset), Some(&data_dir.join(place))),
        );
        from(&nowhere(), &request(None, Some(&data_dir.join(place))));
        // From the environment, and from the cache.
        let mut locations = nowhere();
        locations.data_dir = Some(data_dir.clone());
        from(&locations, &request(Some(dataset), None));
        let mut locations = nowhere();
        locations.cache = Some(data_dir.clone());
        from(&locations, &request(Some(dataset), None));
    }
    // torchvision's own folder, and one that holds the one data set that it does.
    let torchvision = root.path().join("of-FashionMNIST-raw");
    for data_dir in [&torchvision.join("FashionMNIST"), &torchvision] {
        let loaded = load(&nowhere(), &request(None, Some(data_dir))).expect("found");
        assert_eq!(loaded.train.name, "fashion-mnist", "{}", data_dir.display());
    }
    // The request goes before the environment, and the environment before the cache.
    write_dataset(&root.path().join("a"), 1);
    write_dataset(&root.path().join("b"), 2);
    write_dataset(&root.path().join("c"), 4);
    let mut locations = nowhere();
    locations.data_dir = Some(root.path().join("b"));
    locations.cache = Some(root.path().join("c"));
    let a = root.path().join("a");
    let loaded = load(&locations, &request(None, Some(&a))).expect("a");
    assert_eq!(loaded.train.labels()[0], 1);
    let loaded = load(&locations, &request(None, None)).expect("b");
    assert_eq!(loaded.train.labels()[0], 2);
}

#[test]
fn a_part_that_is_not_needed_need_not_be_there() {
    let root = folder();
    write_dataset(root.path(), 3);
    for part in ["images-idx3", "labels-idx1"] {
        fs::remove_file(root.path().join(format!("train-{part}-ubyte"))).expect("remove");
    }
    let mut wanted = request(None, Some(root.path()));
    let error = load(&nowhere(), &wanted).expect_err("no training files");
    let says = error.to_string();
    assert!(says.contains("train-labels-idx1-ubyte.gz"), "{says}");
    assert!(!says.contains("t10k"), "only what is missing: {says}");
    wanted.limit = Some((0, 5));
    let loaded = load(&nowhere(), &wanted).expect("the test files");
    assert_eq!((loaded.train.len(), loaded.test.len()), (0, 5));
    // Existing files are checked before missing ones are requested.
    fs::write(root.path().join("t10k-labels-idx1-ubyte"), "junk").expect("write");
    wanted.limit = None;
    let error = load(&nowhere(), &wanted).expect_err("junk");
    assert!(matches!(error, Error::Data { .. }), "{error}");
}

#[test]
fn the_other_data_set_is_refused() {
    let root = folder();
    let fashion = root.path().join("fashion-mnist");
    write_dataset(&fashion, 0);
    let error = load(&nowhere(), &request(Some("mnist"), Some(&fashion))).expect_err("refused");
    assert!(
        matches!(
            &error,
            Error::Data { path, fault: DataFault::OtherDataset { wanted: "mnist", found: "fashion-mnist" } }
                if *path == fashion
        ),
        "{error}"
    );
    // By its name the folder says what it is, so no name is needed.
    let loaded = load(&nowhere(), &request(None, Some(&fashion))).expect("fashion-mnist");
    assert_eq!(loaded.test.name, "fashion-mnist");
}

#[test]
fn a_compressed_file_is_checked_by_form_and_by_contents() {
    let root = folder();
    write_dataset(root.path(), 0);
    let path = root.path().join("t10k-labels-idx1-ubyte.gz");
    let mut bytes = labels(10_000);
    fs::write(&path, gz(&bytes)).expect("write");
    // Well-formed, but not the file released.
    let loaded = load(&nowhere(), &request(None, Some(root.path()))).expect("well-formed");
    assert!(
        loaded.notes[0].contains("t10k-labels-idx1-ubyte.gz"),
        "{:?}",
        loaded.notes
    );
    let fault = |expect: &str| match load(&nowhere(), &request(None, Some(root.path()))) {
        Err(Error::Data { path: found, fault }) => {
            assert_eq!(found, path, "{expect}");
            fault
        }
        other => panic!("{expect}: {other:?}"),
    };
    bytes[8 + 77] = 200;
    fs::write(&path, gz(&bytes)).expect("write");
    assert_eq!(
        fault("label"),
        DataFault::Label {
            sample: 77,
            label: 200,
            classes: 10
        }
    );
    fs::write(&path, []).expect("write");
    assert_eq!(fault("empty"), DataFault::Empty);
}

#[test]
fn missing_data_that_were_asked_for_are_an_error_that_says_how_to_get_them() {
    let root = folder();
    let error = load(&nowhere(), &request(None, Some(root.path()))).expect_err("no data");
    let says = error.to_string();
    for text in [
        "mnist is not in",
        "train-images-idx3-ubyte.gz",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "use `dataset` digits",
    ] {
        assert!(says.contains(text), "no `{text}` in: {says}");
    }
    let mut locations = nowhere();
    locations.cache = Some(root.path().to_owned());
    let error = load(&locations, &request(Some("mnist"), None)).expect_err("no data");
    assert!(matches!(error, Error::Download { .. }), "{error}");
    let error = load(&nowhere(), &request(Some("mnist"), None)).expect_err("no folder");
    assert!(matches!(error, Error::NoCacheFolder { .. }), "{error}");
    let missing = root.path().join("missing");
    let error = load(&nowhere(), &request(None, Some(&missing))).expect_err("no folder");
    assert!(matches!(error, Error::NoDataFolder { .. }), "{error}");
    let error = load(&nowhere(), &request(Some("emnist"), None)).expect_err("no such name");
    assert!(
        error
            .to_string()
            .contains("mnist, fashion-mnist, cifar10, digits"),
        "{error}"
    );
}

#[test]
fn digits_are_drawn_where_nothing_was_asked_for_and_nothing_is_there() {
    let root = folder();
    for cache in [None, Some(root.path().join("cache"))] {
        let mut locations = nowhere();
        locations.cache = cache;
        let loaded = load(&locations, &request(None, None)).expect("digits");
        assert_eq!(loaded.train.name, "digits");
        assert_eq!((loaded.train.len(), loaded.test.len()), (7, 5));
        assert_eq!(loaded.notes.len(), 1);
        assert!(
            loaded.notes[0].contains("generated digits"),
            "{:?}",
            loaded.notes
        );
    }
    // Asked for, they need no note.
    let loaded = load(&nowhere(), &request(Some("digits"), None)).expect("digits");
    assert_eq!((loaded.train.len(), loaded.test.len()), (7, 5));
    assert!(loaded.notes.is_empty());
    // Data that are there but broken are not passed over.
    let mut locations = nowhere();
    locations.cache = Some(root.path().join("broken"));
    write_dataset(&root.path().join("broken"), 10);
    let error = load(&locations, &request(None, None)).expect_err("labels");
    assert!(matches!(error, Error::Data { .. }), "{error}");
}

/// What a server does with a request.
#[derive(Clone)]
enum Reply {
    /// Sends the bytes.
    Bytes(Vec<u8>),
    /// Sends the bytes one by one, with pauses.
    Trickle(Vec<u8>),
    /// Sends the bytes, having promised as many more, and hangs up.
    Half(Vec<u8>),
    /// Sends the bytes, having promised as many more, and falls silent.
    Stall(Vec<u8>),
    /// Answers with an error.
    Status(u16),
    /// Says nothing.
    Silence,
}

/// A web server on this machine; returns its address and counts the requests.
fn serve(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("address");
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let reply = Arc::new(reply);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let reply = Arc::clone(&reply);
            // A client that hangs up is what some tests are about.
            thread::spawn(move || drop(answer(stream, &*reply)));
        }
    });
    (format!("http://{address}/"), requests)
}

fn answer(stream: TcpStream, reply: &dyn Fn(&str) -> Reply) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let mut stream = stream;
    let mut send = |promised: usize, bytes: &[u8]| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(bytes)?;
        stream.flush()
    };
    let forever = Duration::from_secs(60);
    match reply(path.trim_start_matches('/')) {
        Reply::Bytes(bytes) => send(bytes.len(), &bytes),
        Reply::Trickle(bytes) => {
            send(bytes.len(), &[])?;
            for byte in bytes {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(&[byte])?;
            }
            Ok(())
        }
        Reply::Half(bytes) => send(2 * bytes.len(), &bytes),
        Reply::Stall(bytes) => {
            send(2 * bytes.len(), &bytes)?;
            thread::sleep(forever);
            Ok(())
        }
        Reply::Status(status) => {
            write!(
                stream,
                "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        Reply::Silence => {
            thread::sleep(forever);
            Ok(())
        }
    }
}

/// A file to download, of 200,000 bytes that do not compress; its name is in the file's own.
fn released(name: &'static str) -> (RemoteFile, Vec<u8>) {
    let mut state = name.len() as u32;
    let bytes: Vec<u8> = (0..200_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let sha256: String = Sha256::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let file = RemoteFile {
        name: format!("{name}.gz"),
        bytes: bytes.len() as u64,
        sha256: sha256.leak(),
    };
    (file, bytes)
}

const PATIENCE: Duration = Duration::from_millis(500);

fn partial_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.expect("entry").path()).collect()
}

#[test]
fn a_mirror_that_fails_is_given_up_for_the_next() {
    let (one, one_bytes) = released("one");
    let (three, three_bytes) = released("three");
    let mut flipped = one_bytes.clone();
    flipped[100_000] ^= 1;
    let half = one_bytes[..100_000].to_vec();
    let refused = {
        // A port that was free a moment ago, without a listener.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}/", listener.local_addr().expect("address"))
    };
    let too_long = [&one_bytes[..], &[0]].concat();
    let short = half.clone();
    let bad = [
        Reply::Status(404),
        Reply::Status(503),
        Reply::Silence,
        Reply::Half(half.clone()),
        Reply::Stall(half),
        Reply::Bytes(too_long),
        Reply::Bytes(short),
        Reply::Bytes(flipped),
        Reply::Bytes(b"<html>please log in</html>".to_vec()),
        Reply::Trickle(one_bytes.clone()),
    ];
    let mut mirrors = vec![refused, "http://no-such-host.invalid/".to_owned()];
    mirrors.extend(bad.map(|reply| serve(move |_| reply.clone()).0));
    let root = folder();

    // All mirrors fail: nothing is left behind.
    let empty = root.path().join("empty");
    let started = Instant::now();
    let failures = download(
        &mirrors,
        PATIENCE,
        &empty,
        &[one.clone(), three.clone()],
        &mut |_| {},
    )
    .expect("the file system works")
    .expect_err("no mirror works");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(partial_files(&empty), Vec::<PathBuf>::new());
    assert_eq!(failures.len(), mirrors.len());
    let faults: Vec<DownloadFault> = failures.into_iter().map(|f| f.fault).collect();
    use DownloadFault::{Checksum, Connection, Size, Status, TimedOut, TooSlow};
    let size = |longer| Size {
        expected: 200_000,
        longer,
    };
    assert!(matches!(faults[0], Connection { .. }), "{:?}", faults[0]);
    assert!(
        matches!(faults[1], Connection { .. } | TimedOut { .. }),
        "{:?}",
        faults[1]
    );
    assert_eq!(faults[2], Status { status: 404 });
    assert_eq!(faults[3], Status { status: 503 });
    assert_eq!(faults[4], TimedOut { patience: PATIENCE });
    assert!(matches!(faults[5], Connection { .. }), "{:?}", faults[5]);
    assert_eq!(faults[6], TimedOut { patience: PATIENCE });
    assert_eq!(faults[7], size(true));
    assert_eq!(faults[8], size(false));
    assert!(matches!(faults[9], Checksum { .. }), "{:?}", faults[9]);
    assert_eq!(faults[10], size(false));
    assert_eq!(faults[11], TooSlow);

    // The last one works.
    let (good, requests) = serve({
        let (one, three) = (one_bytes.clone(), three_bytes.clone());
        move |path| match path {
            "one.gz" => Reply::Bytes(one.clone()),
            "three.gz" => Reply::Bytes(three.clone()),
            _ => Reply::Status(404),
        }
    });
    mirrors.push(good);
    let full = root.path().join("new").join("folder");
    let mut seen = Vec::new();
    download(
        &mirrors,
        PATIENCE,
        &full,
        &[one.clone(), three.clone()],
        &mut |progress| {
            seen.push((progress.url.to_owned(), progress.bytes, progress.total));
        },
    )
    .expect("the file system works")
    .expect("the last mirror works");
    assert_eq!(requests.load(Ordering::SeqCst), 2, "one request a file");
    assert_eq!(fs::read(full.join("one.gz")).expect("one"), one_bytes);
    assert_eq!(fs::read(full.join("three.gz")).expect("three"), three_bytes);
    assert_eq!(partial_files(&full).len(), 2);
    let (url, bytes, total) = seen.last().expect("progress");
    assert!(url.ends_with("/three.gz"), "{url}");
    assert_eq!((*bytes, *total), (200_000, 200_000));
}

#[test]
fn what_a_mirror_sent_before_it_failed_is_kept() {
    let (one, one_bytes) = released("one");
    let (three, three_bytes) = released("three");
    let first = one_bytes.clone();
    let (first, first_requests) = serve(move |path| match path {
        "one.gz" => Reply::Bytes(first.clone()),
        _ => Reply::Status(404),
    });
    let (second, second_requests) = serve(move |path| match path {
        "three.gz" => Reply::Bytes(three_bytes.clone()),
        _ => Reply::Status(404),
    });
    let root = folder();
    download(
        &[first, second],
        PATIENCE,
        root.path(),
        &[one.clone(), three.clone()],
        &mut |_| {},
    )
    .expect("the file system works")
    .expect("each mirror has one file");
    assert_eq!(first_requests.load(Ordering::SeqCst), 2);
    assert_eq!(second_requests.load(Ordering::SeqCst), 1);
    assert_eq!(partial_files(root.path()).len(), 2);
}

#[test]
fn a_file_system_that_refuses_is_no_fault_of_the_mirror() {
    let (one, bytes) = released("one");
    let (mirror, _) = serve(move |_| Reply::Bytes(bytes.clone()));
    let root = folder();
    let blocked = root.path().join("file");
    fs::write(&blocked, "not a folder").expect("write");
    let error = download(&[mirror], PATIENCE, &blocked, &[one], &mut |_| {})
        .expect_err("a file is in the way");
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn only_what_is_missing_is_downloaded_and_failures_name_each_mirror() {
    let root = folder();
    write_dataset(&root.path().join("mnist"), 0);
    fs::remove_file(root.path().join("mnist/t10k-labels-idx1-ubyte")).expect("remove");
    let (mirror, requests) = serve(|_| Reply::Bytes(b"another file".to_vec()));
    let mut locations = nowhere();
    locations.mirrors = Some(vec![mirror.clone()]);
    let error = load(&locations, &request(None, Some(root.path()))).expect_err("not the file");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    let Error::Download {
        failures, dataset, ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(*dataset, Source::Mnist.name());
    assert_eq!(
        failures[0].url,
        format!("{mirror}t10k-labels-idx1-ubyte.gz")
    );
    assert_eq!(partial_files(&root.path().join("mnist")).len(), 3);
}

/// CIFAR-10 records, each of one label and 3,072 pixels.
fn records(labels: &[u8]) -> Vec<u8> {
    let record = |(i, &label): (usize, &u8)| {
        let pixels = (0..3072).map(move |p| (31 * i + p / 1024 * 7 + p) as u8);
        std::iter::once(label).chain(pixels).collect::<Vec<u8>>()
    };
    labels.iter().enumerate().flat_map(record).collect()
}

/// The six files of CIFAR-10, with one, two, … six records.
fn cifar_files() -> Vec<(&'static str, Vec<u8>)> {
    let file = |(i, &name): (usize, &&'static str)| {
        let labels: Vec<u8> = (0..=i as u8)
            .map(|record| (i as u8 + record) % 10)
            .collect();
        (name, records(&labels))
    };
    cifar10::FILES.iter().enumerate().map(file).collect()
}

fn cifar_archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let path = format!("cifar-10-batches-bin/{name}");
        archive
            .append_data(&mut header, path, &bytes[..])
            .expect("memory takes all");
    }
    gz(&archive.into_inner().expect("memory takes all"))
}

#[test]
fn cifar10_is_read_loose_and_from_its_archive() {
    let files = cifar_files();
    let loose = folder();
    let own = loose.path().join("cifar-10-batches-bin");
    fs::create_dir(&own).expect("folder");
    for (name, bytes) in &files {
        fs::write(own.join(name), bytes).expect("write");
    }
    let packed = folder();
    let archive = packed.path().join("cifar-10-binary.tar.gz");
    fs::write(archive, cifar_archive(&files)).expect("write");
    let load = |folder: &Path, dataset| {
        let mut request = request(dataset, Some(folder));
        request.limit = None;
        load(&nowhere(), &request)
    };
    let from_files = load(loose.path(), Some("cifar10")).expect("loose files");
    let from_archive = load(packed.path(), Some("cifar10")).expect("an archive");
    // A folder says by itself what it has.
    assert_eq!(load(&own, None).expect("the folder itself"), from_files);

    let Loaded { train, test, notes } = &from_files;
    assert_eq!((train.len(), test.len()), (1 + 2 + 3 + 4 + 5, 6));
    assert_eq!((train.channels, train.image), (3, [32, 32]));
    assert_eq!((train.features(), train.classes), (3072, 10));
    assert_eq!(train.labels()[..6], [0, 1, 2, 2, 3, 4]);
    // The second record of the second file: its green plane starts 1,024 pixels in.
    assert_eq!(train.pixels()[2 * 3072 + 1024], 31 + 7);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].contains("50000 training") && notes[0].contains("only 15"),
        "{notes:?}"
    );
    assert!(
        notes[1].contains("10000 test") && notes[1].contains("only 6"),
        "{notes:?}"
    );
    assert_eq!((&from_archive.train, &from_archive.test), (train, test));
    assert!(from_archive.notes[0].contains("not the released archive"));
    assert_eq!(from_archive.notes[1..], notes[..]);
}

#[test]
fn mirror_images_follow_the_images() {
    let images = Dataset {
        name: "two colours".to_owned(),
        channels: 2,
        image: [2, 3],
        classes: 10,
        inputs: Inputs::Bytes((0..24).collect()),
        targets: Targets::Classes(vec![7, 4]),
    };
    let both = images.clone().with_mirror_images();
    assert_eq!(both.labels(), [7, 4, 7, 4]);
    assert_eq!(both.pixels()[..24], *images.pixels());
    assert_eq!(both.pixels()[24..33], [2, 1, 0, 5, 4, 3, 8, 7, 6]);
    assert_eq!(both.pixels()[45..], [23, 22, 21]);
}

#[test]
fn every_fault_of_cifar10_is_named() {
    let parse = |bytes: &[u8]| cifar10::parse(bytes).expect("memory reads");
    let whole = records(&[3, 9]);
    assert_eq!(parse(&whole), Ok(whole.clone()));
    assert_eq!(parse(&[]), Err(DataFault::Empty));
    let cut = DataFault::Records {
        bytes: 6145,
        record: 3073,
    };
    assert_eq!(parse(&whole[..6145]), Err(cut));
    let label = DataFault::Label {
        sample: 1,
        label: 10,
        classes: 10,
    };
    assert_eq!(parse(&records(&[3, 10])), Err(label));
    let too_many = records(&[0; 10_001]);
    let too_long = DataFault::TooLong {
        expected: 30_730_000,
        unpacked: false,
    };
    assert_eq!(parse(&too_many), Err(too_long));

    let root = folder();
    let path = root.path().join("cifar-10-binary.tar.gz");
    let fault = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("write");
        match load(&nowhere(), &request(Some("cifar10"), Some(root.path()))) {
            Err(Error::Data { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    let archive = cifar_archive(&cifar_files());
    assert!(matches!(
        fault(&archive[..archive.len() / 2]),
        DataFault::Gzip { .. }
    ));
    let missing = DataFault::MissingMember {
        name: "test_batch.bin",
    };
    assert_eq!(fault(&cifar_archive(&cifar_files()[..5])), missing);
}

#[test]
fn missing_cifar10_says_how_to_get_it() {
    let root = folder();
    let request = request(Some("cifar10"), Some(root.path()));
    match load(&nowhere(), &request) {
        Err(error @ Error::Download { .. }) => {
            let message = error.to_string();
            assert!(message.contains("cifar-10-binary.tar.gz"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

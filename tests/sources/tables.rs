//! CSV and TSV files.

use std::io::{self, Read};
use std::path::Path;

use bregman::data::raw::{Cells, Raw, Table};
use bregman::data::reader::{Kind, ReadOptions, Rows, kinds_of, parse};
use bregman::error::{DataFault, Error};
use proptest::prelude::*;

use super::{Folder, fault, fault_with, gz, open};

fn table(raw: &Raw) -> &Table {
    match raw {
        Raw::Table(table) => table,
        Raw::Samples(samples) => panic!("{samples:?}"),
    }
}

/// The table in a CSV file of these bytes.
fn read(bytes: impl AsRef<[u8]>) -> Table {
    parse::table(bytes.as_ref(), None).unwrap_or_else(|e| panic!("{e}"))
}

fn fault_of(bytes: impl AsRef<[u8]>) -> DataFault {
    match parse::table(bytes.as_ref(), None) {
        Err(Error::Data { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn names(table: &Table) -> Vec<&str> {
    table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect()
}

fn numbers(table: &Table, column: usize) -> &[f64] {
    match &table.columns[column].cells {
        Cells::Numbers(numbers) => numbers,
        Cells::Text { distinct, .. } => panic!("{distinct:?}"),
    }
}

/// The texts of a column; `-` for missing ones.
fn texts(table: &Table, column: usize) -> Vec<&str> {
    let Cells::Text { distinct, codes } = &table.columns[column].cells else {
        panic!("column {column} is of numbers");
    };
    let text = |&code: &u32| distinct.get(code as usize).map_or("-", String::as_str);
    codes.iter().map(text).collect()
}

#[test]
fn columns_are_numbers_or_text() {
    let table = read("size,colour,code\n1.5,red,1\n-2e3,blue,2\n+.25,red,x\n");
    assert_eq!(names(&table), ["size", "colour", "code"]);
    assert_eq!(numbers(&table, 0), [1.5, -2000.0, 0.25]);
    assert_eq!(texts(&table, 1), ["red", "blue", "red"]);
    assert_eq!(texts(&table, 2), ["1", "2", "x"]);
    let Cells::Text { distinct, .. } = &table.columns[1].cells else {
        panic!()
    };
    assert_eq!(distinct, &["red", "blue"]);
}

#[test]
fn missing_cells_are_marked() {
    let table =
        read("n,t\n1,a\n,\nNA,NA\nN/A,N/A\nNaN,NaN\nnan,nan\nnull,null\nNone,None\n?,?\n2, b \n");
    let found = numbers(&table, 0);
    assert_eq!((found[0], found[9]), (1.0, 2.0));
    assert!(
        found[1..9].iter().all(|number| number.is_nan()),
        "{found:?}"
    );
    assert_eq!(
        texts(&table, 1),
        ["a", "-", "-", "-", "-", "-", "-", "-", "-", "b"]
    );
    let Cells::Text { codes, .. } = &table.columns[1].cells else {
        panic!()
    };
    assert_eq!(codes[1], u32::MAX);
}

#[test]
fn forms_of_a_file_are_the_same_table() {
    let folder = Folder::new();
    let plain = "a,b\n1,x\n2,y\n";
    let expected = open(&folder.write("plain.csv", plain)).train;
    let forms: [(&str, Vec<u8>); 9] = [
        ("bom.csv", [b"\xEF\xBB\xBF", plain.as_bytes()].concat()),
        ("crlf.csv", plain.replace('\n', "\r\n").into()),
        ("semicolon.csv", plain.replace(',', ";").into()),
        ("tab.tsv", plain.replace(',', "\t").into()),
        ("quoted.csv", "\"a\",\"b\"\n\"1\",\"x\"\n2,\"y\"\n".into()),
        ("unended.csv", plain.trim_end().into()),
        ("compressed.csv.gz", gz(plain.as_bytes())),
        ("carriage.csv", plain.replace('\n', "\r").into()),
        ("blank.csv", "\n\na,b\n\n1,x\n\n2,y\n\n".into()),
    ];
    for (name, bytes) in forms {
        let found = open(&folder.write(name, bytes)).train;
        assert_eq!(table(&found).columns, table(&expected).columns, "{name}");
    }
    // Two members one after the other are one file.
    let members = [gz(b"a,b\n1,x\n"), gz(b"2,y\n")].concat();
    let found = open(&folder.write("members.csv.gz", members)).train;
    assert_eq!(table(&found).columns, table(&expected).columns);
}

#[test]
fn quotes_enclose_delimiters_breaks_and_quotes() {
    let found = read("a,\"b, c\"\n1,\"x, \"\"y\"\"\nz\"\n2,5\" wide\n");
    assert_eq!(names(&found), ["a", "b, c"]);
    assert_eq!(texts(&found, 1), ["x, \"y\"\nz", "5\" wide"]);
    assert_eq!(
        fault_of("a,b\n1,x\n2,\"y\n3,z\n"),
        DataFault::OpenQuote { line: 3 }
    );
}

/// As spreadsheets write them where a comma separates a number's fraction.
#[test]
fn fractions_may_have_a_comma_between_semicolons() {
    let found = read("a;b\n1,5;2\n-2,25e1;x,5\n1,234,5;y\n");
    assert_eq!(texts(&found, 0), ["1,5", "-2,25e1", "1,234,5"]);
    let found = read("a;b\n1,5;2\n-2,25e1;x,5\n");
    assert_eq!(numbers(&found, 0), [1.5, -22.5]);
    assert_eq!(texts(&found, 1), ["2", "x,5"]);
    assert_eq!(texts(&read("a\tb\n1,5\t2\n"), 0), ["1,5"]);
}

#[test]
fn the_row_numbers_of_pandas_are_left_out() {
    assert_eq!(names(&read(",a,b\n0,1,2\n1,3,4\n")), ["a", "b"]);
    assert_eq!(
        fault_of("a,,b\n1,2,3\n"),
        DataFault::UnnamedColumn { column: 2 }
    );
}

#[test]
fn headers_are_checked() {
    let same = fault_of("a,b,c,b\n1,2,3,4\n");
    let (name, columns) = ("b".to_owned(), [2, 4]);
    assert_eq!(same, DataFault::DuplicateColumn { name, columns });
    assert!(matches!(
        fault_of("5.1,3.5,1.4\n4.9,3.0,1.4\n"),
        DataFault::NoHeader { .. }
    ));
    assert!(matches!(
        fault_of("5.1,3.5,setosa\n4.9,3.0,setosa\n"),
        DataFault::NoHeader { .. }
    ));
    // Columns of an array that was written with numbers as names.
    assert_eq!(names(&read("0,1,2\n5,6,7\n")), ["0", "1", "2"]);
    assert_eq!(fault_of(""), DataFault::Empty);
    assert_eq!(fault_of("\n\n"), DataFault::Empty);
    assert_eq!(fault_of("a,b\n"), DataFault::NoSamples);
    assert_eq!(
        fault_of(b"\xFF\xFEa\0,\0b\0\n\0"),
        DataFault::NotUtf8 { line: 1 }
    );
}

#[test]
fn faults_name_their_lines() {
    for newline in ["\n", "\r\n"] {
        let text = |text: &str| text.replace('\n', newline);
        let short = fault_of(text("a,b\n1,2\n\n3\n4,5\n"));
        let ragged = |line, found| DataFault::Ragged {
            line,
            expected: 2,
            found,
            delimiter: ',',
        };
        assert_eq!(short, ragged(4, 1));
        assert_eq!(fault_of(text("a,b\n1,\"x\ny\"\n3,4,5\n")), ragged(4, 3));
        let DataFault::InfiniteCell {
            line,
            column,
            value,
        } = fault_of(text("a,b\n1,2\n3,-inf\n"))
        else {
            panic!();
        };
        assert_eq!((line, &*column, &*value), (3, "b", "-inf"));
        let bytes = [text("a,b\n1,x\n2,").as_bytes(), b"\xE9\n"].concat();
        assert_eq!(fault_of(bytes), DataFault::NotUtf8 { line: 3 });
    }
    // What overflows is infinite; words in a column of text are not.
    assert!(matches!(
        fault_of("a\n1e999\n"),
        DataFault::InfiniteCell { .. }
    ));
    assert_eq!(texts(&read("a\ninfinity\nb\n"), 0), ["infinity", "b"]);
}

/// Text behind the rows by which kinds are guessed, and far behind the first block.
#[test]
fn late_text_makes_a_column_text() {
    let mut text = "a,b\n".to_owned();
    for row in 0..5000 {
        text += &format!("{row},{row}\n");
    }
    text += "1,late\n";
    let found = read(&text);
    assert_eq!(numbers(&found, 0)[4999], 4999.0);
    assert_eq!(texts(&found, 1)[4999..], ["4999", "late"]);
    let Cells::Text { distinct, .. } = &found.columns[1].cells else {
        panic!()
    };
    assert_eq!(distinct.len(), 5001);
}

/// Files of several blocks and many pieces, with breaks within quotes at every place of a piece.
#[test]
fn large_files_are_read_in_pieces() {
    const ROWS: usize = 400_000;
    for quoted in [false, true] {
        let mut text = String::from("n,t,m\n");
        for row in 0..ROWS {
            let word = row % 7;
            text += &match quoted && row % 3 == 0 {
                true => format!("{row},\"line\n,{word}\"\"\",{}.5\n", row * 3),
                false => format!("{row},word {word},{}.5\n", row * 3),
            };
        }
        assert!(text.len() > 8 << 20, "{}", text.len());
        let found = read(&text);
        assert!(
            numbers(&found, 0)
                .iter()
                .enumerate()
                .all(|(row, &n)| n == row as f64)
        );
        assert!(
            numbers(&found, 2)
                .iter()
                .enumerate()
                .all(|(row, &n)| n == row as f64 * 3.0 + 0.5)
        );
        for (row, text) in texts(&found, 1).into_iter().enumerate() {
            let expected = match quoted && row % 3 == 0 {
                true => format!("line\n,{}\"", row % 7),
                false => format!("word {}", row % 7),
            };
            assert_eq!(text, expected);
        }
        // A fault in the last row has its line.
        let lines = text.matches('\n').count() as u64;
        let DataFault::Ragged { line, found, .. } = fault_of(text + "1,2\n") else {
            panic!()
        };
        assert_eq!((line, found), (lines + 1, 2));
    }
}

#[test]
fn given_kinds_choose_the_columns() {
    let folder = Folder::new();
    let path = folder.write("test.csv", "extra,b,a\nz,1,10\nz,2,20\n");
    let kinds = vec![("a".to_owned(), Kind::Number), ("b".to_owned(), Kind::Text)];
    let options = ReadOptions {
        kinds: Some(kinds),
        ..ReadOptions::default()
    };
    let parts = bregman::data::reader::open(&path, &options).expect("a table");
    let found = table(&parts.train);
    assert_eq!(names(found), ["a", "b"]);
    assert_eq!(
        (numbers(found, 0), texts(found, 1)),
        (&[10.0, 20.0][..], vec!["1", "2"])
    );
    let path = folder.write("other.csv", "a,c\n1,x\n");
    let (found, _) = fault_with(&path, &options);
    let known = ["a", "c"].map(str::to_owned).to_vec();
    assert_eq!(
        found,
        DataFault::MissingColumns {
            names: vec!["b".to_owned()],
            known
        }
    );
    let path = folder.write("text.csv", "a,b\n1,x\ntwo,y\n");
    let (
        DataFault::NotANumber {
            line,
            column,
            value,
        },
        named,
    ) = fault_with(&path, &options)
    else {
        panic!();
    };
    assert_eq!((line, &*column, &*value, named), (3, "a", "two", path));
}

#[test]
fn a_folder_has_tables_for_its_parts() {
    let folder = Folder::new();
    folder.write("train.csv", "n,t\n1,1\n2,x\n");
    folder.write("val.csv.gz", gz(b"t,n\n1,5\n"));
    let test = folder.write("test.csv", "n,t\n3,2\n");
    let parts = open(folder.path());
    assert_eq!(texts(table(&parts.train), 1), ["1", "x"]);
    // A column is text as it is in training, and stands in the same place.
    let validation = table(parts.validation.as_ref().expect("a part"));
    assert_eq!(
        (numbers(validation, 0), texts(validation, 1)),
        (&[5.0][..], vec!["1"])
    );
    assert_eq!(
        kinds_of(table(parts.test.as_ref().expect("a part")))[1].1,
        Kind::Text
    );
    std::fs::write(&test, "n,t\nword,2\n").expect("write");
    assert!(matches!(
        fault(folder.path()),
        DataFault::NotANumber { line: 2, .. }
    ));
}

#[test]
fn damaged_gzip_is_told() {
    let folder = Folder::new();
    let mut bytes = gz("a,b\n1,2\n".repeat(5000).as_bytes());
    bytes.truncate(bytes.len() / 2);
    assert!(matches!(
        fault(&folder.write("a.csv.gz", bytes)),
        DataFault::Gzip { .. }
    ));
    assert!(matches!(
        fault(&folder.write("b.csv.gz", "a,b\n1,2\n")),
        DataFault::Gzip { .. }
    ));
}

/// Gives the bytes a few at a time, as a pipe does.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        let (given, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(given);
        self.0 = rest;
        Ok(count)
    }
}

fn kinds() -> Vec<(String, Kind)> {
    vec![("t".to_owned(), Kind::Text), ("n".to_owned(), Kind::Number)]
}

/// All rows that [`Rows`] gives, as text.
fn rows(bytes: &[u8], step: usize, most: usize) -> Result<Vec<(String, String)>, Error> {
    let mut rows = Rows::new(Slow(bytes, step), Path::new("-"), &kinds())?;
    let mut all = Vec::new();
    while let Some(table) = rows.next(most)? {
        let count = numbers(&table, 1).len();
        assert!((1..=most).contains(&count), "{count}");
        let texts = texts(&table, 0).into_iter().map(str::to_owned);
        all.extend(texts.zip(numbers(&table, 1).iter().map(f64::to_string)));
    }
    Ok(all)
}

#[test]
fn rows_come_a_few_at_a_time() {
    let text = "n,u,t\r\n1,,a\r\n2,,\"b\r\nc\"\r\n\r\n3,,\"d\"\"\"\r\n4,,e";
    let expected = [("a", "1"), ("b\r\nc", "2"), ("d\"", "3"), ("e", "4")];
    let expected = expected.map(|(text, number)| (text.to_owned(), number.to_owned()));
    for step in [1, 2, 3, 7, 1000] {
        for most in [1, 2, 3, 100] {
            let found = rows(text.as_bytes(), step, most).expect("rows");
            assert_eq!(found, expected, "{step} {most}");
        }
    }
}

#[test]
fn rows_do_not_wait_for_more_than_one() {
    struct Never;
    impl Read for Never {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("a row was there");
        }
    }
    let mut rows = Rows::new(b"n,t\n1,a\n".chain(Never), Path::new("-"), &kinds()).expect("rows");
    assert_eq!(
        texts(&rows.next(10).expect("a row").expect("a row"), 0),
        ["a"]
    );
}

#[test]
fn faults_of_rows_name_their_lines() {
    let at = |text: &str, step, most| match rows(text.as_bytes(), step, most) {
        Err(Error::Data { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    for (step, most) in [(1, 1), (3, 2), (1000, 1), (1000, 100)] {
        let ragged = at("n,t\n1,a\n2,b\n\n3\n", step, most);
        assert!(
            matches!(ragged, DataFault::Ragged { line: 5, .. }),
            "{ragged:?}"
        );
        let text = at("n,t\r\n1,a\r\n2,b\r\nx,c\r\n", step, most);
        assert!(
            matches!(text, DataFault::NotANumber { line: 4, .. }),
            "{text:?}"
        );
        let infinite = at("n,t\n1,a\ninf,c\n", step, most);
        assert!(
            matches!(infinite, DataFault::InfiniteCell { line: 3, .. }),
            "{infinite:?}"
        );
        let open = at("n,t\n1,a\n2,\"c\n3,d\n", step, most);
        assert_eq!(open, DataFault::OpenQuote { line: 3 });
    }
    let missing = at("n,u\n1,a\n", 10, 10);
    assert!(
        matches!(missing, DataFault::MissingColumns { .. }),
        "{missing:?}"
    );
}

proptest! {
    /// Whatever is written by a crate's writer is read, by both readers.
    #[test]
    fn written_tables_are_read(
        cells in prop::collection::vec(("[a-z\",;\r\n ]{0,6}x", -1e9f64..1e9), 1..40),
        step in 1usize..50,
        most in 1usize..9,
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["t", "n"]).expect("memory");
        for (text, number) in &cells {
            writer.write_record([text.as_str(), &number.to_string()]).expect("memory");
        }
        let bytes = writer.into_inner().expect("memory");
        let found = read(&bytes);
        let expected: Vec<&str> = cells.iter().map(|(text, _)| text.trim_ascii()).collect();
        prop_assert_eq!(texts(&found, 0), expected.clone());
        let expected_numbers: Vec<f64> = cells.iter().map(|&(_, number)| number).collect();
        prop_assert_eq!(numbers(&found, 1), &expected_numbers[..]);
        let found = rows(&bytes, step, most).expect("rows");
        let pairs: Vec<_> = expected
            .into_iter()
            .map(str::to_owned)
            .zip(expected_numbers.iter().map(f64::to_string))
            .collect();
        prop_assert_eq!(found, pairs);
    }
}

/// A figure for the page of benchmarks: `cargo test --release --test sources -- --ignored --nocapture`.
#[test]
#[ignore = "writes 100 MB and measures"]
fn a_hundred_megabytes_are_read_in_a_second() {
    let folder = Folder::new();
    let names: Vec<String> = (0..30).map(|column| format!("x{column}")).collect();
    let mut text = names.join(",") + "\n";
    let mut state = 1u32;
    while text.len() < 100_000_000 {
        let row: Vec<String> = (0..30)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                format!("{:.6}", f64::from(state) / 4e8 - 5.0)
            })
            .collect();
        text += &row.join(",");
        text += "\n";
    }
    let path = folder.write("numbers.csv", &text);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let parts = open(&path);
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(table(&parts.train).columns.len(), 30);
    }
    let speed = text.len() as f64 / 1e6 / best;
    #[expect(clippy::print_stderr, reason = "the figure is what it is run for")]
    {
        eprintln!("{speed:.0} MB/s");
    }
    assert!(speed >= 100.0, "{speed} MB/s");
}

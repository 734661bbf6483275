//! What the pages say: links lead somewhere, the README's example is one that compiles, and tables have the
//! numbers of the results that are kept.

use std::fs;
use std::path::{Path, PathBuf};

use bregman::bench::Report;
use bregman::experiments::spirals::{Claim, page as page_of_claims};
use bregman::experiments::stats::Verdict;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The README and every Markdown page of assets/ and benches/.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["assets", "benches"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    assert!(pages.len() > 5, "{pages:?}");
    pages
}

/// The targets of the links and pictures of a page, in order: `](target)`.
fn links(page: &str) -> Vec<&str> {
    let parts = page.split("](").skip(1);
    parts
        .filter_map(|part| part.split_once(')'))
        .map(|(target, _)| target)
        .collect()
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading() {
    let mut count = 0;
    for path in pages() {
        let page = read(&path);
        for link in links(&page)
            .into_iter()
            .filter(|link| !link.contains("://"))
        {
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                _ => path.parent().expect("a folder").join(file),
            };
            assert!(target.exists(), "{}: there is no {link}", path.display());
            if !heading.is_empty() {
                let target = read(&target);
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line) == heading);
                assert!(found, "{}: no heading is #{heading}", path.display());
            }
        }
    }
    assert!(count > 50, "{count} links");
}

#[test]
fn the_readme_is_short_and_its_example_is_the_one_that_compiles() {
    let readme = read(&root().join("README.md"));
    assert!(readme.lines().count() <= 180);
    let example = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    // The page has several things in one line, which rustfmt does not.
    let words = |code: &str| -> String {
        let code: String = code.split_whitespace().collect();
        code.replace(",}", "}").replace(",)", ")")
    };
    let compiled = read(&root().join("assets/examples/train.rs"));
    let code = compiled
        .find("use bregman")
        .map(|start| words(&compiled[start..]));
    assert_eq!(example.map(words), code);
}

#[test]
fn files_that_the_readme_names_are_there() {
    let readme = read(&root().join("README.md"));
    let names: Vec<&str> = readme.split('`').skip(1).step_by(2).collect();
    let paths = names.iter().filter(|name| {
        ["src/", "shaders/", "tests/", "assets/"]
            .iter()
            .any(|folder| name.starts_with(folder))
    });
    let mut count = 0;
    for path in paths {
        count += 1;
        assert!(root().join(path).exists(), "README.md: there is no {path}");
    }
    assert!(count > 5, "{count} paths");
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(&root().join(path))).expect("JSON")
}

/// The numbers of an array.
fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().expect("an array");
    values
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect()
}

/// Mean and sample standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// The cells of the rows of a page's tables that begin with `title`, without bold, notes and signs of minus.
fn rows<'a>(page: &'a str, title: &'a str) -> impl Iterator<Item = Vec<String>> + 'a {
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| {
        let plain = line.replace("**", "").replace('−', "-").replace(" ¹", "");
        plain
            .trim_matches('|')
            .split('|')
            .map(|c| c.trim().to_owned())
            .collect::<Vec<_>>()
    });
    cells.filter(move |cells| cells[0] == title)
}

const KINDS: [&str; 3] = ["standard", "euclidean", "bregman"];

/// The accuracies of Table 2 and their differences are those of the results that are kept.
#[test]
fn table_2_on_the_pages_is_what_was_trained() {
    let results = json("benches/results/table2/table2.json");
    let cells = results.as_array().expect("cells");
    let [readme, page] = ["README.md", "assets/table2.md"].map(|path| read(&root().join(path)));
    let titles = [
        ("mnist-1", "MNIST, 1 hidden layer"),
        ("mnist-3", "MNIST, 3 hidden layers"),
        ("mnist-cnn", "MNIST, CNN + 1 hidden layer"),
        ("fashion-1", "Fashion-MNIST, 1 hidden layer"),
        ("fashion-3", "Fashion-MNIST, 3 hidden layers"),
        ("fashion-cnn", "Fashion-MNIST, CNN + 1 hidden layer"),
        ("cifar10-cnn", "CIFAR-10, CNN + 1 hidden layer"),
    ];
    for (name, title) in titles {
        let of_kind = KINDS.map(|kind| {
            let is = |cell: &&Value| cell["row"] == name && cell["layer"] == kind;
            cells.iter().find(is).expect("a cell")
        });
        let accuracies = of_kind.map(|cell| {
            let percent = numbers(&cell["accuracies"]).into_iter().map(|a| 100.0 * a);
            percent.collect::<Vec<_>>()
        });
        let short = rows(&readme, title).next().expect("a row of README.md");
        let long = rows(&page, title).next().expect("a row of table2.md");
        for (k, values) in accuracies.iter().enumerate() {
            let (mean, deviation) = spread(values);
            let cell = format!("{mean:.2} ± {deviation:.2}");
            assert_eq!(short[k + 1], cell, "README.md: {title}, {}", KINDS[k]);
            let paper = 100.0 * of_kind[k]["paper"].as_f64().expect("the paper's");
            let cell = format!(
                "{cell} ({}); {paper:.2}; {:+.2}",
                values.len(),
                mean - paper
            );
            assert_eq!(long[k + 1], cell, "table2.md: {title}, {}", KINDS[k]);
        }
        let differences = rows(&page, title).nth(1).expect("a row of differences");
        let [standard, euclidean, bregman] = &accuracies;
        for (cell, other) in differences[1..].iter().zip([standard, euclidean]) {
            let pairs: Vec<f64> = bregman.iter().zip(other).map(|(b, o)| b - o).collect();
            assert_eq!(pairs.len(), 5, "the quantile is that of five pairs");
            let (mean, deviation) = spread(&pairs);
            // 0.995 of Student's t with four degrees of freedom.
            let half = 4.604095 * deviation / 5f64.sqrt();
            let printed: Vec<f64> = (cell.split([' ', '(', ')', ':']))
                .filter_map(|word| word.parse().ok())
                .collect();
            let [low, high] = [mean - half, mean + half];
            for (found, wanted) in printed.iter().zip([mean, low, high]) {
                assert!(
                    (found - wanted).abs() < 0.0051,
                    "{title}: {cell}: {wanted:.4}"
                );
            }
            assert_eq!(printed.len(), 3, "{title}: {cell}");
            let none = low < 0.0 && high > 0.0;
            assert_eq!(cell.ends_with("no difference"), none, "{title}: {cell}");
        }
    }
}

/// The rates beside the peers' on the processor, and the ratio to the best, are those of the results that
/// are kept.
#[test]
fn rates_on_the_page_are_what_was_measured() {
    let page = read(&root().join("benches/README.md"));
    let results = json("benches/results/cpu-amd-epyc-2026-11-25.json");
    let names = ["ours", "PyTorch", "JAX", "burn", "candle", "torch.compile"];
    let mut count = 0;
    for row in results["rows"].as_array().expect("rows") {
        let Some(layers) = row["layers"].as_u64().filter(|&layers| layers > 0) else {
            continue;
        };
        let kind = row["kind"]
            .as_str()
            .expect("a kind")
            .replace("breg", "Breg");
        let title = format!("{layers} × 784 {kind}, batch {}", row["batch"]);
        let cells = rows(&page, &title)
            .next()
            .unwrap_or_else(|| panic!("no {title}"));
        for (cell, name) in cells[1..].iter().zip(names) {
            let rate = row["steps_per_second"][name].as_f64().expect("a rate");
            let printed: f64 = cell.replace(',', "").parse().expect("a number");
            let unit = if printed < 100.0 { 0.051 } else { 0.51 };
            assert!((printed - rate).abs() < unit, "{title}, {name}: {cell}");
        }
        let ratios = row["ratios"].as_object().expect("ratios").values();
        let best = ratios
            .filter_map(Value::as_f64)
            .fold(f64::INFINITY, f64::min);
        assert_eq!(cells[7], format!("{best:.2} ×"), "{title}");
        assert_eq!(row["ratio_to_best"].as_f64(), Some(best), "{title}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// The page of each report on an adapter is what the program makes of its JSON file, whatever version wrote
/// that; BREGMAN_BLESS=1 writes it.
#[test]
fn the_pages_of_reports_are_made_from_the_results() {
    let folder = root().join("benches/results");
    let entries = fs::read_dir(&folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    // The comparison on the processor has a form of its own.
    paths.retain(|path| !path.to_string_lossy().contains("/cpu-"));
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        let report = Report::load(&path).expect("a report");
        let page = bregman::bench::page(&report);
        assert!(!page.contains("Not readable"), "{page}");
        if std::env::var_os("BREGMAN_BLESS").is_some() {
            report.save_page(&path).expect("write");
        }
        let kept = path.with_extension("md");
        assert!(
            read(&kept) == page,
            "{} is not what the results say; BREGMAN_BLESS=1 cargo test --release --test pages writes it",
            kept.display()
        );
    }
}

/// The folder of the results of the two spirals.
const SPIRALS: &str = "benches/results/two_spirals";

/// The claims of a file of [`SPIRALS`].
fn claims(name: &str) -> Vec<Claim> {
    let path = root().join(SPIRALS).join(name);
    serde_json::from_str(&read(&path)).expect("claims")
}

/// The claims that are published, and those of the same commands with other seeds.
fn all_claims() -> (Vec<Claim>, Vec<Vec<Claim>>) {
    let published = claims("claims.json");
    let repeats = [10_000, 20_000, 30_000, 40_000].map(|seed| {
        let of_seed = claims(&format!("claims-{seed}.json"));
        assert!(of_seed.iter().all(|claim| claim.seed == seed));
        of_seed
    });
    let all = [vec![published.clone()], repeats.into()].concat();
    (published, all)
}

/// `assets/claims.md` is what the program makes of the results that are kept; BREGMAN_BLESS=1 writes it.
#[test]
fn the_page_of_claims_is_made_from_the_results() {
    let (published, repeats) = all_claims();
    let page = page_of_claims(&published, &repeats);
    let path = root().join("assets/claims.md");
    if std::env::var_os("BREGMAN_BLESS").is_some() {
        fs::write(&path, &page).expect("write");
    }
    assert!(
        read(&path) == page,
        "{} is not what the results say; BREGMAN_BLESS=1 cargo test --release --test pages writes it",
        path.display()
    );
}

/// With other seeds no claim has the opposite verdict, and all runs are different ones.
#[test]
fn no_claim_is_reproduced_with_one_seed_and_refuted_with_another() {
    let (_, repeats) = all_claims();
    let mut count = 0;
    for claim in &repeats[0] {
        let same = repeats
            .iter()
            .flatten()
            .filter(|other| (&other.figure, &other.claim) == (&claim.figure, &claim.claim));
        let verdicts: Vec<Verdict> = same.map(|claim| claim.verdict).collect();
        count += verdicts.len();
        let both = [Verdict::Reproduced, Verdict::Refuted].map(|v| verdicts.contains(&v));
        assert_ne!(both, [true, true], "{}: {verdicts:?}", claim.claim);
    }
    assert!(count >= 40, "{count}");
    for claim in repeats.iter().flatten() {
        assert!(claim.runs <= 10_000, "{}", claim.claim);
    }
}

/// A number of the results that are kept.
fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// A share in per cent with its interval.
fn share(value: &Value) -> String {
    let [low, high] = [0, 1].map(|end| 100.0 * number(&value["interval"][end]));
    format!(
        "{:.1} ({low:.1} to {high:.1})",
        100.0 * number(&value["share"])
    )
}

/// The tables of the two spirals, on their page and in the README, are those of the results that are kept.
#[test]
fn the_two_spirals_on_the_pages_are_what_was_trained() {
    let results = json(&format!("{SPIRALS}/results.json"));
    let all = results.as_array().expect("rows");
    let find = |figure: &str, kind: &str, init: &str, rate: f32| {
        let mut rows = all.iter();
        rows.find(|row| {
            let same_rate = row["lr"].as_f64() == Some(f64::from(rate));
            row["figure"] == figure && row["layer"] == kind && row["init"] == init && same_rate
        })
        .unwrap_or_else(|| panic!("no row {figure} {kind} {init} {rate}"))
    };
    let [readme, page] =
        ["README.md", "assets/two_spirals.md"].map(|path| read(&root().join(path)));
    let cells = |page: &str, title: &str| {
        let found = rows(page, title).next();
        found.unwrap_or_else(|| panic!("no row `{title}`"))
    };
    let percent = |value: &Value, digits: usize| {
        let [mean, deviation] = ["mean", "sd"].map(|key| 100.0 * number(&value[key]));
        format!("{mean:.digits$} ± {deviation:.digits$}")
    };
    let median = |value: &Value, scale: f64, digits: usize| {
        let number = |value: &Value| match value.as_f64() {
            Some(x) => format!("{:.digits$}", scale * x),
            None => "diverged".to_owned(),
        };
        let [first, third] = [0, 1].map(|end| number(&value["quartiles"][end]));
        format!("{} [{first}, {third}]", number(&value["median"]))
    };
    const NAMES: [&str; 3] = ["standard", "Euclidean", "Bregman"];

    for (figure, init) in [("5-left", "random"), ("5-right", "deterministic")] {
        for (kind, name) in KINDS.iter().zip(NAMES) {
            let row = find(figure, kind, init, 0.1);
            let found = cells(&page, &format!("{init}: {name}"));
            let loss = &row["loss"];
            let [mean, deviation] = ["mean", "sd"].map(|key| number(&loss[key]));
            let wanted = [
                format!("{mean:.3} ± {deviation:.3}"),
                median(loss, 1.0, 3),
                share(&row["stuck"]),
            ];
            assert_eq!(
                [&found[1], &found[2], &found[3]],
                wanted.each_ref(),
                "{figure} {name}"
            );
        }
    }

    const RATES: [f32; 6] = [1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1];
    let mut best = Vec::new();
    for (kind, name) in KINDS.iter().zip(NAMES) {
        let of_rates = RATES.map(|rate| find("6-left", kind, "random", rate));
        let expect = |title: &str, wanted: [String; 6]| {
            assert_eq!(cells(&page, title)[1..], wanted, "two_spirals.md: {title}");
        };
        expect(name, of_rates.map(|row| percent(&row["accuracy"], 1)));
        let medians = of_rates.map(|row| median(&row["accuracy"], 100.0, 1));
        expect(&format!("{name}: median"), medians);
        expect(
            &format!("{name}: stuck %"),
            of_rates.map(|row| share(&row["stuck"])),
        );
        expect(
            &format!("{name}: diverged %"),
            of_rates.map(|row| share(&row["diverged"])),
        );
        // A mean leaves out the runs that have diverged, so that rates where some have do not compete.
        let calm = of_rates.iter().filter(|row| row["diverged"]["count"] == 0);
        let mean = |row: &Value| number(&row["accuracy"]["mean"]);
        let of_best = calm.max_by(|a, b| mean(a).total_cmp(&mean(b)));
        best.push(percent(&of_best.expect("a calm rate")["accuracy"], 1));
    }
    let short = cells(
        &readme,
        "two spirals, 3 layers of 2 neurons, best of six rates ³",
    );
    assert_eq!(short[1..4], best, "README.md");

    let mut deep = Vec::new();
    for init in ["random", "deterministic"] {
        for (kind, name) in KINDS.iter().zip(NAMES) {
            for (figure, layers, rate, key) in [
                ("6-right", 50, 0.1, "accuracy"),
                ("depth100", 100, 0.01, "test_accuracy"),
            ] {
                let row = find(figure, kind, init, rate);
                let found = cells(&page, &format!("{layers} layers, {init} init: {name}"));
                assert_eq!(found[1], percent(&row[key], 1), "{figure} {init} {name}");
                assert_eq!(
                    found[2],
                    median(&row[key], 100.0, 1),
                    "{figure} {init} {name}"
                );
                assert_eq!(found[3], share(&row["stuck"]), "{figure} {init} {name}");
                if figure == "6-right" && init == "random" {
                    deep.push(found[1].clone());
                }
            }
        }
    }
    let short = cells(&readme, "two spirals, 50 layers of 2 neurons ³");
    assert_eq!(short[1..4], deep, "README.md");

    // Ten draws that 20 runs share each, against runs with points of their own.
    let shared = json(&format!("{SPIRALS}/shared.json"));
    let shared = shared.as_array().expect("rows");
    for (figure, init) in [("5-left", "random"), ("5-right", "deterministic")] {
        for (kind, name) in KINDS.iter().zip(NAMES) {
            let of_draws: Vec<&Value> = (shared.iter())
                .filter(|row| row["figure"] == figure && row["layer"] == *kind)
                .collect();
            assert_eq!(of_draws.len(), 10);
            let same = |row: &&Value| row["points"] == "shared" && row["runs"] == 20;
            assert!(of_draws.iter().all(same));
            let squares = of_draws
                .iter()
                .map(|row| number(&row["loss"]["sd"]).powi(2));
            let within = squares.sum::<f64>() / 10.0;
            let all = number(&find(figure, kind, init, 0.1)["loss"]["sd"]).powi(2);
            let stuck = of_draws.iter().map(|row| row["stuck"]["count"].as_u64());
            let stuck: Vec<u64> = stuck.map(|count| count.expect("a count")).collect();
            let [least, most] =
                [stuck.iter().min(), stuck.iter().max()].map(|end| *end.expect("ten draws"));
            let found = cells(&page, &format!("{init} init, {name}"));
            let wanted = [
                format!("{:.3}", all.sqrt()),
                format!("{:.3}", within.sqrt()),
                format!("{:.3}", (all - within).max(0.0).sqrt()),
                format!("{least} to {most}"),
            ];
            assert_eq!(found[1..], wanted, "two_spirals.md: {init} init, {name}");
        }
    }

    // The words of the summaries are the tests'.
    for claim in claims("claims.json") {
        let verdict = claim.verdict.name();
        let row = rows(&page, &claim.claim).next();
        let row = row.unwrap_or_else(|| panic!("two_spirals.md: no claim `{}`", claim.claim));
        assert_eq!(row[1], verdict, "two_spirals.md: {}", claim.claim);
    }
    let order = claims("claims.json").remove(0);
    let sentence = format!("random start: {}", order.verdict.name());
    assert!(readme.contains(&sentence), "README.md: `{sentence}`");
}

//! What the pages say of the tree: links lead somewhere, the README's example is one that compiles.

use std::fs;
use std::path::{Path, PathBuf};

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

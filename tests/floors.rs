//! The floors of the house: a file of `src/` uses only files of lower floors, and files of its own
//! floor without a loop.
//!
//! The test reads `use` lines and paths in the code, and follows re-exports to the file that
//! defines a name. Unit tests are left out, since they may use anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;

/// The modules of each floor, bottom to top. A module's entry holds for its parts, unless a longer
/// entry lists them.
const FLOORS: [&[&str]; 8] = [
    // Leaves.
    &["error", "kind", "math", "memory", "rng", "files", "threads"],
    // Table 1, and float32 loops generic over it.
    &["activation", "kernels"],
    // Models, data and optimizers; no device.
    &["nn", "data", "executor", "optim"],
    // The engines.
    &["reference", "cpu", "gpu", "sweep"],
    // Training, and what is kept of it.
    &["trainer", "train", "checkpoint", "predict", "device"],
    // Checks, measurements, theory and files for other programs.
    &["selftest", "bench", "bilevel", "plot", "onnx"],
    // The faces. `extending` and the crate's root name all floors below.
    &["cli", "experiments", "extending", "prelude", "python", ""],
    // The programs.
    &["bin"],
];

/// The floor of a module, `gpu/plan`, by its longest entry; none if no floor lists it.
fn floor(module: &str) -> Option<usize> {
    let fits = |entry: &str| {
        module == entry
            || (!entry.is_empty()
                && module
                    .strip_prefix(entry)
                    .is_some_and(|r| r.starts_with('/')))
    };
    let entries = FLOORS.iter().enumerate();
    let entries = entries.flat_map(|(floor, entries)| entries.iter().map(move |&e| (e, floor)));
    let longest = entries
        .filter(|(e, _)| fits(e))
        .max_by_key(|(e, _)| e.len());
    longest.map(|(_, floor)| floor)
}

/// A name that a `use` line brings into a file.
struct Use {
    line: usize,
    /// `crate`, `gpu`, `Gpu`.
    path: Vec<String>,
    /// The name in the file; `*` for all names of a module.
    name: String,
    public: bool,
    /// The number of inline modules around the line.
    depth: usize,
}

/// A file of `src/`.
struct Source {
    /// `src/gpu/plan/mod.rs`.
    file: String,
    uses: Vec<Use>,
    /// Paths in the code, with their lines and the number of inline modules around them.
    paths: Vec<(usize, Vec<String>, usize)>,
}

/// The files of a crate, by module: `gpu/plan`; the root is the empty string.
struct Tree(BTreeMap<String, Source>);

/// A use of a file by another.
#[derive(Clone, Debug)]
struct Edge {
    from: String,
    line: usize,
    to: String,
    /// The path ends at a module: it brings in the module's name, of which nothing is used yet.
    module_only: bool,
    /// A module re-exports a name of its own part.
    own_part: bool,
}

/// The text with comments and the contents of literals replaced by spaces; lines stay.
fn blank_literals(text: &str) -> String {
    let c: Vec<char> = text.chars().collect();
    let mut out = c.clone();
    let blank = |out: &mut Vec<char>, range: Range<usize>| {
        for x in &mut out[range] {
            if *x != '\n' {
                *x = ' ';
            }
        }
    };
    let at = |i: usize| c.get(i).copied().unwrap_or('\0');
    let word = |x: char| x.is_alphanumeric() || x == '_';
    let mut i = 0;
    while i < c.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => {
                while i < c.len() && at(i) != '\n' {
                    i += 1;
                }
                blank(&mut out, start..i);
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= c.len() {
                        break;
                    }
                }
                blank(&mut out, start..i.min(c.len()));
            }
            ('"', _) => {
                i += 1;
                while i < c.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
                blank(&mut out, start..i.min(c.len()));
            }
            ('r', '"' | '#') if start == 0 || !word(at(start - 1)) || at(start - 1) == 'b' => {
                let hashes = c[i + 1..].iter().take_while(|&&x| x == '#').count();
                if at(i + 1 + hashes) != '"' {
                    // A raw identifier.
                    i += 1 + hashes;
                    continue;
                }
                i += hashes + 2;
                let closes =
                    |i: usize| at(i) == '"' && (1..=hashes).all(|hash| at(i + hash) == '#');
                while i < c.len() && !closes(i) {
                    i += 1;
                }
                i = (i + 1 + hashes).min(c.len());
                blank(&mut out, start..i);
            }
            ('\'', '\\') => {
                i += 3;
                while i < c.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
                blank(&mut out, start..i.min(c.len()));
            }
            // Else it begins a lifetime.
            ('\'', _) if at(i + 2) == '\'' => {
                i += 3;
                blank(&mut out, start..i);
            }
            (x, _) if word(x) => {
                while word(at(i)) && !(at(i) == 'r' && matches!(at(i + 1), '"' | '#')) {
                    i += 1;
                }
                i = i.max(start + 1);
            }
            _ => i += 1,
        }
    }
    out.into_iter().collect()
}

/// The place after the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    code.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The places of a word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(i, _)| i).filter(move |&i| {
        let before = i == 0 || !is_word(bytes[i - 1]);
        before && !bytes.get(i + word.len()).is_some_and(|&b| is_word(b))
    })
}

/// Replaces a range by spaces; lines stay.
fn blank(code: &mut String, range: Range<usize>) {
    let spaces: String = code[range.clone()]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    code.replace_range(range, &spaces);
}

/// The code without unit tests, and the names of the test modules in files of their own.
fn without_tests(mut code: String) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut modules = Vec::new();
    while let Some(start) = code.find(MARK) {
        let rest = &code[start..];
        let end = rest.find([';', '{']).map_or(code.len(), |end| start + end);
        let item = code[start + MARK.len()..end].trim();
        let is_file = code[end..].starts_with(';');
        if let (true, Some(name)) = (is_file, item.strip_prefix("mod ")) {
            modules.push(name.to_owned());
        }
        let end = if is_file {
            end + 1
        } else {
            closing(&code, end)
        };
        blank(&mut code, start..end);
    }
    (code, modules)
}

/// Adds each name of the tree of a `use` line, with its path.
fn expand(prefix: &[String], tree: &str, names: &mut Vec<(Vec<String>, String)>) {
    let segments = |text: &str| -> Vec<String> {
        let parts = text.split("::").map(str::trim).filter(|s| !s.is_empty());
        parts.map(str::to_owned).collect()
    };
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let prefix = [prefix, &segments(&tree[..open])].concat();
        let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let (mut depth, mut start) = (0, 0);
        for (i, byte) in inner.bytes().chain([b',']).enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    expand(&prefix, &inner[start..i], names);
                    start = i + 1;
                }
                _ => {}
            }
        }
    } else if !tree.is_empty() {
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        let mut path = [prefix, &segments(path)].concat();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = alias.or_else(|| path.last().cloned());
        names.push((path, name.unwrap_or_default()));
    }
}

impl Source {
    fn new(file: &str, code: &str) -> Self {
        let mut code = code.to_owned();
        let mut inline: Vec<Range<usize>> = Vec::new();
        for place in words(&code, "mod") {
            let rest = &code[place..];
            if let Some(open) = rest.find([';', '{'])
                && rest[open..].starts_with('{')
                && rest[3..open].trim().bytes().all(is_word)
            {
                inline.push(place + open..closing(&code, place + open));
            }
        }
        let depth = |at: usize| inline.iter().filter(|range| range.contains(&at)).count();
        let line = |code: &str, at: usize| 1 + code[..at].matches('\n').count();
        let statements: Vec<Range<usize>> = words(&code, "use")
            // `impl Trait + use<'a>` captures a lifetime.
            .filter(|at| !code[at + 3..].trim_start().starts_with('<'))
            .map(|at| at..at + code[at..].find(';').unwrap_or(code.len() - at))
            .collect();
        let mut uses = Vec::new();
        for range in &statements {
            let before = code[..range.start].trim_end();
            let item = before.rfind([';', '{', '}', ']']).map_or(0, |end| end + 1);
            let public = before[item..].trim_start().starts_with("pub");
            let mut names = Vec::new();
            expand(&[], &code[range.start + 3..range.end], &mut names);
            uses.extend(names.into_iter().map(|(path, name)| Use {
                line: line(&code, range.start),
                path,
                name,
                public,
                depth: depth(range.start),
            }));
        }
        for range in statements {
            blank(&mut code, range);
        }
        let mut paths = Vec::new();
        let bytes = code.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            if !is_word(bytes[i]) {
                i += 1;
                continue;
            }
            let start = i;
            let mut path = Vec::new();
            loop {
                let from = i;
                while i < bytes.len() && is_word(bytes[i]) {
                    i += 1;
                }
                path.push(code[from..i].to_owned());
                let more = code[i..].starts_with("::")
                    && bytes.get(i + 2).is_some_and(|&byte| is_word(byte));
                if !more {
                    break;
                }
                i += 2;
            }
            let follows = start > 0 && matches!(bytes[start - 1], b':' | b'.');
            if path.len() > 1 && !follows {
                paths.push((line(&code, start), path, depth(start)));
            }
        }
        Self {
            file: file.to_owned(),
            uses,
            paths,
        }
    }
}

/// The folder of a module: `gpu` of `gpu/plan`.
fn parent(module: &str) -> Option<&str> {
    match module.rsplit_once('/') {
        Some((folder, _)) => Some(folder),
        None if module.is_empty() => None,
        None => Some(""),
    }
}

fn child(module: &str, name: &str) -> String {
    match module {
        "" => name.to_owned(),
        _ => format!("{module}/{name}"),
    }
}

impl Tree {
    /// The tree of files and their texts.
    fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sources = BTreeMap::new();
        let mut tests = Vec::new();
        for (file, text) in files {
            let path = file.strip_prefix("src/").unwrap_or(file);
            let module = path.strip_suffix(".rs").unwrap_or(path);
            let module = module.strip_suffix("/mod").unwrap_or(module);
            let module = if module == "lib" { "" } else { module };
            let (code, of_tests) = without_tests(blank_literals(text));
            tests.extend(of_tests.iter().map(|name| child(module, name)));
            sources.insert(module.to_owned(), Source::new(file, &code));
        }
        for module in tests {
            sources.remove(&module);
        }
        Self(sources)
    }

    /// The files of this crate.
    fn read() -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.join("src")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).expect("a folder of sources");
            for entry in entries {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let name = path.strip_prefix(root).expect("a file of the crate");
                    let name = name.to_string_lossy().replace('\\', "/");
                    let text = std::fs::read_to_string(&path).expect("a source in UTF-8");
                    files.push((name, text));
                }
            }
        }
        files.sort();
        files
    }

    /// The module that defines what `path` means in `module`, and whether the path ends at the
    /// module itself; none if it is not of this crate.
    fn resolve(
        &self,
        module: &str,
        depth: usize,
        path: &[String],
        hops: usize,
    ) -> Option<(String, bool)> {
        let source = self.0.get(module)?;
        let (head, rest) = path.split_first()?;
        if hops == 0 {
            return None;
        }
        match head.as_str() {
            "crate" => self.walk("", rest, hops),
            "self" if depth == 0 => self.walk(module, rest, hops),
            "super" if depth > 0 => {
                // Up to the file from an inline module of it.
                let path = match rest.first().map(String::as_str) {
                    Some("super") => rest.to_vec(),
                    _ => [&["self".to_owned()], rest].concat(),
                };
                self.resolve(module, depth - 1, &path, hops)
            }
            "super" => {
                let above = parent(module)?;
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve(above, 0, rest, hops - 1),
                    _ => self.walk(above, rest, hops),
                }
            }
            _ if self.0.contains_key(&child(module, head)) => self.walk(module, path, hops),
            _ => {
                let bound = source.uses.iter().find(|u| u.name == *head);
                let bound = bound.filter(|u| u.path.first() != Some(head))?;
                let path = [&bound.path, rest].concat();
                self.resolve(module, bound.depth, &path, hops - 1)
            }
        }
    }

    /// [`Self::resolve`] of a path that begins in `module`.
    fn walk(&self, module: &str, path: &[String], hops: usize) -> Option<(String, bool)> {
        let Some((head, rest)) = path.split_first() else {
            return Some((module.to_owned(), true));
        };
        let part = child(module, head);
        if self.0.contains_key(&part) {
            return self.walk(&part, rest, hops);
        }
        let here = Some((module.to_owned(), false));
        let source = self.0.get(module)?;
        let Some(bound) = source.uses.iter().find(|u| u.name == *head) else {
            return here;
        };
        let path = [&bound.path, rest].concat();
        let found = self.resolve(module, bound.depth, &path, hops.saturating_sub(1));
        found.or(here)
    }

    /// All uses of a file by another. Programs are left out: they may use any floor.
    fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (module, source) in &self.0 {
            if floor(module) == Some(FLOORS.len() - 1) {
                continue;
            }
            let mut add = |line: usize, depth: usize, path: &[String], public: bool| {
                let glob = path.last().is_some_and(|last| last == "*");
                let path = &path[..path.len() - usize::from(glob)];
                let Some((to, module_only)) = self.resolve(module, depth, path, 20) else {
                    return;
                };
                if to != *module {
                    edges.push(Edge {
                        from: module.clone(),
                        line,
                        own_part: public && is_within(&to, module),
                        to,
                        module_only: module_only && !glob,
                    });
                }
            };
            for u in &source.uses {
                add(u.line, u.depth, &u.path, u.public);
            }
            for (line, path, depth) in &source.paths {
                add(*line, *depth, path, false);
            }
        }
        edges
    }

    fn place(&self, edge: &Edge) -> String {
        format!("{}:{}", self.0[&edge.from].file, edge.line)
    }

    /// The faults, one in each line.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (module, source) in &self.0 {
            if floor(module).is_none() {
                faults.push(format!("{}: no floor lists it", source.file));
            }
        }
        let edges = self.edges();
        for edge in &edges {
            if let (Some(from), Some(to)) = (floor(&edge.from), floor(&edge.to))
                && to > from
            {
                let file = &self.0[&edge.to].file;
                let place = self.place(edge);
                faults.push(format!("{place} (floor {from}) uses {file} (floor {to})"));
            }
        }
        let uses = edges.iter().filter(|e| !e.module_only && !e.own_part);
        let modules = self.0.keys().map(String::as_str).collect();
        for edges in loops(&modules, &uses.collect::<Vec<_>>()) {
            let places: Vec<_> = edges.iter().map(|edge| self.place(edge)).collect();
            let first = &self.0[&edges[0].from].file;
            faults.push(format!("a loop: {} → {first}", places.join(" → ")));
        }
        faults.sort();
        faults.dedup();
        faults
    }
}

/// Whether a module is a part of `folder`, directly or deeper.
fn is_within(module: &str, folder: &str) -> bool {
    folder.is_empty()
        || module
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The shortest path from `from` to `to` within `modules`, over at least one edge.
fn shortest_path<'a>(
    from: &str,
    to: &str,
    modules: &BTreeSet<&str>,
    edges: &BTreeMap<&str, Vec<&'a Edge>>,
) -> Option<Vec<&'a Edge>> {
    let mut came: BTreeMap<&str, &Edge> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        for &edge in edges.get(at).into_iter().flatten() {
            let next = edge.to.as_str();
            if !modules.contains(next) || came.contains_key(next) {
                continue;
            }
            came.insert(next, edge);
            if next == to {
                let mut path = vec![edge];
                while path[0].from != from {
                    path.insert(0, came[path[0].from.as_str()]);
                }
                return Some(path);
            }
            queue.push_back(next);
        }
    }
    None
}

/// Whether a loop is one of a folder's face and its parts.
fn is_of_a_face(edges: &[&Edge]) -> bool {
    let files: BTreeSet<&str> = edges.iter().map(|edge| &*edge.from).collect();
    // The face comes before its parts.
    let first = files.first().copied().unwrap_or_default();
    !first.is_empty() && files.iter().skip(1).all(|part| is_within(part, first))
}

/// Loops of files that use each other, none of which shares an edge with another. A folder's face
/// may use its parts, and they may use it, so a loop counts only if it remains without the face of
/// the folder that holds all of it.
fn loops<'a>(modules: &BTreeSet<&str>, edges: &[&'a Edge]) -> Vec<Vec<&'a Edge>> {
    let mut by_file: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        by_file.entry(&edge.from).or_default().push(edge);
    }
    let path = |from: &str, to: &str| shortest_path(from, to, modules, &by_file);
    let mut found = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for &module in modules {
        if seen.contains(module) || path(module, module).is_none() {
            continue;
        }
        let mutual =
            |&&other: &&&str| path(module, other).is_some() && path(other, module).is_some();
        let mut set: BTreeSet<&str> = modules.iter().filter(mutual).copied().collect();
        seen.extend(&set);
        // The face of a folder comes before its parts.
        let first = set.first().copied().unwrap_or_default();
        let mut others = set.iter().skip(1);
        if !first.is_empty() && others.all(|other| is_within(other, first)) {
            set.remove(first);
            found.extend(loops(&set, edges));
        } else {
            let inside = |edge: &&&Edge| set.contains(&*edge.from) && set.contains(&*edge.to);
            let through = |&edge: &&'a Edge| {
                let back = path(&edge.to, &edge.from)?;
                Some([vec![edge], back].concat())
            };
            let mut all: Vec<_> = edges.iter().filter(inside).filter_map(through).collect();
            all.retain(|edges| !is_of_a_face(edges));
            all.sort_by_key(Vec::len);
            let mut used = BTreeSet::new();
            for own in all {
                let pairs: Vec<_> = own.iter().map(|e| (&*e.from, &*e.to)).collect();
                if !pairs.iter().any(|pair| used.contains(pair)) {
                    used.extend(pairs);
                    found.push(own);
                }
            }
            let is_left = |edge: &&Edge| !used.contains(&(&*edge.from, &*edge.to));
            let left: Vec<_> = edges.iter().copied().filter(is_left).collect();
            found.extend(loops(&set, &left));
        }
    }
    found
}

#[test]
fn every_file_uses_lower_floors_and_no_file_is_in_a_loop() {
    let files = Tree::read();
    let tree = Tree::new(files.iter().map(|(file, text)| (&**file, &**text)));
    assert!(tree.0.len() > 100, "{} files", tree.0.len());
    assert!(tree.edges().len() > 500, "{} uses", tree.edges().len());
    let faults = tree.faults();
    assert!(
        faults.is_empty(),
        "{} faults; move the code to the floor that needs it, or a name that both need below both:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Faults of a crate of these files, beside those that define what they use.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let rest = [
        ("src/lib.rs", "pub mod math;"),
        ("src/rng.rs", "pub fn train() {}"),
        (
            "src/train/mod.rs",
            "mod events;\npub use events::Event;\npub fn train() {}",
        ),
        ("src/train/events.rs", "pub struct Event;"),
    ];
    Tree::new(rest.iter().chain(files).copied()).faults()
}

#[test]
fn an_upward_use_is_found_in_each_form() {
    for (line, text) in [
        (1, "use crate::train::train;"),
        (1, "use crate::train;"),
        (1, "pub use crate::train::*;"),
        (2, "\npub(crate) use crate::train::train as other;"),
        (1, "use crate::{rng::train as other, train::{self, train}};"),
        (1, "use crate::{\n    rng,\n    train::train,\n};"),
        (
            3,
            "fn f() {\n    // A comment.\n    crate::train::train();\n}",
        ),
        (1, "fn f() { super::train::train() }"),
        (1, "mod inner { fn f() { super::super::train::train() } }"),
        (1, "macro_rules! m { () => { $crate::train::train() } }"),
        (
            2,
            "/* a /* nested */ comment \" */ const Q: char = '\"';\nuse crate::train::train;",
        ),
        (
            2,
            "const A: &str = r#\"a \" b\"#;\nuse crate::train::train;",
        ),
        (
            1,
            "fn f<'a>(x: &'a str) -> &'a str { crate::train::train(); x }",
        ),
        (
            3,
            "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::train::train;",
        ),
    ] {
        let found = faults(&[("src/math.rs", text)]);
        let expected = format!("src/math.rs:{line} (floor 0) uses src/train/mod.rs (floor 4)");
        assert_eq!(found, [expected], "{text}");
    }
    // By a name that a folder re-exports.
    let found = faults(&[("src/math.rs", "use crate::train::Event;")]);
    let expected = "src/math.rs:1 (floor 0) uses src/train/events.rs (floor 4)";
    assert_eq!(found, [expected]);
}

#[test]
fn what_is_no_upward_use_is_not_found() {
    for text in [
        "//! [`crate::train`]\n/// See [`train`](crate::train::train).\nfn f() {}",
        "const A: &str = \"use crate::train::train;\";",
        "const A: &str = \"\\\"use crate::train::train;\";",
        "const A: &[u8] = br#\"crate::train::train\"#;",
        "#[cfg(test)]\nmod tests { use crate::train::train; fn f() { train() } }",
        "#[cfg(test)]\nmod tests;",
        "use std::train::train;\nfn f() { other::train::train() }",
        "fn f() -> impl Iterator<Item = u8> + use<> { crate::rng::train() }",
    ] {
        let found = faults(&[("src/math.rs", text)]);
        assert_eq!(found, [""; 0], "{text}");
    }
    let tests = "use crate::train::train;";
    let own = "#[cfg(test)]\nmod tests;";
    let found = faults(&[("src/math.rs", own), ("src/math/tests.rs", tests)]);
    assert_eq!(found, [""; 0]);
    // Down, and to a program's own modules.
    let found = faults(&[
        ("src/math.rs", "pub fn f() {}"),
        (
            "src/cli/mod.rs",
            "use crate::math::f;\nuse crate::train::{Event, train};",
        ),
        (
            "src/bin/bregman.rs",
            "use bregman::cli;\nuse crate::train::nothing;",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_file_without_a_floor_is_found() {
    let found = faults(&[("src/utils.rs", ""), ("src/mathematics.rs", "")]);
    let expected =
        ["src/mathematics.rs", "src/utils.rs"].map(|f| format!("{f}: no floor lists it"));
    assert_eq!(found, expected);
}

#[test]
fn a_loop_is_found() {
    // Of two files and of three.
    let found = faults(&[
        ("src/math.rs", "pub fn m() {}\n\nuse crate::rng::r;"),
        ("src/rng.rs", "use crate::math::m;\npub fn r() {}"),
    ]);
    assert_eq!(
        found,
        ["a loop: src/math.rs:3 → src/rng.rs:1 → src/math.rs"]
    );
    let found = faults(&[
        ("src/error/mod.rs", "pub fn e() { crate::math::m() }"),
        ("src/math.rs", "use crate::rng;\npub fn m() { rng::r() }"),
        ("src/rng.rs", "use crate::error::e;\npub fn r() {}"),
    ]);
    assert_eq!(
        found,
        ["a loop: src/error/mod.rs:1 → src/math.rs:2 → src/rng.rs:1 → src/error/mod.rs"]
    );
    // Of two parts of a folder, through what its face re-exports.
    let face = "mod plan;\nmod op;\npub use op::Op;\npub use plan::Plan;";
    let found = faults(&[
        ("src/gpu/mod.rs", face),
        ("src/gpu/op.rs", "use super::Plan;\npub struct Op;"),
        ("src/gpu/plan.rs", "use crate::gpu::Op;\npub struct Plan;"),
    ]);
    assert_eq!(
        found,
        ["a loop: src/gpu/op.rs:1 → src/gpu/plan.rs:1 → src/gpu/op.rs"]
    );
    // Of two folders, which closes in neither alone.
    let found = faults(&[
        ("src/cpu/mod.rs", "mod team;\npub fn c() { team::t() }"),
        ("src/cpu/team.rs", "use crate::gpu::Op;\npub fn t() {}"),
        ("src/gpu/mod.rs", "mod op;\npub use op::Op;"),
        ("src/gpu/op.rs", "use crate::cpu::c;\npub struct Op;"),
    ]);
    let expected =
        "a loop: src/cpu/mod.rs:2 → src/cpu/team.rs:1 → src/gpu/op.rs:1 → src/cpu/mod.rs";
    assert_eq!(found, [expected]);
}

#[test]
fn a_face_and_its_parts_may_use_each_other() {
    let found = faults(&[
        (
            "src/gpu/mod.rs",
            "mod op;\nmod plan;\npub use plan::Plan;\nfn f() { op::g() }\npub struct Gpu;",
        ),
        ("src/gpu/op.rs", "use super::{Gpu, Plan};\npub fn g() {}"),
        ("src/gpu/plan.rs", "use super::Gpu;\npub struct Plan;"),
    ]);
    assert_eq!(found, [""; 0]);
    // A module that is imported for one of its parts is no use of all of it.
    let found = faults(&[
        ("src/gpu/mod.rs", "pub mod op;\npub mod plan;\nuse plan::p;"),
        ("src/gpu/op.rs", "pub fn g() {}"),
        (
            "src/gpu/plan.rs",
            "use crate::gpu;\npub fn p() { gpu::op::g() }",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

/// The real files with one fault planted: it alone is added to what the test finds.
#[test]
fn a_fault_planted_in_the_real_tree_is_found() {
    let found = |planted: &[(&str, &str)]| -> BTreeSet<String> {
        let mut files = Tree::read();
        for (file, text) in planted {
            let own = files.iter_mut().find(|(name, _)| name == file);
            own.expect("a file of the crate").1 += text;
        }
        let tree = Tree::new(files.iter().map(|(file, text)| (&**file, &**text)));
        tree.faults().into_iter().collect()
    };
    let before = found(&[]);
    for (planted, expected) in [
        (
            &[("src/math.rs", "use crate::gpu::Gpu;\n")][..],
            "src/math.rs",
        ),
        (
            &[
                ("src/math.rs", "use crate::rng::Stream;\n"),
                ("src/rng.rs", "fn f() { crate::math::tanh_f32(0.0); }\n"),
            ],
            "a loop: src/math.rs",
        ),
    ] {
        let after = found(planted);
        let new: Vec<_> = after.difference(&before).collect();
        assert!(
            new.iter().any(|fault| fault.starts_with(expected)),
            "{new:?}"
        );
    }
}

//! Labels: superscripts, subscripts and variables, set in the embedded font.
//!
//! A label is plain text. Superscript and subscript characters (`10⁻³`, `z⁽ˡ⁾`, `h₂`) are set as
//! smaller letters of the same font, moved up or down. A part between two `$` is a formula: words of
//! one or two letters are variables and are set in italics, longer ones are names (lim, max), `^` and
//! `_` raise and lower the next character or the next group in braces.

use std::fmt::Write;
use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// Superscript characters and the letters that are set for them.
const SUPERSCRIPTS: [(char, char); 19] = [
    ('⁰', '0'),
    ('¹', '1'),
    ('²', '2'),
    ('³', '3'),
    ('⁴', '4'),
    ('⁵', '5'),
    ('⁶', '6'),
    ('⁷', '7'),
    ('⁸', '8'),
    ('⁹', '9'),
    ('⁺', '+'),
    ('⁻', '−'),
    ('⁼', '='),
    ('⁽', '('),
    ('⁾', ')'),
    ('ˡ', 'l'),
    ('ⁿ', 'n'),
    ('ᵏ', 'k'),
    ('ᵀ', 'T'),
];

/// Size of a superscript or subscript, as a share of the letters beside it.
const SCRIPT_SIZE: f64 = 0.7;

/// Whether text is on the line, above or below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Base,
    Super,
    Sub,
}

impl Script {
    /// Distance below the line, as a share of the size of letters on the line.
    fn drop(self) -> f64 {
        match self {
            Self::Base => 0.0,
            Self::Super => -0.38,
            Self::Sub => 0.18,
        }
    }

    fn size(self) -> f64 {
        match self {
            Self::Base => 1.0,
            Self::Super | Self::Sub => SCRIPT_SIZE,
        }
    }
}

/// A part of a label in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    text: String,
    script: Script,
    italic: bool,
}

/// A character with its place and whether it belongs to a formula.
type Placed = (char, Script, bool);

/// Whether `$` are the ends of formulas: an odd one out stands for itself.
fn has_formulas(label: &str) -> bool {
    label.matches('$').count().is_multiple_of(2)
}

/// The characters of `label`, without `$`, `^`, `_` and braces of formulas.
fn placed(label: &str) -> Vec<Placed> {
    let has_formulas = has_formulas(label);
    let mut formula = false;
    let mut shifted: Option<Script> = None;
    let mut group = false;
    let mut all = Vec::new();
    for c in label.chars() {
        match c {
            '$' if has_formulas => formula = !formula,
            '^' if formula => shifted = Some(Script::Super),
            '_' if formula => shifted = Some(Script::Sub),
            '{' if formula && shifted.is_some() => group = true,
            '}' if formula && group => (group, shifted) = (false, None),
            _ => {
                let c = if formula && c == '-' { '−' } else { c };
                let raised = SUPERSCRIPTS.iter().find(|(unicode, _)| *unicode == c);
                all.push(match (shifted, raised, c) {
                    (Some(script), ..) => (c, script, formula),
                    (None, Some(&(_, plain)), _) => (plain, Script::Super, formula),
                    (None, None, '₀'..='₉') => {
                        let digit = char::from(b'0' + (u32::from(c) - u32::from('₀')) as u8);
                        (digit, Script::Sub, formula)
                    }
                    _ => (c, Script::Base, formula),
                });
                if !group {
                    shifted = None;
                }
            }
        }
    }
    all
}

fn is_letter(&(c, _, formula): &Placed) -> bool {
    formula && (c.is_ascii_alphabetic() || ('α'..='ω').contains(&c))
}

/// `label` in parts of one style each. Bold text has no italics.
fn runs(label: &str, bold: bool) -> Vec<Run> {
    let all = placed(label);
    let mut runs: Vec<Run> = Vec::new();
    let words = all.chunk_by(|a, b| a.1 == b.1 && is_letter(a) == is_letter(b));
    for word in words {
        let (_, script, _) = word[0];
        let italic = !bold && is_letter(&word[0]) && word.len() <= 2;
        let text = word.iter().map(|&(c, ..)| c);
        match runs.last_mut() {
            Some(last) if last.script == script && last.italic == italic => last.text.extend(text),
            _ => runs.push(Run {
                text: text.collect(),
                script,
                italic,
            }),
        }
    }
    runs
}

/// `label` as one line of plain text, such as the title of a document.
pub(super) fn plain(label: &str) -> String {
    label.replace(['$', '{', '}'], "")
}

/// A coordinate to a hundredth of a pixel.
pub(super) fn number(value: f64) -> String {
    let rounded = (100.0 * value).round() / 100.0;
    // Adding 0 makes −0 a 0.
    format!("{}", rounded + 0.0)
}

/// `label` as the content of an SVG `text` element of `size` pixels.
pub(super) fn tspans(label: &str, size: f64, bold: bool) -> String {
    let mut svg = String::new();
    let mut level = 0.0;
    for run in runs(label, bold) {
        let text = escaped(&run.text);
        let own = run.script.drop() * size;
        let mut style = String::new();
        if own != level {
            write!(style, " dy=\"{}\"", number(own - level)).expect("memory");
            level = own;
        }
        if run.script != Script::Base {
            let small = number(SCRIPT_SIZE * size);
            write!(style, " font-size=\"{small}\"").expect("memory");
        }
        if run.italic {
            style += " font-style=\"italic\"";
        }
        if style.is_empty() {
            svg += &text;
        } else {
            write!(svg, "<tspan{style}>{text}</tspan>").expect("memory");
        }
    }
    svg
}

/// `text` for XML; characters that XML forbids become U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\t' | '\n' | '\r' => safe.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(c),
        }
    }
    safe
}

/// The fonts that travel with the program: regular, bold, oblique.
pub(super) fn fonts() -> [&'static [u8]; 3] {
    [
        dejavu::sans::regular(),
        dejavu::sans::bold(),
        dejavu::sans::oblique(),
    ]
}

static FACES: LazyLock<[FontRef<'static>; 3]> =
    LazyLock::new(|| fonts().map(|font| FontRef::new(font).expect("the embedded fonts are fonts")));

fn face(bold: bool, italic: bool) -> &'static FontRef<'static> {
    &FACES[if bold {
        1
    } else if italic {
        2
    } else {
        0
    }]
}

/// Width of `label` in pixels, at `size` pixels an em.
pub(super) fn width(label: &str, size: f64, bold: bool) -> f64 {
    let of_run = |run: &Run| {
        let face = face(bold, run.italic);
        let size = (size * run.script.size()) as f32;
        let (glyphs, metrics) = (
            face.charmap(),
            face.glyph_metrics(Size::new(size), LocationRef::default()),
        );
        let advance = |c| metrics.advance_width(glyphs.map(c).unwrap_or_default());
        let widths = run.text.chars().map(|c| advance(c).unwrap_or(0.0));
        f64::from(widths.sum::<f32>())
    };
    runs(label, bold).iter().map(of_run).sum()
}

/// `text` in lines of at most `most` pixels, broken at spaces outside of formulas. A word that is
/// longer has a line to itself.
pub(super) fn wrapped(text: &str, size: f64, bold: bool, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (has_formulas, mut formula) = (has_formulas(text), false);
    let words = text.split(|c: char| {
        formula ^= has_formulas && c == '$';
        c.is_whitespace() && !formula
    });
    for word in words.filter(|word| !word.is_empty()) {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line} {word}");
            if width(&longer, size, bold) <= most {
                *line = longer;
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

/// The characters of `label` that the font it is set in does not have.
#[cfg(test)]
pub(super) fn missing_glyphs(label: &str, bold: bool) -> Vec<char> {
    let without = |run: Run| {
        let glyphs = face(bold, run.italic).charmap();
        let missing = run.text.chars().filter(|&c| glyphs.map(c).is_none());
        missing.collect::<Vec<_>>()
    };
    runs(label, bold).into_iter().flat_map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles(label: &str) -> Vec<(String, Script, bool)> {
        let all = runs(label, false).into_iter();
        all.map(|run| (run.text, run.script, run.italic)).collect()
    }

    #[test]
    fn formulas_have_variables_names_and_scripts() {
        let expected = [
            ("mean ‖", Script::Base, false),
            ("z", Script::Base, true),
            ("(", Script::Super, false),
            ("l", Script::Super, true),
            ("+1)", Script::Super, false),
            (" − ", Script::Base, false),
            ("λ", Script::Base, true),
            ("max", Script::Sub, false),
        ];
        let expected = expected.map(|(text, script, italic)| (text.to_owned(), script, italic));
        assert_eq!(styles("mean $‖z⁽ˡ⁺¹⁾ - λ_{max}$"), expected);
    }

    #[test]
    fn text_without_formulas_is_left_as_it_is() {
        let base = |text: &str| vec![(text.to_owned(), Script::Base, false)];
        assert_eq!(styles("costs 5 $ a_b {c}^d"), base("costs 5 $ a_b {c}^d"));
        let power = [("10", Script::Base), ("−3", Script::Super)];
        let power = power.map(|(text, script)| (text.to_owned(), script, false));
        assert_eq!(styles("10⁻³"), power);
    }

    #[test]
    fn scripts_come_back_to_the_line() {
        assert_eq!(
            tspans("x² + 1", 10.0, false),
            "x<tspan dy=\"-3.8\" font-size=\"7\">2</tspan><tspan dy=\"3.8\"> + 1</tspan>"
        );
        assert_eq!(tspans("a<b & \u{7}", 10.0, false), "a&lt;b &amp; \u{fffd}");
    }

    #[test]
    fn lines_are_filled_and_keep_formulas_whole() {
        let text = "the layers $z + W z + b$ of a network";
        let most = width("the layers", 12.0, false);
        let lines = wrapped(text, 12.0, false, most);
        assert_eq!(lines, ["the layers", "$z + W z + b$", "of a", "network"]);
        assert!(width("mm", 12.0, false) > 3.0 * width("i", 12.0, false));
        assert!(width("mm", 12.0, true) > width("mm", 12.0, false));
    }
}

//! The paper's theory: the verdicts on its propositions, as a table and as JSON, and its figures.
//! The claims are checked in [`crate::bilevel::propositions`].

use std::path::{Path, PathBuf};
use std::{fs, io};

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::write_json;
use crate::activation::Activation;
use crate::bilevel::limit::Tied;
use crate::bilevel::propositions::Row;
use crate::bilevel::prox::Potential;
use crate::bilevel::sampler::Sampler;
use crate::bilevel::{Geometry, Majorant, Minimization, Problem, Quadratic};
use crate::error::{Error, Result};
use crate::kind::LayerKind;
use crate::plot::{Axis, Corner, Figure, Marks, PALETTE, Panel, Series, layer_color};

/// The file of the verdicts in `folder`.
pub fn verdicts_file(folder: &Path) -> PathBuf {
    folder.join("bilevel.json")
}

/// What the verdicts depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The seed of the samples.
    pub seed: u64,
    /// The number of random problems for each claim.
    pub problems: u32,
}

/// The verdicts in their file.
#[derive(Serialize)]
struct Verdicts<'a> {
    #[serde(flatten)]
    settings: Settings,
    verdicts: &'a [Row],
}

/// Writes the verdicts into `folder`; returns the file.
///
/// # Errors
/// [`Error::Io`].
pub fn write_verdicts(folder: &Path, settings: Settings, verdicts: &[Row]) -> Result<PathBuf> {
    let all = Verdicts { settings, verdicts };
    write_json(&verdicts_file(folder), &all)
}

/// Checks that the verdicts in `folder`, if there are any, are not those of other settings.
///
/// # Errors
/// [`Error::Occupied`] if they are; [`Error::Io`].
pub fn check_vacant(folder: &Path, settings: Settings) -> Result<()> {
    let path = verdicts_file(folder);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(Error::io("read", &path))?,
    };
    let difference = match serde_json::from_str::<Settings>(&text) {
        Ok(found) if found == settings => return Ok(()),
        Ok(found) if found.seed != settings.seed => {
            format!("`seed` is {} there and {} here", found.seed, settings.seed)
        }
        Ok(found) => format!(
            "`problems` is {} there and {} here",
            found.problems, settings.problems
        ),
        Err(_) => "it does not say with which settings they were found".to_owned(),
    };
    Err(Error::Occupied { path, difference })
}

/// The verdict of a check on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, or fails, as it should.
    Expected,
    /// It should hold and fails, or should fail and holds.
    Unexpected,
    /// It should fail, and too few samples were drawn to find a counterexample.
    Open,
}

/// The verdict on a claim; `enough` states whether there were enough samples to find a counterexample.
pub fn verdict(row: &Row, enough: bool) -> Verdict {
    match (row.holds, row.expected) {
        (true, false) if !enough => Verdict::Open,
        (holds, expected) if holds == expected => Verdict::Expected,
        _ => Verdict::Unexpected,
    }
}

/// The verdicts as a table; `enough` is that of [`verdict`].
pub fn table(rows: &[Row], enough: bool) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = format!(
        "{:width$} {:>7} {:>8} {:>8}  {:7} what was measured\n",
        "claim", "samples", "worst", "bound", "verdict"
    );
    for row in rows {
        let verdict = match (verdict(row, enough), row.holds) {
            (Verdict::Expected, true) => "holds",
            (Verdict::Expected, false) => "fails",
            (Verdict::Unexpected, true) => "HOLDS",
            (Verdict::Unexpected, false) => "FAILS",
            (Verdict::Open, _) => "open",
        };
        text += &format!(
            "{:width$} {:7} {:8.1e} {:8.1e}  {verdict:7} {}\n",
            row.name, row.samples, row.worst, row.bound, row.sampled
        );
    }
    text += "\nholds, fails: as expected; HOLDS, FAILS: not as expected";
    text += match enough {
        true => ".\n",
        false => "; open: too few problems for a counterexample.\n",
    };
    text
}

/// Every figure, with the name of its files.
pub fn figures() -> [(&'static str, Figure); 3] {
    [
        ("figure-1", figure_1()),
        ("figure-2", figure_2()),
        ("forgotten-input", forgotten_input()),
    ]
}

/// Q of one variable, with A = `a` and f(z) = ½hz² + dz.
fn scalar(a: f64, h: f64, d: f64) -> Quadratic {
    let matrix = |x| DMatrix::from_element(1, 1, x);
    Quadratic {
        a: matrix(a),
        c: matrix(h - a),
        d: DVector::from_element(1, d),
    }
}

fn axis(label: &str, range: Option<[f64; 2]>) -> Axis {
    Axis {
        label: label.to_owned(),
        log: false,
        range,
    }
}

fn series(name: &str, color: [u8; 3], marks: Marks, points: Vec<[f64; 2]>) -> Series {
    Series {
        name: name.to_owned(),
        color,
        marks,
        points,
        envelope: vec![],
    }
}

fn grid([low, high]: [f64; 2], parts: u32) -> impl Iterator<Item = f64> {
    (0..=parts).map(move |i| low + (high - low) * f64::from(i) / f64::from(parts))
}

/// min −½(z − ½)² over [0, 1]: the critical points are 0, ½ and 1, and the limit of MM depends on
/// its start.
fn figure_1() -> Figure {
    const LAYERS: usize = 40;
    let quadratic = scalar(1.0, -1.0, 0.5);
    let problem = Problem {
        smooth: quadratic.tangent(),
        potential: Potential::Indicator([0.0, 1.0]),
        scale: 1.0,
    };
    // f lacks the constant that makes it a square.
    let at = |z: f64| problem.objective(&DVector::from_element(1, z)) - 0.125;
    let kinds = [
        ("Euclidean", LayerKind::Euclidean, Geometry::Euclidean, 0.5),
        (
            "Bregman, sigmoid",
            LayerKind::Bregman,
            Geometry::Bregman(&Activation::SIGMOID),
            0.5,
        ),
    ];
    let path = |geometry, tau, start: f64, layers: usize| {
        let majorant = Majorant {
            quadratic: quadratic.clone(),
            geometry,
            tau,
        };
        let start = DVector::from_element(1, start);
        let mut steps = Minimization::new(&problem, &majorant, start);
        let mut path = vec![steps.point()[0]];
        while path.len() <= layers {
            steps.next();
            path.push(steps.point()[0]);
        }
        path
    };
    let mut objective = Panel {
        title: "$f + g$, and the steps from $z⁽⁰⁾ = 0.6$".to_owned(),
        x: axis("$z$", None),
        y: axis("$f + g$", Some([-0.145, 0.115])),
        legend: Corner::TopLeft,
        series: vec![
            series(
                "$f + g$",
                PALETTE[6],
                Marks::Line,
                grid([0.0, 1.0], 200).map(|z| [z, at(z)]).collect(),
            ),
            series(
                "$crit(f + g)$",
                PALETTE[6],
                Marks::Rings,
                [0.0, 0.5, 1.0].map(|z| [z, at(z)]).to_vec(),
            ),
        ],
        ..Panel::default()
    };
    let mut paths = Panel {
        title: "$z⁽ˡ⁾$ by layer".to_owned(),
        x: axis("layer $l$", None),
        y: axis("$z⁽ˡ⁾$", None),
        legend: Corner::Nowhere,
        ..Panel::default()
    };
    let mut limits = Panel {
        title: "The limit of each start".to_owned(),
        x: axis("$z⁽⁰⁾$", None),
        y: axis("lim $z⁽ˡ⁾$", None),
        legend: Corner::Nowhere,
        ..Panel::default()
    };
    // The two agree: the rings of one are drawn around the dots of the other.
    for ((name, kind, geometry, tau), marks) in kinds.into_iter().zip([Marks::Rings, Marks::Dots]) {
        let color = layer_color(kind);
        // The steps are drawn a little above and below the curve, so that both can be seen.
        let lift = if marks == Marks::Rings { 0.004 } else { -0.004 };
        let steps = path(geometry, tau, 0.6, LAYERS);
        let steps = steps.into_iter().map(|z| [z, at(z) + lift]).collect();
        objective.series.push(series(name, color, marks, steps));
        for start in [0.02, 0.2, 0.4, 0.48, 0.5, 0.52, 0.6, 0.8, 0.98] {
            let points = path(geometry, tau, start, LAYERS);
            let points = (0u32..)
                .zip(points)
                .map(|(l, z)| [f64::from(l), z])
                .collect();
            paths.series.push(series(name, color, Marks::Line, points));
        }
        let ends = grid([0.02, 0.98], 48).map(|start| {
            let path = path(geometry, tau, start, 2_000);
            [start, path[path.len() - 1]]
        });
        limits
            .series
            .push(series(name, color, marks, ends.collect()));
    }
    Figure {
        title: "Figure 1: minimise $−½(z − ½)²$ over [0, 1]".to_owned(),
        caption:
            "$crit(f + g)$ = {0, ½, 1}. A start below ½ ends at 0, above at 1, and ½ stays: the \
                  representation $h(x)$ depends on $x$ only through its basin. $τ = 0.5$; limits after \
                  2,000 layers. Left, the steps are drawn a little above and below the curve, to be \
                  distinguished."
                .to_owned(),
        panels: vec![objective, paths, limits],
        columns: 3,
    }
}

/// The two majorants of one f at one point, for two ranges.
fn figure_2() -> Figure {
    let panel = |activation: &'static Activation, [v, d]: [f64; 2], y: [f64; 2], legend| {
        let quadratic = scalar(1.0, -1.0, d);
        let f = quadratic.tangent();
        let point = |z: f64| DVector::from_element(1, z);
        let [low, high] = activation.range;
        let curve = |f: &dyn Fn(f64) -> f64| -> Vec<[f64; 2]> {
            grid([low, high], 400).map(|z| [z, f(z)]).collect()
        };
        let mut panel = Panel {
            title: format!("{}: $σ = {}$, $v = {v}$", activation.name, activation.sigma),
            x: axis("$z$", Some([low, high])),
            y: axis("$f(z)$ and $F(z; v)$", Some(y)),
            series: vec![series(
                "$f$",
                PALETTE[6],
                Marks::Line,
                curve(&|z| f.value(&point(z))),
            )],
            legend,
            ..Panel::default()
        };
        let majorants = [
            (
                "Euclidean $F(·; v)$",
                LayerKind::Euclidean,
                Geometry::Euclidean,
            ),
            (
                "Bregman $F(·; v)$",
                LayerKind::Bregman,
                Geometry::Bregman(activation),
            ),
        ];
        let mut minima = Vec::new();
        for (name, kind, geometry) in majorants {
            let majorant = Majorant {
                tau: geometry.sigma(),
                quadratic: quadratic.clone(),
                geometry,
            };
            let color = layer_color(kind);
            let value = |z: f64| majorant.value(&point(z), &point(v));
            panel
                .series
                .push(series(name, color, Marks::Line, curve(&value)));
            let problem = Problem {
                smooth: f.clone(),
                potential: Potential::Indicator(activation.range),
                scale: 1.0,
            };
            let mut steps = Minimization::new(&problem, &majorant, point(v));
            steps.next();
            let next = steps.point()[0];
            minima.push([next, value(next)]);
        }
        panel
            .series
            .push(series("their minimisers", PALETTE[4], Marks::Dots, minima));
        panel.series.push(series(
            "touching at $v$",
            PALETTE[6],
            Marks::Rings,
            vec![[v, f.value(&point(v))]],
        ));
        panel
    };
    Figure {
        title: "Figure 2: majorants of $f(z) = −½z² + dz$ at a point".to_owned(),
        caption:
            "$F(·; v)$ of eqs. 7 and 13 with $A = 1$ and the largest $τ$ that majorises, $σ / λ_{max}(A)$; \
                  dots: their minimisers over the range, the next layer's $z$. The Bregman majorant \
                  rises without bound in its slope at the ends of the range, and so keeps $z$ inside."
                .to_owned(),
        panels: vec![
            panel(&Activation::TANH, [0.4, 0.1], [-0.8, 1.9], Corner::TopRight),
            panel(&Activation::SIGMOID, [0.3, 0.5], [-0.05, 0.6], Corner::TopLeft),
        ],
        columns: 2,
    }
}

/// The literal limit of Problem 2.1: the output of tied layers without input does not depend on the start.
fn forgotten_input() -> Figure {
    const LAYERS: usize = 400;
    let mut sampler = Sampler::new(0, 0);
    let networks = [
        ("$W$ negative definite", [-1.0, -0.1]),
        ("$W$ indefinite", [-0.5, 0.3]),
    ];
    let starts: Vec<_> = (0..24)
        .map(|_| sampler.point(&Activation::TANH, 2, 2.0))
        .collect();
    let mut panels = Vec::new();
    let mut gradients = Panel {
        title: "How much of $x$ is left".to_owned(),
        x: axis("layer $l$", None),
        y: Axis {
            label: "mean $‖dz⁽ˡ⁾/dx‖$".to_owned(),
            log: true,
            range: Some([1e-16, 1e2]),
        },
        ..Panel::default()
    };
    for (i, (name, [low, high])) in networks.into_iter().enumerate() {
        let network = Tied {
            activation: &Activation::TANH,
            weight: sampler.symmetric(2, low, high),
            bias: sampler.vector(2, -0.1, 0.1),
        };
        let mut panel = Panel {
            title: format!("{name}: from 24 inputs (rings) to the limit"),
            x: axis("$z₁$", Some([-1.05, 1.05])),
            y: axis("$z₂$", Some([-1.05, 1.05])),
            legend: Corner::Nowhere,
            ..Panel::default()
        };
        let mut left = vec![0.0; LAYERS + 1];
        for x in &starts {
            let path: Vec<_> = network.layers(x).take(LAYERS + 1).collect();
            let points = path.iter().map(|z| [z[0], z[1]]).collect();
            panel
                .series
                .push(series("", PALETTE[5], Marks::Line, points));
            panel
                .series
                .push(series("", PALETTE[0], Marks::Rings, vec![[x[0], x[1]]]));
            let end = &path[LAYERS];
            panel
                .series
                .push(series("", PALETTE[3], Marks::Dots, vec![[end[0], end[1]]]));
            for (norm, sum) in network.input_gradients(x).zip(&mut left) {
                *sum += norm / starts.len() as f64;
            }
        }
        panels.push(panel);
        let points = (0u32..).zip(left).map(|(l, g)| [f64::from(l), g]).collect();
        gradients
            .series
            .push(series(name, PALETTE[[0, 3][i]], Marks::Line, points));
    }
    panels.push(gradients);
    Figure {
        title: "$L → ∞$ of Problem 2.1 taken literally: the fixed points forget $x$".to_owned(),
        caption:
            "$z ← ρ(ρ⁻¹(z) + Wz + b)$ with tied, symmetric $W$, two tanh units. A fixed point inside \
                  the range solves $Wz + b = 0$, whatever $x$ was; the others have units at the ends of it. Either way \
                  the hypergradient vanishes, and layers below learn nothing."
                .to_owned(),
        panels,
        columns: 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_that_are_not_expected_stand_out() {
        let row = |holds, expected| Row {
            name: format!("claim {holds} {expected}"),
            sampled: "a violation",
            samples: 7,
            worst: 1e-3,
            bound: 1e-2,
            holds,
            expected,
        };
        let rows = [
            row(true, true),
            row(false, false),
            row(true, false),
            row(false, true),
        ];
        // On few samples a claim that should fail may hold.
        for (enough, third, unexpected) in [(true, "HOLDS ", 2), (false, "open ", 1)] {
            let verdicts = rows.iter().map(|row| verdict(row, enough));
            let found = verdicts.filter(|&verdict| verdict == Verdict::Unexpected);
            assert_eq!(found.count(), unexpected);
            let table = table(&rows, enough);
            let words = ["holds ", "fails ", third, "FAILS "];
            for (line, word) in table.lines().skip(1).zip(words) {
                assert!(line.contains(word), "{word}: {line}");
            }
        }
    }
}

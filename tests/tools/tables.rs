//! Networks of tables take raw rows as ONNX and as a PyTorch module, and give what `bregman predict` gives.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bregman::activation::Activation;
use libtest_mimic::Failed;

use super::program;
use super::runs;

/// Rows of numbers of different sizes, some of them missing, a text, and both kinds of targets.
fn table() -> String {
    let mut text = "small,year,colour,constant,big,kind,price\n".to_owned();
    for i in 0..90_u32 {
        let noise = |k: u32| f64::from((i * 7 + k).wrapping_mul(2_654_435_761) >> 8) / 16_777_216.0;
        let small = if i % 13 == 5 {
            "NA".to_owned()
        } else {
            format!("{:.6}", 0.01 * noise(0))
        };
        let (year, colour) = (
            1990.0 + 5.0 * noise(1),
            ["red", "blue", "green"][(i % 3) as usize],
        );
        let (big, kind) = (
            1e5 * (1.0 + noise(2)),
            ["yes", "no"][usize::from(noise(1) > 0.5)],
        );
        let price = 2e4 + 3e3 * noise(1) - 1e3 * noise(2);
        let _ = writeln!(
            text,
            "{small},{year:.4},{colour},3,{big:.1},{kind},{price:.2}"
        );
    }
    text
}

/// Runs `bregman`, which must succeed; returns standard output.
fn bregman(command: &str, args: &[&str]) -> Result<String, Failed> {
    let output = program::command(&format!("bregman {command}"), "")
        .args(args)
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// Networks of both kinds of targets, with each activation and each way from numbers to inputs, and beside
/// each what it predicts, as `predicted.csv` after its name.
fn networks(folder: &Path) -> Result<(PathBuf, Vec<PathBuf>), Failed> {
    let rows = folder.join("table.csv");
    fs::write(&rows, table())?;
    let text = |path: &Path| path.display().to_string();
    let mut paths = Vec::new();
    for (target, other) in [("kind", "price"), ("price", "kind")] {
        for input in ["dual", "range"] {
            for activation in Activation::ALL {
                let name = format!("{target}-{input}-{}.safetensors", activation.name);
                let path = folder.join(name);
                let fixed =
                    "--device cpu --width 7 --hidden-layers 2 --epochs 2 --lr 0.01 --impute mean";
                let own = [
                    "--data",
                    &text(&rows),
                    "--target",
                    target,
                    "--drop",
                    other,
                    "--input",
                    input,
                    "--activation",
                    activation.name,
                    "--save",
                    &text(&path),
                ];
                let args: Vec<&str> = fixed.split(' ').chain(own).collect();
                bregman("train", &args)?;
                let predicted = bregman("predict", &["--load", &text(&path), &text(&rows)])?;
                fs::write(path.with_extension("predicted.csv"), predicted)?;
                bregman("export", &["--load", &text(&path)])?;
                paths.push(path);
            }
        }
    }
    Ok((rows, paths))
}

const COMPARE: &str = "
import csv, json, sys, numpy as np, torch
sys.path.insert(0, sys.argv[1])
import pytorch as bregman
rows = list(csv.DictReader(open(sys.argv[2])))
for path in sys.argv[4:]:
    network, meta = bregman.load(path)
    raw = network.preparation.encode(rows)
    if sys.argv[3] == 'torch':
        with torch.no_grad():
            y = network(raw).numpy()
    else:
        import onnx, onnxruntime
        model = path.replace('.safetensors', '.onnx')
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        about = session.get_modelmeta().custom_metadata_map
        assert json.loads(about['features']) == network.preparation.names
        (y,) = session.run(None, {'features': raw.numpy().astype(np.float32)})
        name = session.get_outputs()[0].name
        assert name == ('values' if network.preparation.kind == 'values' else 'logits'), name
    expected = list(csv.reader(open(path.replace('.safetensors', '.predicted.csv'))))[1:]
    if network.preparation.kind == 'values':
        expected = np.array(expected, np.float64)
        off = np.abs(y - expected).max() / np.abs(expected).max()
    else:
        p = np.exp(y - y.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        off = np.abs(p - np.array([row[1:] for row in expected], np.float64)).max()
        names = network.preparation.target['names']
        margin = np.abs(p[:, 0] - p[:, 1]) > 1e-5
        assert all(names[k] == row[0] for k, row, sure in zip(p.argmax(1), expected, margin) if sure)
    # The slope of arcsin is 707 at 0.999999, the upper end of the inputs, and multiplies the rounding of float32.
    assert off < (2e-4 if 'range-sin' in path else 1e-5), (path, off)
print('ok')
";

fn agrees(tool: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (rows, paths) = networks(folder.path())?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/python/bregman");
    let first = [module, rows, PathBuf::from(tool)];
    let args: Vec<&Path> = first.iter().chain(&paths).map(AsRef::as_ref).collect();
    runs(COMPARE, &args)?;
    Ok(())
}

pub fn onnx_takes_raw_rows() -> Result<(), Failed> {
    agrees("onnx")
}

pub fn pytorch_takes_raw_rows() -> Result<(), Failed> {
    agrees("torch")
}

/// The last command of the page on the user's own data, which asks the exported network.
pub fn the_page_is_served() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("assets/own_data.md"))?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let table = root.join("assets/data/iris.csv").display().to_string();
    let train = page
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("$ bregman train "));
    let train = train.ok_or("no command trains")?;
    let args = train
        .replace("iris.csv", &table)
        .replace("iris.safetensors", &at("iris.safetensors"));
    let args = format!("{args} --device cpu");
    bregman("train", &args.split_whitespace().collect::<Vec<_>>())?;
    bregman("export", &["--load", &at("iris.safetensors")])?;
    let script = page
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let script = script
        .ok_or("no program")?
        .replace("iris.onnx", &at("iris.onnx"));
    let said = runs(&script, &[] as &[&Path])?;
    match page.contains(said.trim()) && !said.trim().is_empty() {
        true => Ok(()),
        false => Err(format!("the page does not say {said}").into()),
    }
}

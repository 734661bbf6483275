//! `bregman export`: writes a trained network as ONNX.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::args::{FREE, RESULT, invalid};
use super::say::say;
use super::{Command, Ended};
use crate::error::Result;
use crate::files::atomic;
use crate::{checkpoint, onnx};

/// Write a trained network as ONNX, with standard operators only and a batch of any size.
///
/// The input `pixels` is float32 (batch, features) within [0, 1], the output `logits` float32
/// (batch, classes). A network for tables or arrays of numbers takes them raw, as `features`, where a column of
/// text is one feature for each of its texts, 1 for the sample's text and 0 for the others; the metadata entry
/// `features` names them in their order. Predicted values are the output `values`, in their own units.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The network: a safetensors file that `bregman train --save` wrote
    #[arg(long, value_name = "FILE", group = RESULT)]
    load: PathBuf,
    /// The ONNX file [default: the network's file with .onnx in place of .safetensors, or
    /// after its whole name]
    #[arg(long, value_name = "FILE", group = FREE)]
    out: Option<PathBuf>,
}

impl Command for Options {
    fn run(self) -> Result<Ended> {
        let checkpoint = checkpoint::load(&self.load)?;
        let out = self.out.unwrap_or_else(|| default_out(&self.load));
        if atomic::same_file(&out, &self.load) {
            let reason = "this is the network's own file; name another";
            return Err(invalid("out", out.display(), reason));
        }
        let path = atomic::write(&out, &onnx::export(&checkpoint)?)?;
        say(format_args!("wrote {}", path.display()));
        Ok(Ended::Whole)
    }
}

/// `x.onnx` for `x.safetensors`; `v1.2.onnx` for `v1.2`, which has no extension but a version.
fn default_out(load: &Path) -> PathBuf {
    if load.extension() == Some("safetensors".as_ref()) {
        return load.with_extension("onnx");
    }
    let mut name = load.as_os_str().to_owned();
    name.push(".onnx");
    name.into()
}

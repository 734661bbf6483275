//! `bregman bench --pack`: one folder that measures an adapter on a machine without cargo or network.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::args::invalid;
use crate::cli::say::say;
use crate::error::{Error, Result};

/// The script that runs what is packed.
const RUN: &str = include_str!("run.sh");

/// The most that a folder may hold, in MB of 2²⁰ bytes.
const MEGABYTES: u64 = 40;

/// The Vulkan loader and what NVIDIA's libGLX_nvidia.so.0 links to, which a bare container may lack.
const LIBRARIES: [&str; 11] = [
    "libvulkan.so.1",
    "libX11.so.6",
    "libXext.so.6",
    "libxcb.so.1",
    "libXau.so.6",
    "libXdmcp.so.6",
    "libbsd.so.0",
    "libmd.so.0",
    "libGLdispatch.so.0",
    "libGLX.so.0",
    "libEGL.so.1",
];

/// MNIST's files.
const MNIST: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// What goes into the folder beside this program and the loader.
pub struct Contents<'a> {
    /// The folder with MNIST's files; those that are there are packed.
    pub data_dir: &'a Path,
    /// The script that measures PyTorch.
    pub torch_script: &'a Path,
    /// The program that measures burn; left out if it is not there or too large.
    pub burn: &'a Path,
}

/// Packs this program and `contents` into `folder`.
///
/// # Errors
/// [`Error::Io`]; [`Error::InvalidValue`] for a folder that would be larger than 40 MB.
pub fn pack(folder: &Path, contents: &Contents) -> Result<()> {
    for folder in [folder.to_owned(), folder.join("lib"), folder.join("mnist")] {
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    add_program(&program, folder, "bregman")?;
    copy(contents.torch_script, &folder.join("gpu_torch.py"))?;
    let known = Command::new("ldconfig")
        .arg("-p")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    for name in LIBRARIES {
        match library(&known, name) {
            Some(path) => copy(&path, &folder.join("lib").join(name))?,
            None => say(format_args!("note: this machine has no {name} to pack")),
        }
    }
    for name in MNIST {
        let [compressed, plain] = [format!("{name}.gz"), name.to_owned()];
        let found = [compressed, plain]
            .into_iter()
            .find(|name| contents.data_dir.join(name).is_file());
        match found {
            Some(name) => copy(
                &contents.data_dir.join(&name),
                &folder.join("mnist").join(&name),
            )?,
            None => say(format_args!(
                "note: {name} is not in {}: the part mnist will have no data",
                contents.data_dir.display()
            )),
        }
    }
    let script = folder.join("run.sh");
    fs::write(&script, RUN).map_err(Error::io("write", &script))?;
    if contents.burn.is_file() {
        add_program(contents.burn, folder, "burn_wgpu")?;
        if megabytes(folder)? > MEGABYTES {
            let path = folder.join("burn_wgpu.gz");
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            say("note: burn is left out, as it would make the folder too large");
        }
    } else {
        say(format_args!(
            "note: there is no program {}: burn is left out",
            contents.burn.display()
        ));
    }
    let megabytes = megabytes(folder)?;
    if megabytes > MEGABYTES {
        let reason = format!("holds {megabytes} MB, and at most {MEGABYTES} are to be packed");
        return Err(invalid("pack", folder.display(), reason));
    }
    say(format_args!(
        "packed {megabytes} MB; on the other machine: bash {}",
        script.display()
    ));
    Ok(())
}

/// The path of `name` in the linker's cache, as `ldconfig -p` lists it.
fn library(known: &str, name: &str) -> Option<PathBuf> {
    let mut lines = known.lines();
    let line = lines.find(|line| line.split_whitespace().next() == Some(name))?;
    line.rsplit("=> ")
        .next()
        .map(|path| PathBuf::from(path.trim()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .map_err(Error::io("copy", from))
}

/// Adds the program at `path` to `folder` as `name.gz`, without symbols where there is a `strip`.
fn add_program(path: &Path, folder: &Path, name: &str) -> Result<()> {
    let stripped = folder.join(name);
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(path)
        .output();
    let source = match strip.is_ok_and(|output| output.status.success()) {
        true => &stripped,
        false => path,
    };
    let bytes = fs::read(source).map_err(Error::io("read", source))?;
    let target = folder.join(format!("{name}.gz"));
    let file = fs::File::create(&target).map_err(Error::io("create", &target))?;
    let mut encoder = GzEncoder::new(file, Compression::best());
    let written = encoder
        .write_all(&bytes)
        .and_then(|()| encoder.finish().map(drop));
    written.map_err(Error::io("write", &target))?;
    // It is there only where strip could be run.
    let _ = fs::remove_file(&stripped);
    Ok(())
}

/// The size of all files in `folder`, rounded up to whole MB.
fn megabytes(folder: &Path) -> Result<u64> {
    fn bytes(folder: &Path) -> std::io::Result<u64> {
        let mut sum = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            sum += match metadata.is_dir() {
                true => bytes(&entry.path())?,
                false => metadata.len(),
            };
        }
        Ok(sum)
    }
    let bytes = bytes(folder).map_err(Error::io("read", folder))?;
    Ok(bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_by_its_whole_name() {
        let known = "2 libs found\n\tlibX11.so.6.4 (x) => /a\n\tlibX11.so.6 (libc6,x86-64) => /b/libX11.so.6\n";
        assert_eq!(library(known, "libX11.so.6"), Some("/b/libX11.so.6".into()));
        assert_eq!(library(known, "libxcb.so.1"), None);
    }
}

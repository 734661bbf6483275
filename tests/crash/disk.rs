//! Failures of the disk, put in at every call.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::rc::Rc;

use bregman::activation::Activation;
use bregman::checkpoint::Run;
use bregman::error::{Error, Result};
use bregman::files::atomic::{Disk, System, remove_stale};
use bregman::kind::{Form, Init, LayerKind, Loss};
use bregman::nn::Model;
use bregman::train::Position;
use tempfile::NamedTempFile;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Write,
    ShortWrites,
    Sync,
    BeforeRename,
    AfterRename,
    SyncFolder,
}

/// A disk that fails at one call.
struct Faulty {
    fault: Fault,
    /// Bytes that there is room for.
    room: usize,
    calls: Rc<Cell<usize>>,
}

impl Faulty {
    fn fails(&self, fault: Fault) -> io::Result<()> {
        self.calls.set(self.calls.get() + 1);
        match self.fault == fault {
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
            false => Ok(()),
        }
    }
}

impl Disk for Faulty {
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        if self.fault == Fault::ShortWrites {
            return System.write(file, &bytes[..bytes.len().min(7)]);
        }
        // As many bytes as there is room for, then none.
        let room = self.room.min(bytes.len());
        if self.fault == Fault::Write && room < bytes.len().max(1) {
            if room == 0 {
                return self.fails(Fault::Write).map(|()| 0);
            }
            self.room -= room;
            return System.write(file, &bytes[..room]);
        }
        self.room -= room;
        System.write(file, bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        self.fails(Fault::Sync)?;
        System.sync(file)
    }

    fn rename(&mut self, file: NamedTempFile, target: &Path) -> io::Result<()> {
        self.fails(Fault::BeforeRename)?;
        System.rename(file, target)?;
        self.fails(Fault::AfterRename)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.fails(Fault::SyncFolder)?;
        System.sync_folder(folder)
    }
}

fn run_of(seed: u64) -> Run {
    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::CrossEntropy);
    let model = Model::new(kind, form, &Activation::TANH, loss, &[5, 3, 3], 2).expect("valid");
    Run {
        parameters: vec![Init::Random.parameters(&model, seed); 2],
        moments: Vec::new(),
        model,
        dataset: "digits".to_owned(),
        data_sha256: String::new(),
        device: "cpu".to_owned(),
        options: Default::default(),
        seed,
        position: Position::default(),
    }
}

fn save(run: &Run, path: &Path, fault: Fault, room: usize) -> Result<()> {
    let calls = Rc::default();
    run.save_on(Faulty { fault, room, calls }, path).map(drop)
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).expect("read folder").count()
}

/// The table of `files::atomic`, line by line, with and without an old file.
#[test]
fn every_failure_leaves_the_old_state_or_the_new() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    let bytes = {
        run_of(2).save(&path).expect("save");
        fs::read(&path).expect("read").len()
    };
    let mut failures = 0;
    for old in [None, Some(run_of(1))] {
        let mut faults: Vec<_> = (0..bytes)
            .step_by(97)
            .map(|room| (Fault::Write, room))
            .collect();
        faults.extend(
            [
                Fault::Sync,
                Fault::BeforeRename,
                Fault::AfterRename,
                Fault::SyncFolder,
            ]
            .map(|fault| (fault, usize::MAX)),
        );
        failures += faults.len();
        for (fault, room) in faults {
            let _ = fs::remove_file(&path);
            if let Some(old) = &old {
                old.save(&path).expect("save");
            }
            let before = fs::read(&path).ok();
            let error = save(&run_of(2), &path, fault, room).expect_err("the disk failed");
            assert!(matches!(error, Error::Io { .. }), "{fault:?}: {error}");
            let after = fs::read(&path).ok();
            let renamed = matches!(fault, Fault::AfterRename | Fault::SyncFolder);
            match renamed {
                true => assert_eq!(Run::load(&path).expect("the new state").seed, 2),
                false => assert!(after == before, "{fault:?} after {room} bytes"),
            }
            let files = usize::from(after.is_some());
            assert_eq!(
                names(folder.path()),
                files,
                "{fault:?}: nothing is left beside it"
            );
        }
    }
    #[expect(clippy::print_stderr, reason = "the count is for assets/faults.md")]
    {
        eprintln!("{failures} failures of the disk: the old state or the new was there after each");
    }
}

#[test]
fn short_writes_are_gone_on_with() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    save(&run_of(2), &a, Fault::ShortWrites, usize::MAX).expect("every byte is written in the end");
    run_of(2).save(&b).expect("save");
    assert_eq!(fs::read(a).expect("read"), fs::read(b).expect("read"));
}

#[test]
fn a_run_that_is_not_finite_does_not_replace_one_that_is() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("x.safetensors");
    run_of(1).save(&path).expect("save");
    let before = fs::read(&path).expect("read");
    let mut bad = run_of(2);
    bad.parameters[1].head.bias[1] = f32::NAN;
    assert!(matches!(bad.save(&path), Err(Error::Checkpoint { .. })));
    assert_eq!(fs::read(&path).expect("read"), before);
}

#[test]
fn scratch_files_of_the_killed_are_removed_when_they_are_old() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (old, young, other) = (".bregman-a.partial", ".bregman-b.partial", "c.partial");
    for name in [old, young, other] {
        let file = File::create(folder.path().join(name)).expect("create");
        let age = if name == young { 60 } else { 7200 };
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        file.set_modified(then).expect("set time");
    }
    remove_stale(folder.path());
    let there = |name: &str| folder.path().join(name).exists();
    assert!(!there(old) && there(young) && there(other));
}

//! Limits of the process: threads that the system refuses, processors that it may not use, and memory that
//! ends at any moment.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bregman::rng::{Purpose, Stream};

use super::{SMALL, command, refused, said, succeeds};
use crate::program::{self, folder, metrics, stdout};

/// The program under a limit of a shell's `ulimit`, or under another command.
fn under(prefix: &str, run: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{prefix} \"$@\""), "sh"]);
    shell.arg(run.get_program()).args(run.get_args());
    shell
}

fn output(command: &mut Command) -> Output {
    command.output().expect("sh")
}

/// A process that may start no threads trains, evaluates and predicts with the one that it has.
#[test]
fn refused_threads_leave_one() {
    let folder = folder();
    let save = folder.path().join("net.safetensors");
    // The stacks of four threads for each processor do not fit into the addresses.
    let few = "ulimit -v 600000; RUST_MIN_STACK=400000000 RAYON_NUM_THREADS=2000 exec";
    let training = command(SMALL, &[("--save", &save), ("--out-dir", folder.path())]);
    let trained = output(&mut under(few, &training));
    assert!(trained.status.success(), "{}", said(&trained));
    assert!(
        said(&trained).contains("goes on alone"),
        "{}",
        said(&trained)
    );
    let whole = folder.path().join("whole");
    succeeds(SMALL, &[("--out-dir", &whole)]);
    assert_eq!(metrics(folder.path()), metrics(&whole));

    let picture = folder.path().join("seven.png");
    let stroke = |x: u32, y: u32| {
        let bar = (5..8).contains(&y) && (8..20).contains(&x);
        bar || (8..23).contains(&y) && (22..25).contains(&(x + y / 2))
    };
    let ink = |x, y| image::Luma([255 * u8::from(stroke(x, y))]);
    let seven = image::GrayImage::from_fn(28, 28, ink);
    seven.save(&picture).expect("a picture");
    let mut predict = program::command("bregman predict", "");
    predict.arg("--load").arg(&save).arg(&picture);
    let predicted = output(&mut under(few, &predict));
    assert!(predicted.status.success(), "{}", said(&predicted));
    assert!(stdout(&predicted).contains('%'));

    // A requested number of threads that the system refuses is an error.
    let asked = command(&format!("{SMALL} --threads 4"), &[]);
    let none = "ulimit -v 600000; ulimit -s 400000; RUST_MIN_STACK=400000000 exec";
    let asked = output(&mut under(none, &asked));
    refused(&asked, 1, &["error: cannot start", "--threads"]);
}

/// More threads than are of any use are not started, and a process takes no more of its own accord than it
/// has processors.
#[test]
fn threads_are_as_many_as_are_of_use() {
    let started = Instant::now();
    let said = succeeds(&format!("{SMALL} --threads 30000"), &[]);
    assert!(said.contains("30000 threads would wait"), "{said}");
    // Whoever names the number, the bound is the same.
    let named = command(SMALL, &[])
        .env("RAYON_NUM_THREADS", "3000")
        .output();
    let named = named.expect("it starts");
    let said = super::said(&named);
    assert!(named.status.success(), "{said}");
    assert!(
        said.contains("3000 threads (RAYON_NUM_THREADS) would wait"),
        "{said}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
    if Command::new("taskset").arg("-V").output().is_ok() {
        let bound = output(&mut under("exec taskset -c 0", &command(SMALL, &[])));
        let said = super::said(&bound);
        assert!(said.contains("cpu, 1 thread ("), "{said}");
    }
}

/// Memory that ends at any moment is an error, never a signal or a panic; and the run continues from what it
/// left as if nothing had happened.
#[test]
fn memory_may_end_at_any_moment() {
    const RUN: &str = "--dataset digits --limit-train 300 --limit-test 50 --device cpu --width 300 \
                       --realizations 2 --optimizer adam --epochs 3 --checkpoint-every 1";
    let folder = folder();
    let whole = folder.path().join("whole");
    succeeds(RUN, &[("--out-dir", &whole)]);
    let draws = Stream::new(3, Purpose::Digits, 0);
    let (mut refusals, mut ends) = (0, 0);
    for limit in 0..12 {
        let out = folder.path().join(limit.to_string());
        // From what the program needs to say its version to what the run takes.
        let mib = 40.0 + 110.0 * draws.uniform(limit);
        let limited = command(RUN, &[("--out-dir", &out)]);
        let limited = output(&mut under(
            &format!("ulimit -v {}; exec", (mib * 1024.0) as u64),
            &limited,
        ));
        match limited.status.code() {
            Some(0) => ends += 1,
            Some(1) => {
                refusals += 1;
                let said = said(&limited);
                assert!(said.contains("error: "), "{mib} MiB: {said}");
                assert!(!said.contains("panicked"), "{mib} MiB: {said}");
            }
            // The loader itself found no room for the program.
            Some(127) => assert!(said(&limited).contains("shared"), "{}", said(&limited)),
            code => panic!("{mib} MiB: {code:?}, {}", said(&limited)),
        }
        goes_on(RUN, &out, &whole);
    }
    super::count(&format!(
        "12 limits of memory: {refusals} errors, {ends} whole runs, {} without room for the program",
        12 - refusals - ends
    ));
    assert!(refusals > 0 && ends > 0, "{refusals} refusals, {ends} ends");
}

/// What was left in `out`, if anything, continues and ends as `whole`.
pub fn goes_on(run: &str, out: &Path, whole: &Path) {
    succeeds(&format!("{run} --resume last"), &[("--out-dir", out)]);
    assert_eq!(metrics(out), metrics(whole));
}
